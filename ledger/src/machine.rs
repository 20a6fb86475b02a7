//! Applies committed entries: judge, grow the tree, issue the checkpoint, show the state, answer.
//!
//! ```text
//! entry -> apply (pure) -> entries and tiles on disk -> checkpoint signed and renamed -> state shown -> answers
//! ```
//!
//! The raft log is durable before the first arrow, and everything behind it is a function of the log. So a crash
//! between any two arrows is repaired by the same code: the restart applies the entry again, writes the same files and
//! signs the same root.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Error;
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::issue::Issuer;
use crate::notary::Outcome;
use crate::pool::Answer;
use crate::raft::{Application, LogStorage, Position};
use crate::reader::IssuedCheckpoint;
use crate::shared::{Shared, leaf_at, receipt};
use crate::state_machine::{Effects, LedgerEntry, Settings, StateView, Verdict, apply};
use crate::state_store::Meta;
use crate::tile_store::TileStore;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::receipt::Receipt;
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};
use prost_for_raft::Message as _;
use raft::eraftpb::{ConfState, Message};

/// Who waits for the verdicts of an entry, in the order of its proposals.
pub(crate) type Answers = Vec<Answer<Outcome>>;
/// Who waits for the same read.
pub(crate) type Readers = Vec<Answer<()>>;

/// How much may be applied before it is made durable in the state database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlushLimits {
    pub(crate) entries_max: u64,
    pub(crate) leaves_max: u64,
    pub(crate) bytes_max: usize,
}

/// The application above raft.
#[derive(Debug)]
pub(crate) struct Machine {
    shared: Arc<Shared>,
    tiles: TileStore,
    issuer: Issuer,
    clock: Arc<dyn Clock>,
    flush_limits: FlushLimits,
    /// True until the log of earlier runs is applied: nothing is signed meanwhile.
    replaying: bool,
    applied: Position,
    flushed: Position,
    flushed_size: TreeSize,
    answers: HashMap<Vec<u8>, Answers>,
    reads: HashMap<Vec<u8>, Readers>,
    /// Reads that may be answered once their raft index is applied.
    ready_reads: Vec<(u64, Readers)>,
}

impl Machine {
    /// A machine that stands where the state database was last made durable.
    pub(crate) fn new(
        shared: Arc<Shared>,
        tiles: TileStore,
        issuer: Issuer,
        clock: Arc<dyn Clock>,
        flush_limits: FlushLimits,
    ) -> Result<Self, Error> {
        let applied = shared.read(|_, state| Ok(applied_in(&state.meta)))?;
        Ok(Self {
            flushed_size: tiles.size(),
            shared,
            tiles,
            issuer,
            clock,
            flush_limits,
            replaying: true,
            applied,
            flushed: applied,
            answers: HashMap::new(),
            reads: HashMap::new(),
            ready_reads: Vec::new(),
        })
    }

    pub(crate) fn applied_position(&self) -> Position {
        self.applied
    }

    pub(crate) fn settings(&self) -> Result<Option<Settings>, Error> {
        self.shared.read(|_, state| Ok(state.settings().cloned()))
    }

    /// Ends the replay: from here on every entry that appends leaves is answered under a checkpoint of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when an earlier checkpoint does not fit the replayed tree.
    pub(crate) fn finish_replay(&mut self) -> Result<(), Error> {
        let restored = self.issuer.check(&self.tiles)?;
        self.replaying = false;
        let (checkpoint, certification) = self.issuer.issue(&self.tiles)?;
        let issued = self.issued(&checkpoint);
        self.shared.write(|visible, state| {
            restored.into_iter().for_each(|restored| state.record_issued(restored));
            state.record_issued(issued);
            visible.show(checkpoint, &certification);
        })
    }

    /// Remembers who waits for the entry proposed with `context`.
    pub(crate) fn await_entry(&mut self, context: Vec<u8>, answers: Answers) {
        self.answers.insert(context, answers);
    }

    /// Takes back who waits for an entry that could not be proposed.
    pub(crate) fn forget_entry(&mut self, context: &[u8]) -> Answers {
        self.answers.remove(context).unwrap_or_default()
    }

    /// Remembers who waits for the read asked for with `context`.
    pub(crate) fn await_read(&mut self, context: Vec<u8>, readers: Readers) {
        self.reads.insert(context, readers);
    }

    /// Whether enough was applied since the last flush.
    pub(crate) fn flush_is_due(&self) -> Result<bool, Error> {
        let bytes = self.shared.read(|_, state| Ok(state.recent_bytes()))?;
        Ok(self.applied.index - self.flushed.index >= self.flush_limits.entries_max
            || self.tiles.size().0 - self.flushed_size.0 >= self.flush_limits.leaves_max
            || bytes >= self.flush_limits.bytes_max)
    }

    /// Makes the applied state durable and lets the raft log forget what it was made from.
    ///
    /// What a restart finds after a crash behind each step:
    /// 1. tiles: ahead of the state, which replays from its last flush and writes the same files again;
    /// 2. checkpoint: as 1, and the replay comes to its root;
    /// 3. commit index: as 2; without this step the state could be ahead of what the log knows to be committed;
    /// 4. state: nothing to replay; the log still holds entries that nobody needs, and `public/` the partial tiles of the
    ///    state before;
    /// 5. partial tiles: as 4; the next run removes those that are left;
    /// 6. raft log: a base record without the removals, which the next open does.
    pub(crate) fn flush(&mut self, raft_log: &mut LogStorage) -> Result<(), Error> {
        let _span = tracing::debug_span!("flush", raft_index = self.applied.index).entered();
        self.tiles.sync()?;
        crash_point!("flush::tiles");
        self.issuer.sync()?;
        crash_point!("flush::checkpoint");
        raft_log.sync_or_poison()?;
        crash_point!("flush::commit_index");
        let frontier = self
            .tiles
            .frontier()
            .hashes()
            .iter()
            .map(|hash| hash.as_bytes().to_vec())
            .collect();
        let checkpoint = self.issuer.last().map(|signed| signed.to_bytes()).unwrap_or_default();
        self.shared.write(|_, state| {
            state.meta.frontier = frontier;
            state.meta.checkpoint = checkpoint;
        })?;
        self.shared.read(|_, state| state.flush())?;
        crash_point!("flush::state");
        self.shared.write(|_, state| state.forget_recent())?;
        (self.flushed, self.flushed_size) = (self.applied, self.tiles.size());
        self.tiles.restarts_here();
        self.tiles.tidy(self.issuer.public_sizes())?;
        crash_point!("flush::tidied");
        raft_log.compact(self.flushed.index)
    }

    fn issued(&self, checkpoint: &SignedCheckpoint) -> IssuedCheckpoint {
        let head = checkpoint.checkpoint();
        IssuedCheckpoint {
            size: head.size,
            root: head.root,
            unix_ms: self.clock.unix_ms(),
        }
    }

    fn answer(&self, effects: Effects, answers: Answers) {
        for (verdict, answer) in effects.verdicts.iter().zip(answers) {
            let outcome = match verdict {
                Verdict::Accepted(indexes) => {
                    self.receipts(indexes, &effects)
                        .map(Outcome::Certified)
                        .map_err(|error| {
                            // the leaves stand: any other word would have the client write them again
                            tracing::error!(%error, "cannot make the receipts of notarized leaves");
                            Error::OutcomeUnknown
                        })
                }
                Verdict::Conflict(conflict) => Ok(Outcome::Conflict(conflict.clone())),
                Verdict::Refused(refusal) => Err(Error::refused(refusal.subject.as_ref(), refusal.reason.clone())),
            };
            // whoever asked may have gone; the leaf stands all the same
            let _ = answer.send(outcome);
        }
    }

    fn receipts(&self, indexes: &[LeafIndex], effects: &Effects) -> Result<Vec<Receipt>, Error> {
        let checkpoint = self.issuer.last().ok_or(Error::NoCheckpoint)?;
        let size = checkpoint.checkpoint().size;
        let first_new = effects.leaves.first().map_or(u64::MAX, |new| new.placed.leaf_index.0);
        let leaf = |index: LeafIndex| match index.0.checked_sub(first_new) {
            Some(at) => Ok(effects.leaves[at as usize].leaf.clone()),
            None => leaf_at(&self.tiles, index, size),
        };
        indexes
            .iter()
            .map(|&index| receipt(&self.tiles, checkpoint, index, leaf(index)?))
            .collect()
    }
}

impl Application for Machine {
    fn apply(&mut self, at: Position, context: &[u8], data: &[u8]) -> Result<(), Error> {
        let _span = tracing::debug_span!("apply", raft_index = at.index, term = at.term).entered();
        // a leader begins its term with an entry that asks for nothing
        let effects = match data {
            [] => Effects::default(),
            _ => {
                let content = LedgerEntry::from_bytes(at.index, data)?;
                self.shared.read(|_, state| apply(state, content))?
            }
        };
        let mut issued = None;
        if !effects.leaves.is_empty() {
            crash_point!("apply::before_tiles");
            self.tiles.append(effects.leaves.iter().map(|new| new.leaf.bytes()))?;
            crash_point!("apply::tiles");
            if !self.replaying {
                issued = Some(self.issuer.issue(&self.tiles)?);
                crash_point!("apply::checkpoint");
            }
        }
        let size = self.tiles.size();
        let listed = issued.as_ref().map(|(checkpoint, _)| self.issued(checkpoint));
        self.shared.write(|visible, state| {
            state.insert(&effects.leaves);
            state.meta.tree_size = size.0;
            state.meta.applied_index = at.index;
            state.meta.applied_term = at.term;
            if let Some(settings) = &effects.settings {
                state.meta.settings = Some(settings.clone());
            }
            if let Some((checkpoint, certification)) = issued {
                visible.show(checkpoint, &certification);
                listed.into_iter().for_each(|listed| state.record_issued(listed));
            }
        })?;
        self.applied = at;
        if let Some(answers) = self.answers.remove(context) {
            self.answer(effects, answers);
        }
        Ok(())
    }

    fn apply_conf_state(&mut self, at: Position, conf_state: &ConfState) -> Result<(), Error> {
        self.applied = at;
        self.shared.write(|_, state| {
            state.meta.conf_state = conf_state.encode_to_vec();
            state.meta.applied_index = at.index;
            state.meta.applied_term = at.term;
        })
    }

    fn applied(&mut self) -> Result<(), Error> {
        let applied = self.applied.index;
        for (_, readers) in self
            .ready_reads
            .extract_if(.., |(raft_index, _)| *raft_index <= applied)
        {
            for reader in readers {
                let _ = reader.send(Ok(()));
            }
        }
        // after the answers, so that nobody waits for it
        self.tiles.tidy(self.issuer.public_sizes())
    }

    fn read_ready(&mut self, raft_index: u64, context: &[u8]) {
        if let Some(readers) = self.reads.remove(context) {
            self.ready_reads.push((raft_index, readers));
        }
    }

    fn lost_leadership(&mut self) {
        for answer in self.answers.drain().flat_map(|(_, answers)| answers) {
            let _ = answer.send(Err(Error::OutcomeUnknown));
        }
        for reader in self.reads.drain().flat_map(|(_, readers)| readers) {
            let _ = reader.send(Err(Error::NoLeader));
        }
    }

    fn send(&mut self, messages: Vec<Message>) {
        // one voter has nobody to write to
        debug_assert!(messages.is_empty(), "a lone voter has messages to send");
    }
}

/// Where the state database stands in the raft log.
pub(crate) fn applied_in(meta: &Meta) -> Position {
    Position {
        index: meta.applied_index,
        term: meta.applied_term,
    }
}

/// The tree whose right edge the state database holds.
pub(crate) fn frontier_in(meta: &Meta) -> Result<Frontier, Error> {
    let hashes = meta.frontier.iter().map(|bytes| {
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Inconsistent {
            reason: "a hash in the state database is not 32 bytes long".to_owned(),
        })?;
        Ok(dab_proof::hash::Hash::from_bytes(bytes))
    });
    Ok(Frontier::from_hashes(
        TreeSize(meta.tree_size),
        hashes.collect::<Result<_, Error>>()?,
    )?)
}
