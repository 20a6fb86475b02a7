//! Messages of one peer.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};

use super::ended::{Ended, within};
use super::frame::{self, Kind};
use super::limits::READ_BYTES;
use super::remote::Remote;
use super::sending::PING_BYTES;
use super::transport::Parts;

/// Receives over a connection whose hello was accepted, until it ends.
pub(super) async fn receive(parts: Arc<Parts>, remote: Arc<Remote>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let Err(ended) = receive_frames(&parts, &remote, stream).await;
    tracing::debug!(peer = %remote.peer.id, %ended, "a peer's connection for messages ended");
}

async fn receive_frames(
    parts: &Parts,
    remote: &Remote,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<std::convert::Infallible, Ended> {
    let limits = &parts.limits;
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    within(
        limits.silence_max,
        "a welcome",
        frame::write(&mut stream, Kind::Welcome, &[]),
    )
    .await?;
    let expected = [(Kind::Message, limits.message_bytes_max), (Kind::Ping, PING_BYTES)];
    loop {
        let frame = within(
            limits.frame_wait_max,
            "the next frame",
            frame::read(&mut stream, &expected),
        )
        .await?;
        // frames that were read ahead are none of a peer's any more
        if remote.is_removed() {
            return Err(Ended::Removed);
        }
        remote.heard();
        match frame.kind {
            Kind::Ping => {
                let pong = frame::write(&mut stream, Kind::Pong, &frame.payload);
                within(limits.silence_max, "a pong", pong).await?;
            }
            _ => parts.inbox.receive(remote.peer.id, frame.payload),
        }
    }
}
