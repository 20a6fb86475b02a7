//! What earlier runs have signed and certified, held against the tree that this one comes to.

use super::Machine;
use crate::Error;
use crate::certify::TreeHead;
use dab_proof::checkpoint::SignedCheckpoint;

impl Machine {
    /// Ends the replay: compares what earlier runs signed with the replayed tree, and goes on from there.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when an earlier checkpoint, or the head that this replica signed last, does not fit.
    pub(crate) fn finish_replay(&mut self, alone: bool) -> Result<(), Error> {
        if let Some(signed) = self.certifier.signed() {
            self.check_signed_head(signed)?;
        }
        let mut restored = None;
        for known in self.checkpoint_file.take_known() {
            if known.signed.checkpoint().size > self.tiles.size() && !alone {
                if self.certifier.was_rolled_back(&known.signed) {
                    return Err(known.check(&self.tiles).expect_err("it is larger than the tree"));
                }
                // certified by others before this replica's own commit index was durable
                self.expected = Some(known.signed);
                continue;
            }
            known.check(&self.tiles)?;
            restored = Some(known);
        }
        let restored = restored.filter(|known| self.certifier.policies().allows(known.signed.checkpoint().size));
        if let Some(known) = restored {
            let issued = known.issued();
            self.certifier.restore(known.signed)?;
            self.shared.write(|_, state| {
                issued.into_iter().for_each(|issued| state.record_issued(issued));
            })?;
        }
        self.replaying = false;
        if self.tiles.size() > self.certifier.certified_size() || self.certifier.certified().is_none() {
            // what has to be certified before all else comes first
            for size in self.certifier.policies().bounds_below(self.tiles.size()) {
                let root = self.tiles.root_at(size)?;
                self.certifier.grown(TreeHead { size, root })?;
            }
            self.certifier.grown(self.head())?;
        }
        self.show_certified()
    }

    fn check_signed_head(&self, signed: TreeHead) -> Result<(), Error> {
        let (size, root) = (self.tiles.size(), self.tiles.root());
        let found = match signed.size <= size {
            true => self.tiles.root_at(signed.size)?,
            false => root,
        };
        if signed.size > size || found != signed.root {
            let reason = format!(
                "this replica has cosigned root {} for {} leaves, but the raft log replays to {size} leaves and root {root}",
                signed.root, signed.size
            );
            return Err(Error::Inconsistent { reason });
        }
        Ok(())
    }

    /// Holds a certified checkpoint against this replica's tree, now or when the tree has grown to it. Of several that are
    /// ahead the smallest stays, which is compared first.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] where it shows another tree, with the evidence kept: see
    /// [`Certifier::forked`](crate::certify::Certifier::forked).
    pub(crate) fn expect(&mut self, certified: SignedCheckpoint) -> Result<(), Error> {
        let size = certified.checkpoint().size;
        let is_first = |expected: &SignedCheckpoint| size < expected.checkpoint().size;
        if self.expected.as_ref().is_none_or(is_first) {
            self.expected = Some(certified);
        }
        self.compare_expected()
    }

    pub(super) fn compare_expected(&mut self) -> Result<(), Error> {
        let Some(expected) = self
            .expected
            .take_if(|expected| expected.checkpoint().size <= self.tiles.size())
        else {
            return Ok(());
        };
        let (size, root) = (expected.checkpoint().size, expected.checkpoint().root);
        // who certifies a size is known when the tree has grown to it: who had left by then signs in vain
        if self.certifier.policies().at(size).verify(&expected).is_err() {
            return Ok(());
        }
        let replayed = self.tiles.root_at(size)?;
        if replayed != root {
            return Err(self.certifier.forked(replayed, &expected)?);
        }
        let is_next = size > self.certifier.certified_size() && self.certifier.policies().allows(size);
        match is_next {
            true => self.certifier.restore(expected),
            false => Ok(()),
        }
    }
}
