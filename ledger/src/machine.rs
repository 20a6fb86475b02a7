//! Applies committed entries, certifies the tree that they make, shows what is certified, and answers.
//!
//! ```text
//! entry -> apply (pure) -> entries and tiles on disk -> state -> certified? -> checkpoint file -> shown -> answers
//! ```
//!
//! The raft log is durable before the first arrow, and everything up to the question mark is a function of the log. So a
//! crash between any two arrows is repaired by the same code: the restart applies the entry again, writes the same files
//! and comes to the same root. What is not certified yet is applied, but nobody sees it.

mod anchor;
mod answers;
mod earlier;
pub(crate) mod epochs;
mod install;
pub(crate) mod pending;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::Error;
use crate::certify::{Certifier, TreeHead};
use crate::checkpoint_file::CheckpointFile;
use crate::clock::Clock;
use crate::crash_point::crash_point;
use crate::epoch::Epoch;
use crate::members::Member;
use crate::notary::Outcome;
use crate::peer::ReplicaId;
use crate::planted::planted;
use crate::raft::{Application, LogStorage, Position};
use crate::raft_snapshot::Target;
use crate::raft_snapshot::anchor::AnchorBytes;
use crate::reader::IssuedCheckpoint;
use crate::shared::Shared;
use crate::state_machine::entry::Content;
use crate::state_machine::{Effects, LedgerEntry, Settings, StateView, Verdict, apply};
use crate::state_store::Meta;
use crate::tile_store::TileStore;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};
use dab_proof::writers::Writers;
use prost_for_raft::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeType, ConfState, Message, Snapshot};

use anchor::Anchorage;
pub(crate) use answers::WaitLimits;
use answers::{Decided, DecidedAnswer, DecidedOutcome, PlacedRead};
use earlier::Expected;
use epochs::epoch_checkpoints_in;
use pending::Pending;

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
    certifier: Certifier,
    checkpoint_file: CheckpointFile,
    clock: Arc<dyn Clock>,
    flush_limits: FlushLimits,
    wait_limits: WaitLimits,
    pending: Pending,
    /// True until the log of earlier runs is applied: nothing is signed meanwhile.
    replaying: bool,
    applied: Position,
    anchorage: Anchorage,
    flushed: Position,
    flushed_size: TreeSize,
    /// Certified checkpoints that are ahead of the tree, to be compared when the tree has grown there.
    expected: Expected,
    /// Leaves that the checkpoint which readers see covers.
    shown_size: TreeSize,
    /// Reads whose place in the raft log is known.
    placed_reads: Vec<PlacedRead>,
    /// What is answered when a certified checkpoint covers it, in that order.
    decided: VecDeque<Decided>,
    messages: Vec<Message>,
    /// Certified checkpoints that end with a change of the members, in their order.
    epoch_checkpoints: Vec<SignedCheckpoint>,
    /// The state has to become durable at the end of this round.
    flush_wanted: bool,
    /// Whither leaves are being taken over.
    target: Option<Target>,
    /// The epoch of what is applied; `None` where the node certifies alone and the ledger has not changed who writes.
    epoch: Option<Epoch>,
    /// Of a node that certifies alone: a change may be there whose certificate is not kept yet.
    owes_certificates: bool,
    /// All who are members or were, by their raft ids.
    known_members: BTreeMap<u64, Member>,
    /// Those whom raft counts.
    voters: Vec<u64>,
    /// The raft ids of those who founded the ledger.
    founded: Vec<u64>,
}

/// The parts of a machine, all as they were when the state database was last made durable.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tiles: TileStore,
    pub(crate) certifier: Certifier,
    pub(crate) checkpoint_file: CheckpointFile,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) flush_limits: FlushLimits,
    pub(crate) wait_limits: WaitLimits,
    pub(crate) pending: Pending,
}

impl Machine {
    pub(crate) fn new(parts: Parts) -> Result<Self, Error> {
        let applied = parts.shared.read(|_, state| Ok(applied_in(&state.meta)))?;
        let anchorage = parts
            .shared
            .read(|_, state| Anchorage::new(state.meta.anchor.as_ref()))?;
        let epoch_checkpoints = parts.shared.read(|_, state| epoch_checkpoints_in(state))?;
        Ok(Self {
            flushed_size: parts.tiles.size(),
            shared: parts.shared,
            tiles: parts.tiles,
            certifier: parts.certifier,
            checkpoint_file: parts.checkpoint_file,
            clock: parts.clock,
            flush_limits: parts.flush_limits,
            wait_limits: parts.wait_limits,
            pending: parts.pending,
            replaying: true,
            applied,
            anchorage,
            flushed: applied,
            expected: Expected::default(),
            shown_size: TreeSize(0),
            placed_reads: Vec::new(),
            decided: VecDeque::new(),
            messages: Vec::new(),
            epoch_checkpoints,
            flush_wanted: false,
            target: None,
            epoch: None,
            owes_certificates: false,
            known_members: BTreeMap::new(),
            voters: Vec::new(),
            founded: Vec::new(),
        })
    }

    /// Told of the members that raft and the ledger begin this run with.
    pub(crate) fn begin_with(&mut self, conf_state: &ConfState, founded: &Settings) -> Result<(), Error> {
        self.voters.clone_from(&conf_state.voters);
        self.know_epochs(founded)?;
        self.show_peers();
        Ok(())
    }

    pub(crate) fn applied_position(&self) -> Position {
        self.applied
    }

    #[cfg(feature = "testing")]
    pub(crate) fn flushed_position(&self) -> Position {
        self.flushed
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn settings(&self) -> Result<Option<Settings>, Error> {
        self.shared.read(|_, state| Ok(state.settings().cloned()))
    }

    /// Who may write now.
    pub(crate) fn writers(&self) -> Result<Writers, Error> {
        if let Some(epoch) = &self.epoch {
            return Ok(epoch.writers().clone());
        }
        let settings = self.settings()?.unwrap_or_default();
        Ok(Writers::parse(settings.writers.as_bytes())?)
    }

    pub(crate) fn tree_size(&self) -> TreeSize {
        self.tiles.size()
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        self.tiles.frontier()
    }

    pub(crate) fn certifier(&mut self) -> &mut Certifier {
        &mut self.certifier
    }

    pub(crate) fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }

    /// Raft's messages for other replicas since the last call, in order.
    pub(crate) fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    pub(crate) fn unix_s(&self) -> u64 {
        self.clock.unix_ms() / 1000
    }

    pub(crate) fn head(&self) -> TreeHead {
        TreeHead {
            size: self.tiles.size(),
            root: match self.tiles.size().0.checked_sub(1) {
                Some(before) if planted("a checkpoint has the root of the tree before") => {
                    self.tiles.root_at(TreeSize(before)).unwrap_or(self.tiles.root())
                }
                _ => self.tiles.root(),
            },
        }
    }

    /// Writes and shows the certified checkpoint where there is a newer one, and answers what it covers.
    ///
    /// A crash before the file is there: the restart gathers the cosignatures again. After it: it stands.
    pub(crate) fn show_certified(&mut self) -> Result<(), Error> {
        let Some((checkpoint, certification)) = self.certifier.take_certified() else {
            return Ok(());
        };
        self.checkpoint_file.replace(&checkpoint)?;
        crash_point!("apply::checkpoint");
        let (size, issued) = (checkpoint.checkpoint().size, self.issued(&checkpoint));
        self.keep_epoch_change(&checkpoint)?;
        self.shared.write(|visible, state| {
            visible.show(checkpoint, &certification);
            state.record_issued(issued);
        })?;
        self.shown_size = size;
        self.answer_covered();
        Ok(())
    }

    /// Whether enough was applied since the last flush.
    pub(crate) fn flush_is_due(&self) -> Result<bool, Error> {
        let bytes = self.shared.read(|_, state| Ok(state.recent_bytes()))?;
        Ok(self.flush_wanted
            || self.applied.index - self.flushed.index >= self.flush_limits.entries_max
            || self.tiles.size().0 - self.flushed_size.0 >= self.flush_limits.leaves_max
            || bytes >= self.flush_limits.bytes_max)
    }

    /// Makes the applied state durable and gives the raft index up to which the raft log may be forgotten.
    ///
    /// What a restart finds after a crash behind each step:
    /// 1. tiles: ahead of the state, which replays from its last flush and writes the same files again;
    /// 2. checkpoint: as 1, and the replay comes to its root;
    /// 3. commit index: as 2; without this step the state could be ahead of what the log knows to be committed;
    /// 4. state: nothing to replay; the log still holds entries that nobody needs, and `public/` the partial tiles of the
    ///    state before;
    /// 5. partial tiles: as 4; the next run removes those that are left.
    pub(crate) fn flush(&mut self, raft_log: &mut LogStorage) -> Result<u64, Error> {
        let _span = tracing::debug_span!("flush", raft_index = self.applied.index).entered();
        if !planted("tiles are not synced before the state") {
            self.tiles.sync()?;
        }
        crash_point!("flush::tiles");
        self.checkpoint_file.sync()?;
        crash_point!("flush::checkpoint");
        if !planted("the state is ahead of the raft log") {
            raft_log.sync_or_poison()?;
        }
        crash_point!("flush::commit_index");
        let frontier = self.frontier_bytes();
        let checkpoint = self.certifier.certified().map(SignedCheckpoint::to_bytes);
        let anchor = self.anchor().map(AnchorBytes::from);
        self.shared.write(|_, state| {
            state.meta.anchor = anchor;
            state.meta.frontier = frontier;
            state.meta.checkpoint = checkpoint.unwrap_or_default();
        })?;
        self.shared.read(|_, state| state.flush())?;
        crash_point!("flush::state");
        self.shared.write(|_, state| state.forget_recent())?;
        (self.flushed, self.flushed_size) = (self.applied, self.tiles.size());
        self.flush_wanted = false;
        self.settle_epochs()?;
        self.tiles.restarts_here();
        self.tidy()?;
        crash_point!("flush::tidied");
        Ok(self.flushed.index)
    }

    /// The tree's right edge, as the state database has it.
    fn frontier_bytes(&self) -> Vec<Vec<u8>> {
        let hashes = self.tiles.frontier().hashes().iter();
        hashes.map(|hash| hash.as_bytes().to_vec()).collect()
    }

    /// Removes the partial tiles that neither a restart needs nor whoever has just read the checkpoint.
    fn tidy(&mut self) -> Result<(), Error> {
        let expected = self.expected.sizes();
        let public = self.checkpoint_file.known_sizes().chain(expected);
        let sizes: Vec<TreeSize> = public.chain([self.certifier.certified_size()]).collect();
        self.tiles.tidy(sizes.into_iter())
    }

    fn issued(&self, checkpoint: &SignedCheckpoint) -> IssuedCheckpoint {
        let head = checkpoint.checkpoint();
        IssuedCheckpoint {
            size: head.size,
            root: head.root,
            unix_ms: self.clock.unix_ms(),
        }
    }

    fn decide(&mut self, requests: Vec<Vec<u8>>, effects: Effects) {
        let first_new = effects.leaves.first().map_or(u64::MAX, |new| new.placed.leaf_index.0);
        for (request, verdict) in requests.into_iter().zip(effects.verdicts) {
            // another replica's, or one whose client was told that its outcome is unknown
            let Some(answer) = self.pending.decided(&request) else {
                continue;
            };
            let new_leaf = |index: LeafIndex| {
                let at = index.0.checked_sub(first_new)?;
                Some(effects.leaves[at as usize].leaf.clone())
            };
            let outcome = match verdict {
                Verdict::Accepted(indexes) => {
                    DecidedOutcome::Accepted(indexes.into_iter().map(|index| (index, new_leaf(index))).collect())
                }
                // what an answer names must be certified before anybody hears of it
                Verdict::Conflict(conflict) => DecidedOutcome::Other(Ok(Outcome::Conflict(conflict))),
                Verdict::CarriedOut(leaves) => DecidedOutcome::Other(Err(Error::CarriedOut {
                    leaf_indexes: leaves.into_iter().map(|leaf| leaf.0).collect(),
                })),
                Verdict::OtherStatement(leaf) => {
                    DecidedOutcome::Other(Err(Error::OtherStatement { leaf_index: leaf.0 }))
                }
                Verdict::Refused(refusal) => {
                    let _ = answer.send(Err(Error::refused(refusal.subject.as_ref(), refusal.reason)));
                    continue;
                }
            };
            self.answer_when_certified(DecidedAnswer::Proposal(answer, outcome));
        }
    }
}

impl Application for Machine {
    fn apply(&mut self, at: Position, data: &[u8]) -> Result<(), Error> {
        let _span = tracing::debug_span!("apply", raft_index = at.index, term = at.term).entered();
        // a leader begins its term with an entry that asks for nothing
        let (requests, effects) = match data {
            [] => (Vec::new(), Effects::default()),
            _ => {
                let mut content = LedgerEntry::from_bytes(at.index, data)?;
                if let Content::Group(group) = &mut content
                    && planted("own proposals are judged first")
                {
                    group
                        .proposals
                        .sort_by_key(|proposal| !self.pending.waits_for(&proposal.request));
                }
                let requests = take_requests(&mut content);
                (
                    requests,
                    self.shared
                        .read(|_, state| apply(state, content, &self.shared.checked))?,
                )
            }
        };
        let grows = !effects.leaves.is_empty();
        if grows {
            crash_point!("apply::before_tiles");
            self.tiles.append(effects.leaves.iter().map(|new| new.leaf.bytes()))?;
            crash_point!("apply::tiles");
        }
        let size = self.tiles.size();
        if grows {
            self.anchorage.grown(size, at);
        }
        self.shared.write(|_, state| {
            state.insert(&effects);
            state.meta.tree_size = size.0;
            state.meta.applied_index = at.index;
            state.meta.applied_term = at.term;
            if let Some(settings) = &effects.settings {
                state.meta.settings = Some(settings.clone());
            }
        })?;
        self.applied = at;
        if let Some(epoch) = &effects.epoch {
            self.begin_epoch(epoch);
        }
        if grows && !self.replaying {
            self.compare_expected()?;
            if size > self.certifier.certified_size() {
                self.certifier.grown(self.head())?;
            }
        }
        self.decide(requests, effects);
        self.show_certified()
    }

    fn install(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let target = self.target.take().filter(|target| target.raft == *snapshot);
        let target = target.ok_or_else(|| Error::Raft {
            reason: "raft asks for a snapshot that was never looked at".to_owned(),
        })?;
        self.finish_install(&target)
    }

    fn admits(&mut self, change: &ConfChange) -> Result<bool, Error> {
        let Some(epoch) = self.epoch.as_ref().filter(|epoch| !epoch.is_alone()) else {
            return Ok(false);
        };
        let is_member = epoch.members.get(ReplicaId(change.node_id)).is_some();
        Ok(match change.get_change_type() {
            ConfChangeType::AddNode => is_member,
            ConfChangeType::RemoveNode => !is_member,
            ConfChangeType::AddLearnerNode => false,
        })
    }

    fn apply_conf_state(&mut self, at: Position, conf_state: &ConfState) -> Result<(), Error> {
        self.applied = at;
        self.voters.clone_from(&conf_state.voters);
        self.show_peers();
        self.shared.write(|_, state| {
            state.meta.conf_state = conf_state.encode_to_vec();
            state.meta.applied_index = at.index;
            state.meta.applied_term = at.term;
        })
    }

    fn applied(&mut self) -> Result<(), Error> {
        self.decide_reads();
        // after the answers, so that nobody waits for it
        self.tidy()
    }

    fn read_ready(&mut self, raft_index: u64, context: &[u8]) {
        self.place_read(raft_index, context);
    }

    fn send(&mut self, messages: Vec<Message>) {
        self.messages.extend(messages);
    }
}

/// Which requests the proposals of an entry answer, in order.
fn take_requests(content: &mut Content) -> Vec<Vec<u8>> {
    match content {
        Content::Group(group) => {
            let proposals = group.proposals.iter_mut();
            proposals
                .map(|proposal| std::mem::take(&mut proposal.request))
                .collect()
        }
        Content::Settings(_) => Vec::new(),
    }
}

/// Where the state database stands in the raft log.
fn applied_in(meta: &Meta) -> Position {
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
