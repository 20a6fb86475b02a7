//! The decoders that face a peer or a disk and are nobody else's business, for fuzzing. Each gives what it accepted, written
//! again, so that whoever calls can say how many spellings it has.

use bytes::Bytes;
use dab_proof::epoch::EpochText;
use prost::Message;
use prost_for_raft::Message as _;

use crate::Error;
use crate::epoch::Epoch;
use crate::replica::message::PeerMessage;
use crate::state_machine::LedgerEntry;
use crate::{peer, public_path, raft};

/// What a raft log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftLog {
    /// The last raft index that it no longer holds.
    pub base: u64,
    /// The last raft index that it knows to be committed.
    pub committed: u64,
    /// The term of each entry behind the base.
    pub terms: Vec<u64>,
}

/// The first frame of a connection between replicas.
pub fn peer_hello(bytes: &[u8]) -> Option<Vec<u8>> {
    peer::decoders::hello(bytes)
}

/// The frames with which a stream between replicas begins.
pub fn peer_frames(stream: &[u8]) -> Vec<u8> {
    peer::decoders::frames(stream)
}

/// Whether the file of a peer's key (PKCS#8, PEM) is taken for one.
pub fn is_peer_key_file(pem: &[u8]) -> bool {
    peer::decoders::is_key_file(pem)
}

/// A message between replicas.
pub fn peer_message(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = PeerMessage::from_bytes(Bytes::copy_from_slice(bytes))?;
    Some(PeerMessage::to_bytes(content).into())
}

/// A message of raft, as one between replicas carries it.
pub fn raft_message(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = ::raft::eraftpb::Message::decode(bytes).ok()?;
    Some(message.encode_to_vec())
}

/// The data of a raft entry.
pub fn raft_entry(data: &[u8]) -> Option<Vec<u8>> {
    let entry = LedgerEntry::decode(data).ok()?;
    LedgerEntry::from_bytes(1, data).ok()?;
    Some(entry.to_bytes())
}

/// The whole batches of the raft log's segment 1, of which `is_last` may end torn.
///
/// # Errors
///
/// [`Error::Corrupt`].
pub fn raft_segment(bytes: &[u8], is_last: bool) -> Result<Vec<u8>, Error> {
    raft::decoders::segment(bytes, is_last)
}

/// What a raft log of this segment alone holds at a restart, and at the next one.
///
/// # Errors
///
/// [`Error::Corrupt`].
pub fn raft_log_twice(segment: &[u8]) -> Result<[RaftLog; 2], Error> {
    raft::decoders::raft_log_twice(segment)
}

/// Makes the checksums of a segment right.
pub fn seal_raft_segment(segment: &mut [u8]) {
    raft::decoders::seal(segment);
}

/// Whether a change may lead from one epoch to the next, whoever approves of it.
pub fn may_follow(now: &EpochText, next: &EpochText) -> bool {
    Epoch::read(now.clone()).is_ok_and(|now| now.change_to(next).is_ok())
}

/// The public file that a path asked for over HTTP, or by a peer, leads to.
pub fn public_path(asked: &str) -> Option<String> {
    public_path::public_path(asked)
}
