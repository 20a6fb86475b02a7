//! What a connection's bytes are read with, for fuzzing: without a connection.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::PeerIdentity;
use super::frame::{self, FrameError, Kind};
use super::hello::Hello;
use super::limits::{HELLO_BYTES_MAX, PATH_BYTES_MAX, PeerLimits, REASON_BYTES_MAX};
use super::sending::PING_BYTES;

/// The hello, written again where it is accepted.
pub(crate) fn hello(bytes: &[u8]) -> Option<Vec<u8>> {
    Hello::from_bytes(bytes).ok().map(|hello| hello.to_bytes())
}

/// The frames with which a stream begins, written again; every kind may come, each as long as it may be somewhere.
pub(crate) fn frames(mut stream: &[u8]) -> Vec<u8> {
    let expected = [
        (Kind::Hello, HELLO_BYTES_MAX),
        (Kind::Welcome, 0),
        (Kind::Refused, REASON_BYTES_MAX),
        (Kind::Message, PeerLimits::default().message_bytes_max),
        (Kind::Ping, PING_BYTES),
        (Kind::Pong, PING_BYTES),
        (Kind::Ask, PATH_BYTES_MAX),
        (Kind::File, dab_proof::tile::BUNDLE_BYTES_MAX),
        (Kind::NoFile, 0),
    ];
    let mut written = bytes::BytesMut::new();
    while let Ok(frame) = read(&mut stream, &expected) {
        frame::put(&mut written, frame.kind, &frame.payload);
    }
    written.into()
}

/// Whether the file of a peer's key is taken for one.
pub(crate) fn is_key_file(pem: &[u8]) -> bool {
    PeerIdentity::from_pem(pem).is_some()
}

/// Bytes in memory are there at once, so the first poll says everything.
fn read(stream: &mut &[u8], expected: frame::Expected<'_>) -> Result<frame::Frame, FrameError> {
    match pin!(frame::read(stream, expected)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => unreachable!("a reader in memory does not wait"),
    }
}
