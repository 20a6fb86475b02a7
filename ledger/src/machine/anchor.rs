//! Where another replica can begin: the position in the raft log that brought the last certified leaf.
//!
//! A raft snapshot is of such a position, and the raft log keeps all that follows on it, entries without leaves too. So
//! whoever lacks an entry that the log has given up lacks a leaf, and can be helped: also while the ledger stands still
//! because its cosignature is missing. Entries without leaves are given up where every replica holds them, and where they
//! alone have made the log twice as long as it may be; the anchor then moves behind them ([`Machine::anchor_here`]).

use std::collections::VecDeque;

use dab_proof::tree::TreeSize;

use super::Machine;
use crate::Error;
use crate::raft::Position;
use crate::raft_snapshot::RaftSnapshotData;
use crate::raft_snapshot::anchor::{Anchor, AnchorBytes};

/// Sizes that are remembered while none is certified; of more, the oldest are forgotten, and the anchor stays where it is
/// until a later one is certified.
const GROWN_MAX: usize = 1 << 16;

/// The anchor, and what has been applied behind it.
#[derive(Debug, Default)]
pub(super) struct Anchorage {
    anchor: Option<Anchor>,
    /// Sizes that the tree has grown to, each with the position of the entry that made it so.
    grown: VecDeque<(TreeSize, Position)>,
}

impl Anchorage {
    pub(super) fn new(bytes: Option<&AnchorBytes>) -> Result<Self, Error> {
        let anchor = bytes.map(AnchorBytes::read).transpose()?;
        let grown = VecDeque::new();
        Ok(Self { anchor, grown })
    }

    /// The entry at `at` has made the tree grow to `size` leaves.
    pub(super) fn grown(&mut self, size: TreeSize, at: Position) {
        if self.grown.len() == GROWN_MAX {
            self.grown.pop_front();
        }
        self.grown.push_back((size, at));
    }
}

impl Machine {
    /// Where another replica can begin now; `None` before a leaf is certified, or where a restart found none and no leaf that
    /// came since is certified.
    pub(crate) fn anchor(&mut self) -> Option<&Anchor> {
        let Anchorage { anchor, grown } = &mut self.anchorage;
        let certified = self.certifier.certified()?;
        while let Some((size, at)) = grown.pop_front_if(|(size, _)| *size <= certified.checkpoint().size) {
            if size == certified.checkpoint().size {
                let checkpoint = Some(certified.clone());
                *anchor = Some(Anchor { at, checkpoint });
            }
        }
        anchor.as_ref()
    }

    /// Moves the anchor to what is applied, where all of it is certified. Whoever has all leaves and lacks entries without any
    /// can be helped after that only once another leaf has come.
    pub(crate) fn anchor_here(&mut self) {
        let certified = self.certifier.certified();
        if let Some(checkpoint) = certified.filter(|signed| signed.checkpoint().size == self.tiles.size()) {
            self.anchorage.anchor = Some(Anchor {
                at: self.applied,
                checkpoint: Some(checkpoint.clone()),
            });
        }
    }

    /// Begins anew at what was taken over.
    pub(super) fn anchor_at(&mut self, anchor: Anchor) {
        self.anchorage.grown.clear();
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
