//! The messages of replicas, as somebody else writes and reads them: the bytes of the ledger's `replica/message.rs` and
//! `state_machine/entry.rs`, made anew from their description.

use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use prost::{Message, Oneof};
use prost_for_raft::Message as _;
use raft::eraftpb::{Message as RaftMessage, MessageType};

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

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Forward {
    #[prost(message, repeated, tag = "1")]
    pub(crate) proposals: Vec<ProposalBytes>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Held {
    #[prost(uint64, tag = "1")]
    pub(crate) raft_index: u64,
}

/// The data of a raft entry.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryData {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) group: Option<Forward>,
    /// Settings, unread.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) settings: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProposalBytes {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) statements: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) request: Bytes,
}

impl Content {
    /// Reads a message; `None` for what is none.
    pub(crate) fn read(message: &Bytes) -> Option<Self> {
        PeerMessage::decode(message.clone()).ok()?.content
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        let message = PeerMessage { content: Some(self) };
        message.encode_to_vec().into()
    }

    pub(crate) fn raft(message: &RaftMessage) -> Self {
        Self::Raft(message.encode_to_vec().into())
    }

    pub(crate) fn note(note: &SignedCheckpoint, asks: bool) -> Self {
        let checkpoint = note.to_bytes().into();
        Self::Note(NoteBytes { checkpoint, asks })
    }

    /// The note in it, where it is one.
    pub(crate) fn as_note(&self) -> Option<SignedCheckpoint> {
        match self {
            Self::Note(note) => SignedCheckpoint::parse(&note.checkpoint).ok(),
            _ => None,
        }
    }

    /// The raft message in it, where it is one of a kind that is wanted. The kind stands first, so others are not read.
    pub(crate) fn as_raft(&self, kinds: &[MessageType]) -> Option<RaftMessage> {
        let Self::Raft(bytes) = self else { return None };
        let wanted = |kind: &MessageType| bytes.starts_with(&[8, *kind as u8]);
        match kinds.iter().any(wanted) {
            true => RaftMessage::decode(bytes.clone()).ok(),
            false => None,
        }
    }
}
