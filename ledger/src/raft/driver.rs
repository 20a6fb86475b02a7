//! Drives raft-rs: what it wants stored is stored before what it wants said is said.
//!
//! One round of [`Driver::pump`], in the order that Raft's safety rests on:
//!
//! ```text
//! ready -> send messages (a leader may, before its own disk)
//!       -> entries + hard state into the log, ONE fdatasync
//!       -> send persisted messages (votes and acknowledgements: promises about what is durable)
//!       -> apply entries committed earlier
//! advance -> light ready: commit index into the log (not synced: raft finds it again)
//!         -> send messages -> apply entries committed now -> advance_apply
//! ```
//!
//! A crash between any two steps leaves a log whose replay comes to the same place.

mod raft_snapshots;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use prost_for_raft::Message as _;
use raft::eraftpb::{ConfChange, ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot};
use raft::{Config, INVALID_ID, RawNode, StateRole};

use super::log_storage::{Batch, LogStorage};
use super::logger::logger;
use super::replay::Position;
use super::storage_trait::RaftStorage;
use crate::Error;
use crate::planted::{misread, planted};
use crate::raft::guard::{self, Refusal};
use crate::state_machine::Settings;

/// Bounds of the raft core.
#[derive(Clone, Debug)]
pub(crate) struct RaftLimits {
    /// Ticks without a leader's word before a follower asks for votes.
    pub(crate) election_ticks: usize,
    /// Ticks between a leader's heartbeats.
    pub(crate) heartbeat_ticks: usize,
    /// Bytes of entries in one message to a follower.
    pub(crate) message_bytes_max: u64,
    /// Messages to a follower that may be unanswered.
    pub(crate) inflight_messages_max: usize,
    /// Bytes of entries that wait to be committed; beyond, proposals are dropped.
    pub(crate) uncommitted_bytes_max: u64,
    /// Bytes of committed entries that are applied in one round.
    pub(crate) committed_bytes_per_ready_max: u64,
}

impl Default for RaftLimits {
    fn default() -> Self {
        Self {
            election_ticks: 10,
            heartbeat_ticks: 2,
            message_bytes_max: 1 << 20,
            inflight_messages_max: 16,
            uncommitted_bytes_max: 32 << 20,
            committed_bytes_per_ready_max: 8 << 20,
        }
    }
}

/// What the driver tells the layer above.
pub(crate) trait Application {
    /// An entry is committed. `data` is empty for the entry with which a leader begins its term.
    fn apply(&mut self, at: Position, data: &[u8]) -> Result<(), Error>;

    /// Whether a change of raft's members, which is committed, is one that the ledger's members ask for.
    fn admits(&mut self, change: &ConfChange) -> Result<bool, Error>;

    /// A membership change is committed, and this is the membership now.
    fn apply_conf_state(&mut self, at: Position, conf_state: &ConfState) -> Result<(), Error>;

    /// The state has to become that of a raft snapshot, durably. The log begins anew behind it next.
    fn install(&mut self, snapshot: &Snapshot) -> Result<(), Error>;

    /// All entries that are committed now are applied.
    fn applied(&mut self) -> Result<(), Error>;

    /// A linearizable read may be answered once `raft_index` is applied.
    fn read_ready(&mut self, raft_index: u64, context: &[u8]);

    /// Messages for other replicas.
    fn send(&mut self, messages: Vec<Message>);
}

/// raft-rs and its log.
pub(crate) struct Driver {
    node: RawNode<RaftStorage>,
    applied: u64,
    election_seed: u64,
    agreed: Option<Settings>,
}

impl Driver {
    /// Starts raft at `applied`, the last entry that the state holds durably, with the membership of that moment.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when log and state do not fit together.
    pub(crate) fn new(
        id: u64,
        raft_log: LogStorage,
        applied: Position,
        conf_state: ConfState,
        limits: &RaftLimits,
        election_seed: u64,
    ) -> Result<Self, Error> {
        check_fit(&raft_log, applied)?;
        let unbound = planted("a message to a follower has no bound");
        let config = Config {
            id,
            election_tick: limits.election_ticks,
            heartbeat_tick: limits.heartbeat_ticks,
            applied: applied.index,
            max_size_per_msg: if unbound { u64::MAX } else { limits.message_bytes_max },
            max_inflight_msgs: limits.inflight_messages_max,
            check_quorum: true,
            pre_vote: true,
            // it would join messages without a bound, and the transport drops what is too long; proposals are grouped before
            batch_append: false,
            max_uncommitted_size: if unbound {
                u64::MAX
            } else {
                limits.uncommitted_bytes_max
            },
            max_committed_size_per_ready: limits.committed_bytes_per_ready_max,
            ..Config::default()
        };
        let storage = RaftStorage {
            raft_log,
            conf_state,
            snapshot: None,
            snapshot_wanted: Cell::new(false),
        };
        let node = RawNode::new(&config, storage, &logger()).map_err(raft_error)?;
        let mut driver = Self {
            node,
            applied: applied.index,
            election_seed,
            agreed: None,
        };
        driver.draw_election_timeout();
        Ok(driver)
    }

    /// Takes from others no entry that brings other settings than these.
    pub(crate) fn agree_on(&mut self, settings: Settings) {
        self.agreed = Some(settings);
    }

    /// Asks for votes now rather than after the election timeout; a lone voter leads at once.
    pub(crate) fn campaign(&mut self) -> Result<(), Error> {
        let result = self.node.campaign().map_err(raft_error);
        self.draw_election_timeout();
        result
    }

    /// Passes raft's time.
    pub(crate) fn tick(&mut self) {
        self.node.tick();
        self.draw_election_timeout();
    }

    /// Gives raft a message from the replica that its connection is bound to.
    ///
    /// # Errors
    ///
    /// The refusal of [`guard::admit`]; raft has not seen the message then. A message that raft itself turns down (from a
    /// replica that is no member any more, say) is as good as lost.
    pub(crate) fn receive(&mut self, from: u64, message: Message) -> Result<(), Refusal> {
        guard::admit(&self.node, self.agreed.as_ref(), from, &message)?;
        // raft-rs would send it on in the asker's name, which nobody believes of another; whoever asked asks the next leader
        if message.msg_type == MessageType::MsgReadIndex as i32 && !self.leads() {
            return Ok(());
        }
        let message = misread(guard::without_hints(message), self.node.raft.raft_log.last_index());
        if let Err(error) = self.node.step(message) {
            tracing::debug!(from, %error, "raft turned a message down");
        }
        self.draw_election_timeout();
        Ok(())
    }

    /// Tells raft that messages to a replica may be lost.
    pub(crate) fn unreachable(&mut self, id: u64) {
        self.node.report_unreachable(id);
    }

    /// Takes the place of raft-rs's own draw, which comes from the thread's random numbers and could not be replayed.
    ///
    /// The draw is a function of the replica's seed and of the moment at which raft draws: its term and its role.
    fn draw_election_timeout(&mut self) {
        let raft = &mut self.node.raft;
        let ticks = raft.election_timeout();
        let moment = [self.election_seed, raft.id, raft.term, raft.state as u64];
        let drawn = moment.into_iter().fold(0, |state, word| mix(state ^ word)) as usize;
        raft.set_randomized_election_timeout(ticks + drawn % ticks);
    }

    /// Proposes an entry.
    ///
    /// # Errors
    ///
    /// [`Error::NoLeader`] when this node does not lead, or too much waits to be committed. Nothing was proposed.
    pub(crate) fn propose(&mut self, data: Vec<u8>) -> Result<(), Error> {
        // a follower would forward the proposal and might lose it without a word
        if !self.leads() {
            return Err(Error::NoLeader);
        }
        match self.node.propose(Vec::new(), data) {
            Err(raft::Error::ProposalDropped) => Err(Error::NoLeader),
            result => result.map_err(raft_error),
        }
    }

    /// Proposes a change of raft's members. raft-rs makes an empty entry of it while another one is under way, so whoever
    /// proposes looks again.
    pub(crate) fn propose_members(&mut self, change: &ConfChange) -> Result<(), Error> {
        match self.node.propose_conf_change(Vec::new(), change.clone()) {
            Err(raft::Error::ProposalDropped) => Ok(()),
            result => result.map_err(raft_error),
        }
    }

    /// The last entry, stored or not.
    pub(crate) fn raft_log_end(&self) -> u64 {
        self.node.raft.raft_log.last_index()
    }

    /// Leads no more, in this term.
    pub(crate) fn step_down(&mut self) -> Result<(), Error> {
        let term = self.term();
        self.node.raft.become_follower(term, INVALID_ID);
        self.draw_election_timeout();
        Ok(())
    }

    /// Asks for a point in the log that is not older than this call.
    ///
    /// # Errors
    ///
    /// [`Error::NoLeader`] when there is none to ask.
    pub(crate) fn read_index(&mut self, context: Vec<u8>) -> Result<(), Error> {
        if self.leader().is_none() {
            return Err(Error::NoLeader);
        }
        let reads = |node: &RawNode<RaftStorage>| node.raft.pending_read_count() + node.raft.ready_read_count();
        let before = reads(&self.node);
        self.node.read_index(context);
        // a leader that has committed nothing in its term drops the request without a word
        match self.leads() && reads(&self.node) == before {
            true => Err(Error::NoLeader),
            false => Ok(()),
        }
    }

    /// The replica that this one follows, itself where it leads.
    pub(crate) fn leader(&self) -> Option<u64> {
        let leader = self.node.raft.leader_id;
        (leader != INVALID_ID).then_some(leader)
    }

    /// How far a replica has acknowledged the log, where this one leads.
    pub(crate) fn acknowledged(&self, id: u64) -> Option<u64> {
        let progress = self.node.raft.prs().get(id)?;
        self.leads().then_some(progress.matched)
    }

    /// All other replicas that raft knows: voters and learners.
    pub(crate) fn others(&self) -> Vec<u64> {
        let raft = &self.node.raft;
        let mut others: Vec<u64> = raft
            .prs()
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| *id != raft.id)
            .collect();
        others.sort_unstable();
        others
    }

    pub(crate) fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// Raft's current term.
    pub(crate) fn term(&self) -> u64 {
        self.node.raft.term
    }

    pub(crate) fn raft_log(&mut self) -> &mut LogStorage {
        &mut self.node.mut_store().raft_log
    }

    /// Stores, sends and applies until raft has nothing more to do.
    ///
    /// # Errors
    ///
    /// Any error leaves the node unable to go on: the log may lack what raft believes durable.
    pub(crate) fn pump(&mut self, app: &mut dyn Application) -> Result<(), Error> {
        while self.node.has_ready() {
            self.round(app)?;
        }
        Ok(())
    }

    fn round(&mut self, app: &mut dyn Application) -> Result<(), Error> {
        let mut ready = self.node.ready();
        app.send(ready.take_messages());
        if !ready.snapshot().is_empty() {
            self.install(ready.snapshot(), app)?;
        }
        let batch = Batch {
            entries: ready.entries(),
            hard_state: ready.hs(),
            sync: ready.must_sync() && !(planted("a vote is not synced") && ready.entries().is_empty()),
        };
        self.node.mut_store().raft_log.append(batch)?;
        app.send(ready.take_persisted_messages());
        for state in ready.take_read_states() {
            app.read_ready(state.index, &state.request_ctx);
        }
        self.apply(ready.take_committed_entries(), app)?;
        let mut light = self.node.advance_append(ready);
        if light.commit_index().is_some() {
            let hard_state: HardState = self.node.raft.hard_state();
            let batch = Batch {
                entries: &[],
                hard_state: Some(&hard_state),
                sync: false,
            };
            self.node.mut_store().raft_log.append(batch)?;
        }
        app.send(light.take_messages());
        self.apply(light.take_committed_entries(), app)?;
        self.node.advance_apply_to(self.applied);
        app.applied()
    }

    fn install(&mut self, snapshot: &Snapshot, app: &mut dyn Application) -> Result<(), Error> {
        app.install(snapshot)?;
        let hard_state = self.node.raft.hard_state();
        let storage = self.node.mut_store();
        storage.raft_log.reset(position_of(snapshot), &hard_state)?;
        storage.conf_state = snapshot.get_metadata().get_conf_state().clone();
        self.applied = snapshot.get_metadata().index;
        Ok(())
    }

    fn apply(&mut self, entries: Vec<Entry>, app: &mut dyn Application) -> Result<(), Error> {
        for entry in entries {
            let at = Position {
                index: entry.index,
                term: entry.term,
            };
            match entry.get_entry_type() {
                EntryType::EntryNormal => app.apply(at, &entry.data)?,
                EntryType::EntryConfChange => {
                    let change = ConfChange::decode(&*entry.data).map_err(|error| undecodable(at, &error))?;
                    let conf_state = match app.admits(&change)? {
                        true => self.node.apply_conf_change(&change).map_err(raft_error)?,
                        false => self.node.store().conf_state.clone(),
                    };
                    self.changed_members(at, conf_state, app)?;
                }
                // none is proposed, and the guard lets none in
                EntryType::EntryConfChangeV2 => {
                    let reason = format!("raft entry {} is a joint change of members", at.index);
                    return Err(Error::Raft { reason });
                }
            }
            self.applied = entry.index;
        }
        Ok(())
    }

    fn changed_members(&mut self, at: Position, conf_state: ConfState, app: &mut dyn Application) -> Result<(), Error> {
        app.apply_conf_state(at, &conf_state)?;
        let storage = self.node.mut_store();
        if storage.conf_state != conf_state {
            // one that is new would find itself in none made before
            storage.snapshot = None;
        }
        storage.conf_state = conf_state;
        Ok(())
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("applied", &self.applied)
            .field("term", &self.term())
            .finish()
    }
}

/// The last entry that is in a snapshot.
fn position_of(snapshot: &Snapshot) -> Position {
    let metadata = snapshot.get_metadata();
    Position {
        index: metadata.index,
        term: metadata.term,
    }
}

/// raft-rs panics on a state that its log does not reach; say it before, and in words.
fn check_fit(raft_log: &LogStorage, applied: Position) -> Result<(), Error> {
    let (base, commit) = (raft_log.base().index, raft_log.hard_state().commit);
    if applied.index < base || applied.index > commit {
        let reason = format!(
            "the state stands at raft index {}, but the raft log holds {} to {} and has {commit} committed",
            applied.index,
            base + 1,
            raft_log.last().index
        );
        return Err(Error::Inconsistent { reason });
    }
    match raft_log.term_at(applied.index) {
        Some(term) if term == applied.term => Ok(()),
        term => {
            let reason = format!(
                "the state was made from term {} at raft index {}, but the raft log has term {}",
                applied.term,
                applied.index,
                term.unwrap_or_default()
            );
            Err(Error::Inconsistent { reason })
        }
    }
}

/// SplitMix64's step: spreads a word over all bits.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn undecodable(at: Position, error: &prost_for_raft::DecodeError) -> Error {
    Error::Raft {
        reason: format!("raft entry {} is no membership change: {error}", at.index),
    }
}

fn raft_error(error: raft::Error) -> Error {
    Error::Raft {
        reason: error.to_string(),
    }
}
