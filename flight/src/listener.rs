//! Accepting connections: TLS, a cap on their number, and an end for those on which nothing moves.

mod connection;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{cancel::Cancel, limits::Limits};

use connection::Timeouts;
pub(crate) use connection::{Connection, Peer};

/// Pause after the system refuses to accept, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections as they come in over all listeners. Dropping it closes the listeners; connections stay.
#[derive(Debug)]
pub(crate) struct Incoming {
    ready: mpsc::Receiver<Connection>,
    _listeners: JoinSet<()>,
}

impl Incoming {
    /// Listens on at least one listener, with TLS if `tls` is given, and for connections on which somebody logs in within
    /// `anonymous_max` if that is given. `close` ends every connection.
    pub(crate) fn listen(
        listeners: Vec<TcpListener>,
        tls: Option<Arc<rustls::ServerConfig>>,
        limits: &Limits,
        anonymous_max: Option<Duration>,
        close: &Cancel,
    ) -> io::Result<Self> {
        if listeners.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing to listen on"));
        }
        let (sender, ready) = mpsc::channel(1);
        let accept = Arc::new(Accept {
            tls: tls.map(TlsAcceptor::from),
            handshake_timeout: limits.tls_handshake_timeout,
            timeouts: Timeouts {
                idle: limits.connection_idle_timeout,
                anonymous: anonymous_max,
            },
            slots: Arc::new(Slots {
                taken: Mutex::default(),
                total_max: limits.connections_max,
                per_address_max: limits.connections_per_address_max,
            }),
            close: close.clone(),
            ready: sender,
        });
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(Arc::clone(&accept).run(listener));
        }
        Ok(Self {
            ready,
            _listeners: tasks,
        })
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(context).map(|connection| connection.map(Ok))
    }
}

struct Accept {
    tls: Option<TlsAcceptor>,
    handshake_timeout: Duration,
    timeouts: Timeouts,
    slots: Arc<Slots>,
    close: Cancel,
    ready: mpsc::Sender<Connection>,
}

impl Accept {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = Slots::take(&self.slots, client_of(peer.ip())) else {
                tracing::warn!(%peer, "too many connections, one was closed");
                continue;
            };
            // the handshake is the client's to delay: it must not hold up the next client
            tokio::spawn(Arc::clone(&self).greet(stream, peer, slot));
        }
    }

    async fn greet(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        let _ = stream.set_nodelay(true);
        let stream = match &self.tls {
            None => connection::Transport::Plain(stream),
            Some(tls) => match tokio::time::timeout(self.handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => connection::Transport::Tls(Box::new(stream)),
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "tls handshake failed"),
                Err(_) => return tracing::debug!(%peer, "tls handshake took too long"),
            },
        };
        let connection = Connection::new(stream, peer, slot, self.timeouts, &self.close);
        // fails when the server stopped meanwhile; the connection is then closed
        let _ = self.ready.send(connection).await;
    }
}

/// Whom an address counts as: a host has a whole /64 of IPv6 addresses to choose from, and one of IPv4.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

/// Places for connections.
#[derive(Debug)]
struct Slots {
    taken: Mutex<HashMap<IpAddr, usize>>,
    total_max: usize,
    per_address_max: usize,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    fn take(slots: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let mut taken = slots.taken.lock();
        if taken.values().sum::<usize>() >= slots.total_max {
            return None;
        }
        let own = taken.entry(address).or_insert(0);
        if *own >= slots.per_address_max {
            return None;
        }
        *own += 1;
        Some(Slot {
            slots: Arc::clone(slots),
            address,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn listen(limits: Limits, anonymous_max: Option<Duration>) -> (Incoming, SocketAddr, Cancel) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, close) = (listener.local_addr().unwrap(), Cancel::new());
        (
            Incoming::listen(vec![listener], None, &limits, anonymous_max, &close).unwrap(),
            address,
            close,
        )
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_client() {
        let client = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[tokio::test]
    async fn a_connection_beyond_the_cap_is_closed_and_its_place_is_given_on() {
        let limits = Limits {
            connections_per_address_max: 1,
            ..Limits::default()
        };
        let (mut incoming, address, _close) = listen(limits, None).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let served = incoming.next().await.unwrap().unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0, "closed by the server");
        drop(served);
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
        let _third = TcpStream::connect(address).await.unwrap();
        incoming.next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_connection_ends_when_nothing_moves_or_the_server_closes_it() {
        let limits = Limits {
            connection_idle_timeout: Duration::from_millis(200),
            ..Limits::default()
        };
        let (mut incoming, address, close) = listen(limits, None).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut served = incoming.next().await.unwrap().unwrap();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.write_all(b"x").await.unwrap();
            assert_eq!(served.read_u8().await.unwrap(), b'x', "kept open by traffic");
        }
        assert_eq!(served.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let _client = TcpStream::connect(address).await.unwrap();
        let mut served = incoming.next().await.unwrap().unwrap();
        close.cancel();
        assert_eq!(
            served.read_u8().await.unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted
        );
    }

    #[tokio::test]
    async fn a_connection_on_which_nobody_logs_in_ends_whatever_moves_on_it() {
        let max = Duration::from_millis(300);
        for logs_in in [false, true] {
            let (mut incoming, address, _close) = listen(Limits::default(), Some(max)).await;
            let mut client = TcpStream::connect(address).await.unwrap();
            let mut served = incoming.next().await.unwrap().unwrap();
            if logs_in {
                tonic::transport::server::Connected::connect_info(&served).logged_in();
            }
            let (began, mut ended) = (tokio::time::Instant::now(), None);
            while began.elapsed() < 2 * max && ended.is_none() {
                client.write_all(b"x").await.unwrap();
                ended = served.read_u8().await.err();
            }
            assert_eq!(
                ended.map(|error| error.kind()),
                (!logs_in).then_some(io::ErrorKind::TimedOut)
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_delays_its_tls_handshake_holds_up_nobody() {
        crate::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let tls = crate::Tls::open(dir.path(), &[]).unwrap();
        let limits = Limits {
            tls_handshake_timeout: Duration::from_millis(300),
            ..Limits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = tls.server_config(&["h2"]).unwrap();
        let mut incoming = Incoming::listen(vec![listener], Some(config), &limits, None, &Cancel::new()).unwrap();

        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let ca = rustls::pki_types::pem::PemObject::from_pem_slice(tls.ca_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let client = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        for name in crate::tls::LOCAL_NAMES {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from(name).unwrap();
            let (client, served) = tokio::join!(connector.connect(name, stream), incoming.next());
            client.unwrap();
            served.unwrap().unwrap();
        }
        assert_eq!(
            silent.read(&mut [0; 1]).await.unwrap(),
            0,
            "closed after the handshake's time"
        );
    }
}
