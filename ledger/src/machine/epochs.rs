//! Changes of the ledger's members: from the leaf, over its certificate, to those who come after.

use std::sync::Arc;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::epoch::{EpochChange, EpochNote};
use dab_proof::leaf::Subject;
use dab_proof::tree::TreeSize;

use super::Machine;
use crate::Error;
use crate::epoch::Epoch;
use crate::policies::Policies;
use crate::shared::{leaf_at, receipt};
use crate::state_machine::StateView;
use crate::state_store::StateStore;

impl Machine {
    /// The last leaf is one that changes the members: the old ones certify up to it, these what comes next.
    pub(super) fn begin_epoch(&mut self, epoch: &Epoch) {
        tracing::info!(members = epoch.members.count(), "the members of the ledger change");
        self.certifier.succeed(self.tiles.size(), epoch.policy().clone());
    }

    /// Keeps the certificate of a change of the members, when this checkpoint is that: those who trust the old ones need it,
    /// and from here on the new ones are who counts.
    pub(super) fn keep_epoch_change(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), Error> {
        let size = checkpoint.checkpoint().size;
        let next = self.shared.read(|_, state| {
            let sequence = state.meta.epoch_changes.len() as u64;
            let placed = state.placed(&Subject::members(), sequence)?;
            let index = placed
                .map(|placed| placed.leaf_index)
                .filter(|index| index.0 + 1 == size.0);
            let body = state.body(&Subject::members(), sequence)?;
            Ok(index.zip(body))
        })?;
        let Some((index, body)) = next else {
            return Ok(());
        };
        let (epoch, note) = (epoch_in(&body)?, EpochNote::parse(&body)?);
        let leaf = leaf_at(&self.tiles, index, size)?;
        let change = EpochChange {
            epoch: note,
            receipt: receipt(&self.tiles, checkpoint, index, leaf)?,
        };
        self.shared
            .write(|_, state| state.meta.epoch_changes.push(change.to_text()))?;
        self.epoch_checkpoints.push(checkpoint.clone());
        // durable before a checkpoint that only the new members certify is
        self.flush_wanted = true;
        self.shared.show_epoch(Arc::new(epoch));
        Ok(())
    }

    /// The certified checkpoint that a replica needs next which has `size` leaves: that of a change of the members, if there
    /// is one on its way; otherwise the last.
    pub(crate) fn certified_for(&mut self, size: TreeSize) -> Option<SignedCheckpoint> {
        let of_change = self
            .epoch_checkpoints
            .iter()
            .find(|signed| signed.checkpoint().size >= size);
        let certified = of_change.or_else(|| self.certifier.certified());
        certified.filter(|signed| signed.checkpoint().size >= size).cloned()
    }

    /// The raft ids of those who hold the ledger together, as far as that is certified; none where the node is alone.
    pub(crate) fn members_shown(&self) -> Vec<u64> {
        let epoch = self.shared.epoch_now();
        epoch.map_or_else(Vec::new, |epoch| {
            epoch.members.iter().map(|member| member.id.0).collect()
        })
    }

    /// The epoch of what is applied; `None` where the node certifies alone.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>, Error> {
        let settings = self.settings()?;
        let epoch = settings.map_or(Ok(None), |settings| settings.epoch());
        epoch.map_err(|error| unreadable(&error))
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
        policies.begin(last_size, epoch_in(&body)?.policy().clone());
        if (sequence as usize) < state.meta.epoch_changes.len() {
            policies.certified(last_size);
        }
    }
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
    Epoch::read(change.epoch.text().clone())
        .map(Some)
        .map_err(|error| unreadable(&error))
}

fn epoch_in(body: &[u8]) -> Result<Epoch, Error> {
    let note = EpochNote::parse(body)?;
    Epoch::read(note.text().clone()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::Inconsistent {
        reason: format!("the members in the state database: {error}"),
    }
}
