//! What replicas say to each other.
//!
//! ```protobuf
//! message PeerMessage {
//!   oneof content { bytes raft = 1; Note note = 2; Forward forward = 3; Held held = 4; }
//! }
//! message Note { bytes checkpoint = 1; bool asks = 2; }
//! message Forward { repeated Proposal proposals = 1; }
//! message Held { uint64 raft_index = 1; }
//! ```
//!
//! `raft` is a message of raft-rs in its own encoding (eraftpb). `checkpoint` is a signed note, C2SP tlog-checkpoint, with
//! any number of cosignatures: one replica's own, or enough of them to be certified; with `asks`, its sender has been
//! waiting for the quorum and wants the certified checkpoint of whoever has it. `Proposal` is that of a raft entry. `Held`
//! says that its sender has made the state durable up to there, and will never need the raft log before.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::state_machine::entry::ProposalBytes;

/// One message between replicas.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PeerMessage {
    #[prost(oneof = "Content", tags = "1, 2, 3, 4")]
    pub(crate) content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Content {
    #[prost(bytes = "bytes", tag = "1")]
    Raft(Bytes),
    #[prost(message, tag = "2")]
    Note(NoteBytes),
    #[prost(message, tag = "3")]
    Forward(Forward),
    #[prost(message, tag = "4")]
    Held(Held),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NoteBytes {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) checkpoint: Bytes,
    #[prost(bool, tag = "2")]
    pub(crate) asks: bool,
}

/// Proposals that their replica hands to the leader.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Forward {
    #[prost(message, repeated, tag = "1")]
    pub(crate) proposals: Vec<ProposalBytes>,
}

/// How far its sender has made the state durable.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Held {
    #[prost(uint64, tag = "1")]
    pub(crate) raft_index: u64,
}

impl PeerMessage {
    pub(crate) fn to_bytes(content: Content) -> Bytes {
        let message = PeerMessage { content: Some(content) };
        message.encode_to_vec().into()
    }

    /// Reads a message; `None` for what this release does not know.
    pub(crate) fn from_bytes(bytes: Bytes) -> Option<Content> {
        PeerMessage::decode(bytes).ok()?.content
    }
}
