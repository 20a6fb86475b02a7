//! One replica of the ledger, without clock, network or threads: what it is told, and what it then says.
//!
//! ```text
//!  proposals, reads -> pending -> leader? -> queue -> raft entry -> machine -> answers
//!                           \--- otherwise: forwarded to the leader
//!  peers' messages  -> guard -> raft                    |
//!                  \-> notes -------------------> certifier -> own cosignatures to all
//! ```
//!
//! The shell (`sequencer.rs`) brings messages, time and commands and carries messages away; the simulator does the same
//! from one seed. Everything between is the production code.

mod catch_up;
mod members;
pub(crate) mod message;
mod notes;
pub(crate) mod open;
mod propose;
mod queue;

use std::collections::BTreeMap;

use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::trust::Trust;
use prost_for_raft::Message as _;
use raft::eraftpb::MessageType;

use crate::Error;
use crate::certify::Contradiction;
use crate::machine::Machine;
use crate::machine::pending::HandedOver;
use crate::planted::planted;
use crate::pool::{Answer, Waiting};
use crate::raft::Driver;
use crate::raft::guard::Refusal;
use crate::raft_snapshot::staging::Staging;
use crate::room::Room;
use crate::shared::Standing;
use crate::state_machine::{LedgerEntry, Settings};
use catch_up::CatchUp;
use message::{Content, Held, PeerMessage};
use queue::Queue;

/// Bounds of one replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplicaLimits {
    /// Leaves of one raft entry.
    pub(crate) group_leaves_max: usize,
    /// Bytes of one raft entry.
    pub(crate) group_bytes_max: usize,
    /// Bytes of the raft log that are kept for replicas which are behind.
    pub(crate) raft_log_bytes_max: u64,
}

/// What a replica is put together from.
#[derive(Debug)]
pub(crate) struct ReplicaParts {
    pub(crate) driver: Driver,
    pub(crate) machine: Machine,
    pub(crate) room: Room,
    pub(crate) staging: Staging,
    pub(crate) limits: ReplicaLimits,
    pub(crate) settings: Settings,
    /// Whom those trust who know the ledger's beginning.
    pub(crate) founded: Trust,
    pub(crate) id: u64,
}

/// A message for another replica.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) to: u64,
    pub(crate) message: Bytes,
}

/// The core of one replica.
#[derive(Debug)]
pub(crate) struct Replica {
    driver: Driver,
    machine: Machine,
    room: Room,
    staging: Staging,
    limits: ReplicaLimits,
    /// Proposals for the next entries, while this replica leads.
    queue: Queue,
    outgoing: Vec<Outgoing>,
    ticks: u64,
    next_ask: u64,
    /// The raft index up to which each other replica says that it needs nothing any more. Too large a word
    /// harms its speaker alone; one that says nothing makes the others keep their logs.
    held: BTreeMap<u64, u64>,
    settings: Settings,
    founded: Trust,
    id: u64,
    /// The tick at which a change of raft's members is proposed again.
    next_members_proposal: u64,
    /// Where this replica, leading, has proposed a change of the ledger's members, until that is applied.
    members_change_at: Option<u64>,
    /// The term in which this replica, leading, has asked for the first settings.
    settings_asked_in: u64,
    catch_up: CatchUp,
    /// How often what was fetched to catch up was not what is certified: the next time begins with somebody else.
    failed_catch_ups: usize,
    /// Since which tick those to whom a snapshot was sent have not answered.
    snapshots_sent: BTreeMap<u64, u64>,
    /// Refused messages, by sender and reason.
    refused: BTreeMap<(u64, &'static str), u64>,
    /// What was refused of each replica's forwarded proposals since the last tick.
    refused_this_tick: BTreeMap<u64, u32>,
}

impl Replica {
    pub(crate) fn new(parts: ReplicaParts) -> Self {
        let settings = parts.settings;
        Self {
            driver: parts.driver,
            machine: parts.machine,
            room: parts.room,
            staging: parts.staging,
            limits: parts.limits,
            queue: Queue::default(),
            outgoing: Vec::new(),
            ticks: 0,
            next_ask: 0,
            held: BTreeMap::new(),
            settings,
            founded: parts.founded,
            id: parts.id,
            next_members_proposal: 0,
            members_change_at: None,
            settings_asked_in: 0,
            catch_up: CatchUp::No,
            failed_catch_ups: 0,
            snapshots_sent: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_this_tick: BTreeMap::new(),
        }
    }

    /// Replays the raft log as far as it is known to be committed, and compares what earlier runs signed. A lone voter
    /// takes the lead and agrees with itself on the settings; then the replica may serve.
    ///
    /// # Errors
    ///
    /// Any error means that the replica must not start.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        // one of several may be raft's last voter for a while
        let alone = self.driver.others().is_empty() && self.settings.members.is_empty();
        if alone {
            self.driver.campaign()?;
        }
        self.driver.pump(&mut self.machine)?;
        if alone {
            // the leader's first entry of its term is behind everything that earlier runs committed
            if !self.driver.leads() || self.machine.applied_position().term != self.driver.term() {
                let reason = "the only voter did not become leader".to_owned();
                return Err(Error::Raft { reason });
            }
            // once the ledger itself has changed who writes, the file follows it, and not the other way round
            let follows = |agreed: &Settings| *agreed != self.settings && agreed.members.is_empty();
            if self.machine.settings()?.as_ref().is_none_or(follows) {
                let entry = LedgerEntry::settings(self.settings.clone());
                self.driver.propose(entry.to_bytes())?;
                self.driver.pump(&mut self.machine)?;
            }
        }
        match self.machine.settings()? {
            Some(agreed) if agreed.origin != self.settings.origin => {
                let (agreed, ours) = (agreed.origin, &self.settings.origin);
                let reason = format!("the ledger's state has origin {agreed}, its key has {ours}");
                Err(Error::Inconsistent { reason })
            }
            _ => self.machine.finish_replay(alone),
        }
    }

    /// Takes a client's proposal; the answer comes when a certified checkpoint covers it.
    pub(crate) fn propose(&mut self, waiting: Waiting) {
        let room = match self.driver.leads() {
            true => self.room.check(),
            false => Ok(()),
        };
        if let Err(error) = room.and(self.machine.check_waiting()) {
            let _ = waiting.answer.send(Err(error));
            return;
        }
        self.machine.pending().propose(waiting, self.ticks);
    }

    /// Takes a client's reads; the answer comes when everything acknowledged before is visible here.
    pub(crate) fn read(&mut self, readers: Vec<Answer<()>>) {
        if planted("a read asks nobody") {
            readers.into_iter().for_each(|reader| drop(reader.send(Ok(()))));
        } else if let Err(Error::Busy { waiting }) = self.machine.check_waiting() {
            for reader in readers {
                let _ = reader.send(Err(Error::Busy { waiting }));
            }
        } else if !readers.is_empty() {
            self.machine.pending().read(readers, self.ticks);
        }
    }

    /// Takes a message from the replica that its connection is bound to. What is wrong with it is counted, and it is dropped.
    ///
    /// # Errors
    ///
    /// Only what of this replica itself has failed.
    pub(crate) fn receive(&mut self, from: u64, message: Bytes) -> Result<(), Error> {
        match PeerMessage::from_bytes(message) {
            // raft waits; what matters is sent again
            Some(Content::Raft(_)) if self.is_installing() => {}
            Some(Content::Raft(bytes)) => match raft::eraftpb::Message::decode(bytes) {
                Ok(message) if message.msg_type == MessageType::MsgSnapshot as i32 => {
                    self.receive_snapshot(from, message)?;
                }
                Ok(message) => {
                    if let Err(refusal) = self.driver.receive(from, message) {
                        self.refuse(from, refusal);
                    }
                }
                Err(_) => self.count_refusal(from, "it is no raft message"),
            },
            Some(Content::Note(note)) => self.receive_note(from, &note)?,
            Some(Content::Forward(forward)) => self.receive_forward(from, forward)?,
            Some(Content::Held(Held { raft_index })) => {
                let held = self.held.entry(from).or_default();
                // messages overtake each other
                *held = raft_index.max(*held);
            }
            None => self.count_refusal(from, "it is of no known kind"),
        }
        Ok(())
    }

    /// Takes a checkpoint that a witness has cosigned, and passes it on: the others cannot be certain without it either.
    ///
    /// # Errors
    ///
    /// Only what of this replica itself has failed.
    pub(crate) fn cosigned(&mut self, note: &SignedCheckpoint) -> Result<(), Error> {
        let tree_size = self.machine.tree_size();
        self.machine.certifier().receive(note, tree_size)?;
        self.machine.show_certified()?;
        self.broadcast_note(&note.to_bytes(), false);
        Ok(())
    }

    /// What witnesses outside have to be asked for: nothing, unless this replica leads. One of all asks.
    pub(crate) fn for_witnesses(&mut self) -> Option<&SignedCheckpoint> {
        match self.driver.leads() {
            true => self.machine.certifier().for_witnesses(),
            false => None,
        }
    }

    /// What was sent there may be lost: raft sends less until it hears from it again.
    pub(crate) fn unreachable(&mut self, to: u64) {
        self.driver.unreachable(to);
    }

    /// Passes time.
    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
        self.refused_this_tick.clear();
        if !self.is_installing() && self.is_member() {
            self.driver.tick();
            self.send_snapshots_again();
        }
        self.machine.pending().expire(self.ticks);
        self.machine.expire(self.ticks);
    }

    /// Does everything that can be done now: proposes, stores, applies, cosigns, answers.
    ///
    /// # Errors
    ///
    /// Any error leaves the replica unable to go on.
    pub(crate) fn pump(&mut self) -> Result<(), Error> {
        if self.catch_up()? {
            return Ok(());
        }
        self.hand_over()?;
        self.ask_reads();
        loop {
            let (had_room, waiting) = (self.has_room_for_an_entry(), self.queue.len());
            self.propose_entries()?;
            self.driver.pump(&mut self.machine)?;
            let stands_still = had_room && self.queue.len() == waiting;
            // what was applied may have made room for the next entry
            if stands_still || !self.has_room_for_an_entry() {
                break;
            }
        }
        self.cosign()?;
        self.propose_members()?;
        self.offer_snapshot()?;
        for message in self.machine.take_messages() {
            let to = message.to;
            let content = Content::Raft(message.encode_to_vec().into());
            let message = PeerMessage::to_bytes(content);
            self.outgoing.push(Outgoing { to, message });
        }
        Ok(())
    }

    /// Messages for others since the last call, in order.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// Contradictions met since the last call: evidence, to be kept where others find it.
    pub(crate) fn take_contradictions(&mut self) -> Vec<Contradiction> {
        self.machine.certifier().take_contradictions()
    }

    /// Its place among the replicas, and how far it is.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            leader: self.driver.leader(),
            term: self.driver.term(),
            tree_size: self.machine.tree_size(),
        }
    }

    /// What it holds, for those who check invariants.
    #[cfg(feature = "testing")]
    pub(crate) fn state(&mut self) -> crate::testing::core::CoreState {
        let tree = self.machine.head();
        let signed = self.driver.raft_log().signed_head();
        crate::testing::core::CoreState {
            leads: self.driver.leads(),
            leader: self.driver.leader(),
            term: self.driver.term(),
            raft_base: self.driver.raft_log().base().index,
            raft_last: self.driver.raft_log().last().index,
            raft_committed: self.driver.raft_log().hard_state().commit,
            applied: self.machine.applied_position().index,
            fetching: self.is_fetching(),
            installing: self.is_installing(),
            flushed: self.machine.flushed_position().index,
            tree: (tree.size.0, *tree.root.as_bytes()),
            certified: self.machine.certifier().certified_size().0,
            signed: signed.map(|head| (head.size.0, *head.root.as_bytes())),
        }
    }

    /// Term and digest of the raft entry at an index, for those who check invariants.
    #[cfg(feature = "testing")]
    pub(crate) fn raft_entry(&mut self, index: u64) -> Option<(u64, [u8; 32])> {
        let entry = self.driver.raft_log().entry(index).ok().flatten()?;
        let bytes = [&entry.entry_type.to_le_bytes()[..], &entry.data[..]].concat();
        Some((entry.term, dab_proof::leaf::BodyDigest::of(&bytes).blake3))
    }

    /// Makes the state durable when enough was applied, or at once when `now`, and lets the raft log forget what nobody
    /// needs any more: not this replica, whose state holds it, and no other, which holds it itself. One that is away for so
    /// long that the log would outgrow its bound catches up otherwise.
    pub(crate) fn flush(&mut self, now: bool) -> Result<(), Error> {
        if !now && !self.machine.flush_is_due()? {
            return Ok(());
        }
        let others = self.driver.others();
        // a leader sends again from where it has the last acknowledgement, which may be behind what its sender has said
        let needed = others.iter().map(|id| {
            let held = self.held.get(id).copied().unwrap_or(0);
            held.min(self.driver.acknowledged(*id).unwrap_or(held))
        });
        let applied = self.machine.applied_position().index;
        let needed = needed.fold(applied, u64::min);
        let bytes = self.driver.raft_log().bytes();
        let is_long = bytes > self.limits.raft_log_bytes_max;
        // entries without leaves go where all hold them, and at last, since there may be any number of them
        if (!is_long && needed > self.anchor_index()) || bytes / 2 > self.limits.raft_log_bytes_max {
            self.machine.anchor_here();
        }
        let flushed = self.machine.flush(self.driver.raft_log())?;
        self.broadcast(&PeerMessage::to_bytes(Content::Held(Held { raft_index: flushed })));
        let needed_by_nobody = if is_long { flushed } else { needed };
        // one that lacks what is given up begins at the anchor, and needs what follows on it
        let index = needed_by_nobody.min(self.anchor_index());
        self.driver.raft_log().compact(index)
    }

    fn anchor_index(&mut self) -> u64 {
        self.machine.anchor().map_or(0, |anchor| anchor.at.index)
    }

    #[cfg(test)]
    pub(crate) fn raft_log(&mut self) -> &mut crate::raft::LogStorage {
        self.driver.raft_log()
    }

    /// What is handed over now counts as handed to the leader of this term.
    fn now(&self) -> HandedOver {
        HandedOver {
            at: self.ticks,
            term: self.driver.term(),
        }
    }

    fn ask_reads(&mut self) {
        let now = self.now();
        // a leader that has committed nothing in its term drops what others ask, without a word
        if self.machine.applied_position().term != now.term {
            return;
        }
        let mut refused = false;
        for request in self.machine.pending().due_reads(now) {
            refused = refused || self.driver.read_index(request.to_vec()).is_err();
            if refused {
                self.machine.pending().not_asked(&request);
            }
        }
    }

    fn broadcast(&mut self, message: &Bytes) {
        for to in self.others() {
            let message = message.clone();
            self.outgoing.push(Outgoing { to, message });
        }
    }

    fn refuse(&mut self, from: u64, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Address => "it names another sender or receiver",
            Refusal::Kind => "replicas do not send its kind",
            Refusal::Term => "its term cannot be",
            Refusal::Commit => "it commits more than there is",
            Refusal::Contradiction => "it contradicts a committed entry",
            Refusal::Leader => "it speaks as the leader, which is another",
            // an honest one does that too, over a bad network
            Refusal::Unled => return,
            Refusal::Entries => "its entries do not follow one another, or are unknown",
            Refusal::Snapshot => "it brings a raft snapshot that nobody needs",
        };
        self.count_refusal(from, reason);
    }

    fn count_refusal(&mut self, from: u64, reason: &'static str) {
        let count = self.refused.entry((from, reason)).or_default();
        *count += 1;
        // the first of each kind, and then ever more rarely: a hostile peer must not fill the disk with our words
        if count.is_power_of_two() {
            tracing::warn!(from, reason, count, "refused a replica's message");
        }
    }
}
