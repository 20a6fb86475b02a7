//! Checkpoints that were certified, and could not be followed to yet: their files could not be read, or do not hold. A ledger
//! that shows a fork and withholds its tiles has signed it nevertheless: what it showed is held against whatever it shows later.

use crate::checkpoint::SignedCheckpoint;

/// Checkpoints that are remembered.
pub const PENDING_MAX: usize = 8;

/// The checkpoints that wait, in the order in which they were shown; no two with the same size and root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    shown: Vec<SignedCheckpoint>,
}

impl Pending {
    /// Those checkpoints, up to `PENDING_MAX`.
    pub fn new(shown: impl IntoIterator<Item = SignedCheckpoint>) -> Pending {
        let mut pending = Pending::default();
        shown.into_iter().for_each(|signed| pending.remember(&signed));
        pending
    }

    /// The checkpoints, the one shown first at the front.
    pub fn shown(&self) -> &[SignedCheckpoint] {
        &self.shown
    }

    /// Adds one that was not followed to. Where there are enough it takes the place of the last one: no later ones can push
    /// out the first.
    pub(super) fn remember(&mut self, signed: &SignedCheckpoint) {
        if self.shown.iter().any(|one| one.checkpoint() == signed.checkpoint()) {
            return;
        }
        self.shown.truncate(PENDING_MAX - 1);
        self.shown.push(signed.clone());
    }

    /// Forgets them all: each was shown to be a tree that the accepted one grew from.
    pub(super) fn clear(&mut self) {
        self.shown.clear();
    }
}
