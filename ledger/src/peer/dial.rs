//! Connections that this replica makes.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ended::{Ended, within};
use super::frame::{self, Frame, Kind};
use super::hello::{Hello, Purpose};
use super::limits::REASON_BYTES_MAX;
use super::remote::Remote;
use super::tls::server_name;
use super::transport::Parts;

/// Connects to a peer, which has proven its key and accepted the hello when this returns.
pub(super) async fn dial(parts: &Parts, remote: &Remote, purpose: Purpose) -> Result<TlsStream<TcpStream>, Ended> {
    let limits = &parts.limits;
    let connecting = async {
        TcpStream::connect(&remote.peer.address)
            .await
            .map_err(Ended::Unreachable)
    };
    let stream = within(limits.connect_max, "connecting", connecting).await?;
    stream.set_nodelay(true)?;
    let connector = parts.tls.connector(remote.peer.key)?;
    let hello = Hello {
        purpose,
        from: parts.own.id,
        to: remote.peer.id,
        origin: parts.own.origin.clone(),
    };
    let introducing = async {
        let mut stream = connector.connect(server_name(), stream).await?;
        // whoever refuses this replica's key may have closed the connection by now, but has said why before
        let _ = frame::write(&mut stream, Kind::Hello, &hello.to_bytes()).await;
        let answer = frame::read(&mut stream, &[(Kind::Welcome, 0), (Kind::Refused, REASON_BYTES_MAX)]).await?;
        match answer.kind {
            Kind::Welcome => Ok(stream),
            _ => Err(Ended::Refused(reason(&answer))),
        }
    };
    within(limits.handshake_max, "the handshake", introducing).await
}

/// What a refusal says. It is somebody else's text: no control characters get into a log.
pub(super) fn reason(refused: &Frame) -> String {
    String::from_utf8_lossy(&refused.payload).escape_debug().to_string()
}
