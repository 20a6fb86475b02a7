//! Frames, what connections between replicas are cut into.
//!
//! ```text
//! 0  length of the payload u32 little-endian    4  kind u8    5  payload
//! ```
//!
//! Whoever reads says which kinds they expect and how long each may be. Everything else is refused by its first five
//! bytes, before there is room for it.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::limits::READ_BYTES;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 5;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The first frame of whoever connects: `hello.rs`.
    Hello = 1,
    /// The hello is accepted. Empty.
    Welcome = 2,
    /// The hello or the request is refused; the payload says why, in UTF-8.
    Refused = 3,
    /// A message for the inbox.
    Message = 4,
    /// Asks for a pong with the same 8 bytes.
    Ping = 5,
    /// Answers a ping.
    Pong = 6,
    /// Asks for the public file whose path is the payload.
    Ask = 7,
    /// The file asked for.
    File = 8,
    /// There is no such file. Empty.
    NoFile = 9,
}

/// A frame that came whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
}

/// What may come next: kinds, and bytes that the payload of each has at most.
pub(super) type Expected<'a> = &'a [(Kind, usize)];

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of kind {kind} came where none may")]
    Unexpected { kind: u8 },
    #[error("a frame of kind {kind} has {bytes} bytes, more than the limit of {bytes_max}")]
    TooLong { kind: u8, bytes: usize, bytes_max: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Appends a frame to `buffer`.
pub(super) fn put(buffer: &mut BytesMut, kind: Kind, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("every payload has a limit far below 4 GiB");
    buffer.reserve(HEADER_BYTES + payload.len());
    buffer.put_u32_le(length);
    buffer.put_u8(kind as u8);
    buffer.put_slice(payload);
}

/// Writes one frame and hands it to the system.
pub(super) async fn write(writer: &mut (impl AsyncWrite + Unpin), kind: Kind, payload: &[u8]) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    put(&mut buffer, kind, payload);
    writer.write_all(&buffer).await?;
    writer.flush().await
}

/// Reads one frame. Not to be called again after it failed or was dropped: what was read is lost.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin), expected: Expected<'_>) -> Result<Frame, FrameError> {
    let mut header = [0; HEADER_BYTES];
    reader.read_exact(&mut header).await?;
    let [a, b, c, d, found] = header;
    let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
    let (kind, bytes_max) = expected
        .iter()
        .find(|(kind, _)| *kind as u8 == found)
        .copied()
        .ok_or(FrameError::Unexpected { kind: found })?;
    if bytes > bytes_max {
        let kind = found;
        return Err(FrameError::TooLong { kind, bytes, bytes_max });
    }
    // room grows with what comes, not with what is promised
    let mut payload = Vec::with_capacity(bytes.min(READ_BYTES));
    reader.take(bytes as u64).read_to_end(&mut payload).await?;
    if payload.len() < bytes {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    let payload = Bytes::from(payload);
    Ok(Frame { kind, payload })
}
