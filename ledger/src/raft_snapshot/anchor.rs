//! The anchor, in memory and in the state database; `machine/anchor.rs` says what it is for, and moves it.

use dab_proof::checkpoint::SignedCheckpoint;
use prost::Message;

use crate::Error;
use crate::raft::Position;

/// A position, and the certified checkpoint of the leaves that are applied there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) at: Position,
    /// `None` while there are no leaves.
    pub(crate) checkpoint: Option<SignedCheckpoint>,
}

/// An anchor as the state database has it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnchorBytes {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(bytes = "vec", tag = "3")]
    checkpoint: Vec<u8>,
}

impl AnchorBytes {
    pub(crate) fn read(&self) -> Result<Anchor, Error> {
        let checkpoint = match self.checkpoint.as_slice() {
            [] => None,
            bytes => Some(SignedCheckpoint::parse(bytes)?),
        };
        let at = Position {
            index: self.index,
            term: self.term,
        };
        Ok(Anchor { at, checkpoint })
    }
}

impl From<&Anchor> for AnchorBytes {
    fn from(anchor: &Anchor) -> Self {
        let checkpoint = anchor.checkpoint.as_ref();
        Self {
            index: anchor.at.index,
            term: anchor.at.term,
            checkpoint: checkpoint.map(SignedCheckpoint::to_bytes).unwrap_or_default(),
        }
    }
}
