//! What earlier runs have signed and certified, held against the tree that this one comes to.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::consistency;
use dab_proof::hash::Hash;
use dab_proof::tile::TilesOnce;
use dab_proof::tree::TreeSize;

use super::Machine;
use crate::Error;
use crate::certify::TreeHead;

/// Certified checkpoints that are ahead of the tree.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Of an earlier run: it may stand in `public/`, where its files have to stay.
    earlier: Option<SignedCheckpoint>,
    /// The smallest that another replica has shown.
    shown: Option<SignedCheckpoint>,
}

impl Expected {
    pub(super) fn sizes(&self) -> impl Iterator<Item = TreeSize> {
        self.earlier
            .iter()
            .chain(&self.shown)
            .map(|signed| signed.checkpoint().size)
    }

    /// Gives one that the tree has grown to, and does not expect it any more.
    fn take_reached(&mut self, size: TreeSize) -> Option<SignedCheckpoint> {
        let is_reached = |signed: &mut SignedCheckpoint| signed.checkpoint().size <= size;
        self.shown
            .take_if(is_reached)
            .or_else(|| self.earlier.take_if(is_reached))
    }
}

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
                self.expected.earlier = Some(known.signed);
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
        if self.expected.shown.as_ref().is_none_or(is_first) {
            self.expected.shown = Some(certified);
        }
        self.compare_expected()
    }

    pub(super) fn compare_expected(&mut self) -> Result<(), Error> {
        while let Some(expected) = self.expected.take_reached(self.tiles.size()) {
            self.compare(expected)?;
        }
        Ok(())
    }

    fn compare(&mut self, expected: SignedCheckpoint) -> Result<(), Error> {
        let (size, root) = (expected.checkpoint().size, expected.checkpoint().root);
        // who certifies a size is known when the tree has grown to it: who had left by then signs in vain
        if self.certifier.policies().at(size).verify(&expected).is_err() {
            return Ok(());
        }
        let replayed = self.root_at(size)?;
        if replayed != root {
            return Err(self.certifier.forked(replayed, &expected)?);
        }
        let is_next = size > self.certifier.certified_size() && self.certifier.policies().allows(size);
        match is_next {
            true => self.certifier.restore(expected),
            false => Ok(()),
        }
    }

    /// The root that the tree had at a size. It comes from tiles on disk, and is held against the present root: what has
    /// rotted there must not be signed as another tree.
    fn root_at(&self, size: TreeSize) -> Result<Hash, Error> {
        let (now, now_root) = (self.tiles.size(), self.tiles.root());
        if size == now {
            return Ok(now_root);
        }
        let root = self.tiles.root_at(size)?;
        if size.0 == 0 {
            return Ok(root);
        }
        let mut tiles = TilesOnce::new(&self.tiles, now);
        let proof = consistency::prove(size, now, &mut |level, at| tiles.node(level, at))?;
        consistency::verify(size, &root, now, &now_root, &proof).map_err(|error| Error::Inconsistent {
            reason: format!("the tiles of {size} leaves do not lead to this replica's root of {now}: {error}"),
        })?;
        Ok(root)
    }
}
