//! Connections that others make: who they are is found out before they may say anything.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::ended::{Ended, within};
use super::files::serve;
use super::frame::{self, Kind};
use super::handshakes::Handshakes;
use super::hello::{Hello, Purpose};
use super::limits::{ACCEPT_PAUSE, HELLO_BYTES_MAX, REASON_BYTES_MAX};
use super::receiving::receive;
use super::tls::proven_key;
use super::transport::Parts;

/// Accepts connections for ever.
pub(super) async fn accept(parts: &Arc<Parts>, listener: TcpListener) {
    let mut handshakes = Handshakes::new(parts.limits.handshakes_max);
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of a peer");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // a handshake is the other side's to delay: it must not hold up the next
        handshakes.add(address.ip(), || parts.spawn(greet(Arc::clone(parts), stream, address)));
    }
}

async fn greet(parts: Arc<Parts>, stream: TcpStream, address: SocketAddr) {
    let greeted = within(parts.limits.handshake_max, "the handshake", recognize(&parts, stream)).await;
    if let Err(ended) = greeted {
        // whoever scans ports must not fill the disk
        tracing::debug!(%address, %ended, "a connection to the peers' port came to nothing");
    }
}

/// TLS, then hello; then the connection has a task of its own.
async fn recognize(parts: &Arc<Parts>, stream: TcpStream) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let mut stream = parts.tls.acceptor().accept(stream).await?;
    let key = proven_key(stream.get_ref().1.peer_certificates());
    let key = key.ok_or_else(|| Ended::Broken("no key was shown".to_owned()))?;
    let hello = frame::read(&mut stream, &[(Kind::Hello, HELLO_BYTES_MAX)]).await?;
    let recognized =
        Hello::from_bytes(&hello.payload).and_then(|hello| Ok((parts.roster.recognize(&key, &hello)?, hello.purpose)));
    match recognized {
        Ok((remote, purpose)) => {
            let (own, theirs) = (Arc::clone(parts), Arc::clone(&remote));
            let task = match purpose {
                Purpose::Messages => parts.spawn(receive(own, theirs, stream)),
                Purpose::Files => parts.spawn(serve(own, theirs, stream)),
            };
            parts.roster.admit(&remote, purpose, task);
            Ok(())
        }
        Err(reason) => {
            let told = &reason.as_bytes()[..reason.len().min(REASON_BYTES_MAX)];
            frame::write(&mut stream, Kind::Refused, told).await?;
            stream.shutdown().await?;
            Err(Ended::Refusing(reason))
        }
    }
}
