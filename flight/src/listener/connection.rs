//! One connection.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::future::{BoxFuture, Fuse, FusedFuture, FutureExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::Slot;
use crate::cancel::Cancel;

/// An accepted connection. Reading and writing fail with `TimedOut` when no byte moved in either direction for the idle
/// timeout or nobody has logged in for too long, and with `ConnectionAborted` once the server closes its connections.
pub(crate) struct Connection {
    transport: Transport,
    peer: Peer,
    timeouts: Timeouts,
    accepted: Instant,
    moved: Instant,
    idle: Pin<Box<Sleep>>,
    closed: Fuse<BoxFuture<'static, ()>>,
    _slot: Slot,
}

pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// When a connection ends by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// Time without a byte.
    pub(super) idle: Duration,
    /// Time without a login; `None` where nobody logs in.
    pub(super) anonymous: Option<Duration>,
}

/// The other end, as calls find it in their extensions.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    known: Arc<AtomicBool>,
}

impl Peer {
    /// Notes that somebody has logged in over this connection: pings may keep it open from now on.
    pub(crate) fn logged_in(&self) {
        self.known.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        address: SocketAddr,
        slot: Slot,
        timeouts: Timeouts,
        close: &Cancel,
    ) -> Self {
        let (close, now) = (close.clone(), Instant::now());
        let first = timeouts.anonymous.map_or(timeouts.idle, |max| max.min(timeouts.idle));
        Self {
            transport,
            peer: Peer {
                address,
                known: Arc::default(),
            },
            timeouts,
            accepted: now,
            moved: now,
            idle: Box::pin(tokio::time::sleep(first)),
            closed: async move { close.cancelled().await }.boxed().fuse(),
            _slot: slot,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// When the connection ends if nothing happens, and why.
    fn ends(&self) -> (Instant, &'static str) {
        let idle = (self.moved + self.timeouts.idle, "nothing moved on the connection");
        match self.timeouts.anonymous {
            Some(max) if !self.peer.known.load(Ordering::Relaxed) => {
                idle.min((self.accepted + max, "nobody logged in over the connection"))
            }
            _ => idle,
        }
    }

    /// Ready once the connection has to end.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.closed.is_terminated() || self.closed.poll_unpin(context).is_ready() {
            return Poll::Ready(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server is stopping",
            ));
        }
        loop {
            ready!(self.idle.as_mut().poll(context));
            let (ends, why) = self.ends();
            if ends <= Instant::now() {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            self.idle.as_mut().reset(ends);
        }
    }

    /// What becomes of a read or write: bytes that moved keep the connection from being idle, and one that has to end ends
    /// whether they moved or not. Somebody who never stops sending is never idle; somebody who never reads lets no byte of
    /// ours move, and hyper reads nothing more from them while it waits to write.
    fn settle<T>(&mut self, moved: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Poll::Ready(result) = moved else {
            return self.poll_end(context).map(Err);
        };
        self.moved = Instant::now();
        let (ends, why) = self.ends();
        match ends <= self.moved {
            true => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why))),
            false => Poll::Ready(result),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        self.settle(read, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.settle(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        };
        self.settle(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        match done {
            Poll::Pending => self.poll_end(context).map(Err),
            done => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        };
        match done {
            Poll::Pending => self.poll_end(context).map(Err),
            done => done,
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer.address)
            .finish_non_exhaustive()
    }
}
