//! Taking over what other replicas give: leaves that a certified checkpoint vouches for, in place of the raft entries that
//! brought them.
//!
//! The state goes forward in steps, each durable as any flush is. From the first one on it notes whither, so that a restart
//! goes on from there, before raft runs: the raft log has nothing to say about a tree that is ahead of it.

use dab_proof::checkpoint::SignedCheckpoint;
use prost_for_raft::Message as _;

use super::Machine;
use super::epochs::epoch_checkpoints_in;
use crate::Error;
use crate::raft_snapshot::Target;
use crate::raft_snapshot::anchor::{Anchor, AnchorBytes};
use crate::raft_snapshot::staging::Taken;
use crate::state_machine::entry::{Content, Group, ProposalBytes, StatementBytes};
use crate::state_machine::{Settings, apply};

impl Machine {
    /// Begins to take over: from here on the state is none that raft entries lead to, until [`Self::finish_install`].
    pub(crate) fn begin_install(&mut self, target: &Target, founded: &Settings) -> Result<(), Error> {
        self.target = Some(target.clone());
        self.shared.write(|_, state| {
            state.meta.installing = target.to_bytes();
            // leaves are judged by them; what changes them is among the leaves
            state.meta.settings.get_or_insert_with(|| founded.clone());
        })
    }

    /// Whether leaves are being taken over.
    pub(crate) fn is_installing(&self) -> Result<bool, Error> {
        self.shared.read(|_, state| Ok(!state.meta.installing.is_empty()))
    }

    /// Takes over the next leaves, judged as those of a raft entry are.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when one of them could not have entered the ledger here: then a quorum has certified what it
    /// must not.
    pub(crate) fn take_over(&mut self, leaves: Vec<Taken>) -> Result<(), Error> {
        // such a leaf ends its entry, and those behind it are judged by others
        let runs = leaves.chunk_by(|before, _| !before.leaf.leaf().subject.is_members());
        runs.map(<[_]>::to_vec).try_for_each(|run| self.take_over_entry(run))
    }

    fn take_over_entry(&mut self, taken: Vec<Taken>) -> Result<(), Error> {
        let count = taken.len();
        let requests: Vec<_> = taken.iter().filter_map(|taken| taken.request.clone()).collect();
        let proposals = taken.into_iter().map(|Taken { leaf, body, .. }| {
            let leaf = leaf.bytes().to_vec();
            ProposalBytes {
                statements: vec![StatementBytes { leaf, body }],
                request: Vec::new(),
                once: None,
            }
        });
        let content = Content::Group(Group {
            proposals: proposals.collect(),
        });
        let size = self.tiles.size();
        let checked = &self.shared.checked;
        let mut effects = self.shared.read(|_, state| apply(state, content, checked))?;
        effects.requests = requests;
        if effects.leaves.len() != count {
            // an accepted one that is no new leaf stands in the ledger already
            let first = effects
                .verdicts
                .iter()
                .position(|verdict| !verdict.is_accepted())
                .unwrap_or(0);
            let (index, verdict) = (size.0 + first as u64, &effects.verdicts[first]);
            return Err(Error::Inconsistent {
                reason: format!("a quorum has certified leaf {index}, which could not have entered here: {verdict:?}"),
            });
        }
        self.tiles.append(effects.leaves.iter().map(|new| new.leaf.bytes()))?;
        let size = self.tiles.size();
        self.shared.write(|_, state| {
            state.insert(&effects);
            state.meta.tree_size = size.0;
            if let Some(settings) = &effects.settings {
                state.meta.settings = Some(settings.clone());
            }
        })?;
        if let Some(epoch) = &effects.epoch {
            self.begin_epoch(epoch);
        }
        Ok(())
    }

    /// Makes what was taken over the state of the target's raft position, durably.
    ///
    /// A crash behind it leaves a state that the raft log does not reach; it still notes the target, and a restart has the
    /// log begin anew there.
    pub(crate) fn finish_install(&mut self, target: &Target) -> Result<(), Error> {
        let (ours, head) = (self.head(), target.head());
        if ours != head {
            let reason = format!(
                "the {} leaves taken over make root {}, a quorum has certified {} with root {}",
                ours.size, ours.root, head.size, head.root
            );
            return Err(Error::Inconsistent { reason });
        }
        self.tiles.sync()?;
        let conf_state = target.raft.get_metadata().get_conf_state().encode_to_vec();
        let checkpoint = target.checkpoint.as_ref().map(SignedCheckpoint::to_bytes);
        let frontier = self.frontier_bytes();
        let anchor = Anchor {
            at: target.at,
            checkpoint: target.checkpoint.clone(),
        };
        self.shared.write(|_, state| {
            state.meta.anchor = Some(AnchorBytes::from(&anchor));
            state.meta.conf_state = conf_state;
            state.meta.applied_index = target.at.index;
            state.meta.applied_term = target.at.term;
            state.meta.frontier = frontier;
            state.meta.checkpoint = checkpoint.unwrap_or_default();
            state.meta.epoch_changes.clone_from(&target.epoch_changes);
        })?;
        self.epoch_checkpoints = self.shared.read(|_, state| epoch_checkpoints_in(state))?;
        self.applied = target.at;
        self.anchor_at(anchor);
        self.shared.read(|_, state| state.flush())?;
        self.shared.write(|_, state| state.forget_recent())?;
        (self.flushed, self.flushed_size) = (self.applied, self.tiles.size());
        self.tiles.restarts_here();
        Ok(())
    }

    /// The raft log begins behind the target now: nothing is left to be finished.
    pub(crate) fn end_install(&mut self) -> Result<(), Error> {
        self.shared.write(|_, state| state.meta.installing.clear())
    }

    /// Makes durable that nothing is left to be finished, where no raft runs yet.
    pub(crate) fn flush_installed(&mut self, target: &Target) -> Result<(), Error> {
        let checkpoint = target.checkpoint.as_ref().map(SignedCheckpoint::to_bytes);
        self.shared
            .write(|_, state| state.meta.checkpoint = checkpoint.unwrap_or_default())?;
        self.shared.read(|_, state| state.flush())
    }

    /// Goes on from the target: shows its checkpoint, and answers what that covers.
    pub(crate) fn go_on_from(&mut self, target: &Target) -> Result<(), Error> {
        self.voters
            .clone_from(&target.raft.get_metadata().get_conf_state().voters);
        self.show_epoch_of_state()?;
        if let Some(signed) = &target.checkpoint
            && signed.checkpoint().size > self.certifier.certified_size()
        {
            self.certifier.restore(signed.clone())?;
        }
        self.compare_expected()?;
        self.show_certified()?;
        self.decide_reads();
        self.tidy()
    }
}
