//! Where another replica can begin: the last position in the raft log at which the tree had a certified size.
//!
//! A raft snapshot is of such a position, and the raft log keeps all that follows on it. So a replica that lacks what the
//! log has given up can always be helped, also while the ledger stands still because its cosignature is missing.

use std::collections::VecDeque;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::tree::TreeSize;
use prost::Message;

use super::Machine;
use crate::Error;
use crate::raft::Position;
use crate::raft_snapshot::RaftSnapshotData;

/// Sizes that are remembered while none is certified; of more, the oldest are forgotten, and the anchor stays where it is
/// until a later one is certified.
const OUTGROWN_MAX: usize = 1 << 16;

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

/// The anchor, and what has been applied behind it.
#[derive(Debug, Default)]
pub(super) struct Anchorage {
    anchor: Option<Anchor>,
    /// Sizes that the tree has outgrown, each with the last position at which it had that size.
    outgrown: VecDeque<(TreeSize, Position)>,
}

impl Anchorage {
    pub(super) fn new(bytes: Option<&AnchorBytes>) -> Result<Self, Error> {
        let anchor = bytes.map(AnchorBytes::read).transpose()?;
        let outgrown = VecDeque::new();
        Ok(Self { anchor, outgrown })
    }

    /// The entry behind `at`, where the tree had `size` leaves, has made it grow.
    pub(super) fn outgrown(&mut self, size: TreeSize, at: Position) {
        if self.outgrown.len() == OUTGROWN_MAX {
            self.outgrown.pop_front();
        }
        self.outgrown.push_back((size, at));
    }
}

impl AnchorBytes {
    fn read(&self) -> Result<Anchor, Error> {
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

impl Machine {
    /// Where another replica can begin now; `None` where a restart found none and nothing has been certified since.
    pub(crate) fn anchor(&mut self) -> Option<&Anchor> {
        let certified = self.certifier.certified();
        let size = certified.map_or(TreeSize(0), |signed| signed.checkpoint().size);
        let Anchorage { anchor, outgrown } = &mut self.anchorage;
        while outgrown.pop_front_if(|(outgrown, _)| *outgrown < size).is_some() {}
        let at = match outgrown.front() {
            Some((outgrown, at)) => (*outgrown == size).then_some(*at),
            None => (self.tiles.size() == size).then_some(self.applied),
        };
        if let Some(at) = at {
            let checkpoint = certified.cloned();
            *anchor = Some(Anchor { at, checkpoint });
        }
        anchor.as_ref()
    }

    /// Begins anew at what was taken over.
    pub(super) fn anchor_at(&mut self, anchor: Anchor) {
        self.anchorage.outgrown.clear();
        self.anchorage.anchor = Some(anchor);
    }

    /// What another replica may begin from, as its position and the data of a raft snapshot.
    pub(crate) fn raft_snapshot(&mut self) -> Result<Option<(Position, RaftSnapshotData)>, Error> {
        if self.replaying || self.is_installing()? {
            return Ok(None);
        }
        let Some(Anchor { at, checkpoint }) = self.anchor().cloned() else {
            return Ok(None);
        };
        let size = checkpoint
            .as_ref()
            .map_or(TreeSize(0), |signed| signed.checkpoint().size);
        let ends = self.epoch_checkpoints.iter().map(|signed| signed.checkpoint().size);
        let changes = ends.take_while(|end| *end <= size).count();
        let mut epoch_changes = self.shared.read(|_, state| Ok(state.meta.epoch_changes.clone()))?;
        epoch_changes.truncate(changes);
        Ok(Some((at, RaftSnapshotData::new(epoch_changes, checkpoint.as_ref()))))
    }
}
