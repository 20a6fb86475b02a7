//! Changes of who certifies and who writes: from the leaf, over its certificate, to those who come after.

use std::sync::Arc;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::epoch::{EpochChange, EpochNote};
use dab_proof::leaf::Subject;
use dab_proof::tile::TilesOnce;
use dab_proof::tree::{LeafIndex, TreeSize};

use super::Machine;
use crate::Error;
use crate::epoch::Epoch;
use crate::members::Member;
use crate::policies::Policies;
use crate::shared::{leaf_at, receipt};
use crate::state_machine::{Settings, StateView};
use crate::state_store::StateStore;

impl Machine {
    /// The last leaf is one that changes members or writers: the old members certify up to it, these what comes next. A node
    /// that certifies alone is succeeded by itself.
    pub(super) fn begin_epoch(&mut self, epoch: &Epoch) {
        let writers = epoch.writers().iter().count();
        tracing::info!(
            members = epoch.members.count(),
            writers,
            "an epoch of the ledger begins"
        );
        match epoch.is_alone() {
            true => self.owes_certificates = true,
            false => self.certifier.succeed(self.tiles.size(), epoch.policy().clone()),
        }
        self.know(epoch);
    }

    /// Remembers who is a member, and who was.
    pub(super) fn know(&mut self, epoch: &Epoch) {
        self.known_members
            .extend(epoch.members.iter().map(|member| (member.id.0, member.clone())));
        self.epoch = Some(epoch.clone());
    }

    /// Keeps the certificate of a change of the members, when this checkpoint is that: those who trust the old ones need it,
    /// and from here on the new ones are who counts.
    pub(super) fn keep_epoch_change(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), Error> {
        let size = checkpoint.checkpoint().size;
        // nearly every checkpoint is none: the commits of a node do not pay for looking
        if self.owes_certificates {
            // of a node that certifies alone any checkpoint will do, and after a replay it has one for several changes
            while self.keep_next_change(checkpoint, |index| index.0 < size.0)? {}
            self.owes_certificates = false;
        } else if self.certifier.policies().bound() == Some(size) {
            self.keep_next_change(checkpoint, |index| index.0 + 1 == size.0)?;
        }
        Ok(())
    }

    /// Keeps this checkpoint as the certificate of the first change that has none, where it is one for that leaf.
    fn keep_next_change(
        &mut self,
        checkpoint: &SignedCheckpoint,
        certifies: impl Fn(LeafIndex) -> bool,
    ) -> Result<bool, Error> {
        let next = self.shared.read(|_, state| {
            let sequence = state.meta.epoch_changes.len() as u64;
            let placed = state.placed(&Subject::members(), sequence)?;
            let index = placed.map(|placed| placed.leaf_index).filter(|index| certifies(*index));
            let body = state.body(&Subject::members(), sequence)?;
            Ok(index.zip(body))
        })?;
        let Some((index, body)) = next else {
            return Ok(false);
        };
        let (epoch, note) = (epoch_in(&body, index)?, EpochNote::parse(&body)?);
        let leaf = leaf_at(&self.tiles, index, checkpoint.checkpoint().size)?;
        let mut tiles = TilesOnce::new(&self.tiles, checkpoint.checkpoint().size);
        let change = EpochChange {
            epoch: note,
            receipt: receipt(&mut tiles, checkpoint, index, leaf)?,
        };
        self.shared
            .write(|_, state| state.meta.epoch_changes.push(change.to_text()))?;
        self.epoch_checkpoints.push(checkpoint.clone());
        // nothing larger is cosigned before this is durable
        self.flush_wanted = true;
        self.show_epoch(epoch);
        Ok(true)
    }

    /// One that was invited has been told of a later epoch than those that it comes to first.
    fn show_epoch(&self, epoch: Epoch) {
        let came = |epoch: &Epoch| epoch.writers().iter().count();
        if self.shared.epoch_now().is_none_or(|shown| came(&shown) <= came(&epoch)) {
            self.shared.show_epoch(Arc::new(epoch));
        }
        self.show_peers();
    }

    /// Whom to be connected to: the members, and whoever raft still counts.
    pub(super) fn show_peers(&self) {
        let Some(shown) = self.shared.epoch_now() else {
            return;
        };
        let mut peers: Vec<Member> = shown.members.iter().cloned().collect();
        let gone = self.known_members.values();
        let gone = gone.filter(|member| shown.members.get(member.id).is_none() && self.voters.contains(&member.id.0));
        peers.extend(gone.cloned());
        self.shared.show_peers(peers);
    }

    /// The changes whose certificates are durable bind nobody any more.
    pub(super) fn settle_epochs(&mut self) -> Result<(), Error> {
        let changes = self.shared.read(|_, state| Ok(state.meta.epoch_changes.len()))?;
        self.certifier.settle(changes);
        Ok(())
    }

    /// Shows the epoch of a state that was taken over.
    pub(super) fn show_epoch_of_state(&mut self) -> Result<(), Error> {
        self.settle_epochs()?;
        if let Some(epoch) = self.shared.read(|_, state| epoch_shown(state))? {
            self.show_epoch(epoch);
        }
        Ok(())
    }

    /// How many changes of the members are applied.
    pub(crate) fn members_changes(&self) -> Result<usize, Error> {
        let head = self.shared.read(|_, state| state.head(&Subject::members()))?;
        Ok(head.map_or(0, |head| head.sequence as usize + 1))
    }

    /// The raft ids of those who founded the ledger; none where the node certifies alone.
    pub(crate) fn members_founded(&self) -> Vec<u64> {
        self.founded.clone()
    }

    /// Whom raft counts and who has gone, and who is new and not counted yet; `None` where the node certifies alone.
    pub(crate) fn members_beyond_raft(&self) -> Option<(Vec<u64>, Vec<u64>)> {
        let epoch = self.epoch.as_ref().filter(|epoch| !epoch.is_alone())?;
        let members: Vec<u64> = epoch.members.iter().map(|member| member.id.0).collect();
        let gone = self.voters.iter().copied().filter(|id| !members.contains(id)).collect();
        let new = members.iter().copied().filter(|id| !self.voters.contains(id)).collect();
        Some((gone, new))
    }

    /// The certified checkpoint that a replica needs next which has `size` leaves: that of a change of the members, if there
    /// is one on its way; otherwise the last, though it be smaller.
    pub(crate) fn certified_for(&mut self, size: TreeSize) -> Option<SignedCheckpoint> {
        let of_change = self
            .epoch_checkpoints
            .iter()
            .find(|signed| signed.checkpoint().size >= size);
        of_change.or_else(|| self.certifier.certified()).cloned()
    }

    /// The raft ids of those who hold the ledger together, as far as that is certified; none where the node is alone.
    pub(crate) fn members_shown(&self) -> Vec<u64> {
        let epoch = self.shared.epoch_now();
        epoch.map_or_else(Vec::new, |epoch| {
            epoch.members.iter().map(|member| member.id.0).collect()
        })
    }

    /// Remembers the epochs that the state has, and the one that it begins with.
    pub(super) fn know_epochs(&mut self, founded: &Settings) -> Result<(), Error> {
        let changes = self.shared.read(|_, state| Ok(state.meta.epoch_changes.clone()))?;
        if let Some(epoch) = founded.epoch().map_err(|error| unreadable(&error))? {
            self.founded = epoch.members.iter().map(|member| member.id.0).collect();
            self.know(&epoch);
        }
        for text in changes {
            let (change, _) = EpochChange::parse(text.as_bytes())?;
            self.know(&Epoch::of(&change).map_err(|error| unreadable(&error))?);
        }
        // the last one may not be certified yet
        if let Some(settings) = self.settings()?
            && let Some(epoch) = settings.epoch().map_err(|error| unreadable(&error))?
        {
            self.owes_certificates = epoch.is_alone();
            self.know(&epoch);
        }
        Ok(())
    }
}

/// The policies of a ledger that began with `first`, as far as its state goes.
pub(crate) fn policies_in(state: &StateStore, first: dab_proof::policy::Policy) -> Result<Policies, Error> {
    let mut policies = Policies::new(first);
    for sequence in 0.. {
        let Some(placed) = state.placed(&Subject::members(), sequence)? else {
            break;
        };
        let body = state.body(&Subject::members(), sequence)?.unwrap_or_default();
        let last_size = TreeSize(placed.leaf_index.0 + 1);
        let epoch = epoch_in(&body, placed.leaf_index)?;
        if epoch.is_alone() {
            // its operator's policy counts, as it is now
            break;
        }
        policies.begin(last_size, epoch.policy().clone());
    }
    policies.settle(state.meta.epoch_changes.len());
    Ok(policies)
}

/// The certificates of the changes of the members, in their order.
pub(crate) fn epoch_checkpoints_in(state: &StateStore) -> Result<Vec<SignedCheckpoint>, Error> {
    let changes = state.meta.epoch_changes.iter();
    let checkpoint = |text: &String| Ok(EpochChange::parse(text.as_bytes())?.0.receipt.checkpoint);
    changes.map(checkpoint).collect()
}

/// The last epoch that is certified; `None` before the first change.
pub(crate) fn epoch_shown(state: &StateStore) -> Result<Option<Epoch>, Error> {
    let Some(text) = state.meta.epoch_changes.last() else {
        return Ok(None);
    };
    let (change, _) = EpochChange::parse(text.as_bytes())?;
    Epoch::of(&change).map(Some).map_err(|error| unreadable(&error))
}

/// The epoch that the leaf at `index` begins.
fn epoch_in(body: &[u8], index: LeafIndex) -> Result<Epoch, Error> {
    let note = EpochNote::parse(body)?;
    Epoch::begun(note.text(), index).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::Inconsistent {
        reason: format!("the members in the state database: {error}"),
    }
}
