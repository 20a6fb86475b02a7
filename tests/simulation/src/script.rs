//! A group whose messages and crashes a test decides, one by one.
//!
//! Nothing happens by itself here: time passes for whom the test says, and a message arrives if the test lets it pass.

use std::collections::VecDeque;

use dab_ledger::Error;
use dab_ledger::notary::{Outcome, Proposal, Statement};
use dab_ledger::testing::rot::FileKind;
use dab_ledger::testing::statement;
use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::hash::Hash;
use dab_proof::leaf::SignedLeaf;
use dab_proof::tree::TreeSize;
use raft::eraftpb::MessageType;
use tokio::sync::oneshot::Receiver;

use crate::checker::leaves;
use crate::ledger::{Ledger, REPLICAS};
use crate::network::Envelope;
use crate::replica::Machine;
use crate::rot::{Rotten, start_rotten};
use crate::scenario::CoreLimits;
use crate::wire::Content;

/// Rounds of messages after which a group that is not quiet yet never will be.
const ROUNDS_MAX: usize = 10_000;
/// Ticks without a leader's word after which a follower listens to a candidate.
const LEASE_TICKS: usize = 10;
/// Ticks within which an election ends.
const ELECTION_TICKS: usize = 200;

/// An answer under way.
pub type Answer = Receiver<Result<Outcome, Error>>;

/// A message that the test may let pass.
#[derive(Clone, Copy, Debug)]
pub struct Passing {
    /// Who sends it.
    pub from: u64,
    /// Who is to receive it.
    pub to: u64,
    /// What it is.
    pub kind: Kind,
}

/// What a message is, as far as the cases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A leader's entries.
    Append,
    /// A follower's answer to them.
    AppendResponse,
    /// A signed checkpoint.
    Note,
    /// Anything else.
    Other,
}

/// Four replicas, of which three certify.
#[derive(Debug)]
pub struct Script {
    ledger: Ledger,
    machines: Vec<Machine>,
    queue: VecDeque<Envelope>,
    limits: CoreLimits,
}

impl Script {
    /// A group of which all run, and one leads.
    pub fn led_by(leader: u64) -> Self {
        Self::flushing(leader, 1000)
    }

    /// The same, each of which makes its state durable after so many entries.
    pub fn flushing(leader: u64, flush_entries: u64) -> Self {
        Self::with_limits(
            leader,
            CoreLimits {
                flush_entries,
                segment_bytes: 4 << 10,
                raft_log_bytes: 1 << 30,
            },
        )
    }

    /// The same, with raft logs that soon give up what one which is away still needs.
    pub fn with_short_logs(leader: u64) -> Self {
        Self::with_limits(
            leader,
            CoreLimits {
                flush_entries: 3,
                segment_bytes: 1 << 10,
                raft_log_bytes: 1,
            },
        )
    }

    fn with_limits(leader: u64, limits: CoreLimits) -> Self {
        let mut script = Self {
            ledger: Ledger::new(),
            machines: (1..=REPLICAS).map(Machine::new).collect(),
            queue: VecDeque::new(),
            limits,
        };
        (1..=REPLICAS).for_each(|id| script.restart(id));
        script.elect(leader, |_| true);
        script
    }

    /// All replicas.
    pub fn replicas() -> impl Iterator<Item = u64> {
        1..=REPLICAS
    }

    /// Makes a replica lead those from whom messages pass.
    pub fn elect(&mut self, id: u64, pass: impl Fn(Passing) -> bool) {
        assert!(
            self.elects(id, pass),
            "replica {id} does not lead after {ELECTION_TICKS} ticks"
        );
    }

    /// Passes time for one replica until it leads; false where the others do not elect it.
    pub fn elects(&mut self, id: u64, pass: impl Fn(Passing) -> bool) -> bool {
        // those who have heard from a leader lately do not listen; what they say meanwhile is lost
        for other in Self::replicas().filter(|other| *other != id) {
            let kind = Kind::Other;
            if pass(Passing {
                from: other,
                to: id,
                kind,
            }) {
                (0..LEASE_TICKS).for_each(|_| self.tick(other));
            }
        }
        self.queue.clear();
        for _ in 0..ELECTION_TICKS {
            self.tick(id);
            self.deliver(&pass);
            if self.leads(id) {
                return true;
            }
        }
        false
    }

    /// Passes a tick.
    pub fn tick(&mut self, id: u64) {
        let machine = self.machine(id);
        machine.core.iter_mut().for_each(|core| core.tick());
        self.pump(id);
    }

    /// Delivers messages until there are none; those that do not pass are lost.
    pub fn deliver(&mut self, pass: impl Fn(Passing) -> bool) {
        for _ in 0..ROUNDS_MAX {
            let Some(Envelope { from, to, message }) = self.queue.pop_front() else {
                return;
            };
            let kind = kind_of(&message);
            let Some(core) = &mut self.machines[to as usize - 1].core else {
                continue;
            };
            if pass(Passing { from, to, kind }) {
                core.receive(from, message).expect("an honest replica's message");
                self.pump(to);
            }
        }
        panic!("the group is not quiet after {ROUNDS_MAX} messages");
    }

    /// Delivers everything until a replica stops, and says which and why.
    pub fn deliver_or_stop(&mut self) -> Option<(u64, Error)> {
        while let Some(Envelope { from, to, message }) = self.queue.pop_front() {
            let core = self.machines[to as usize - 1].core.as_mut()?;
            let done = core.receive(from, message).and_then(|()| core.pump());
            match done {
                Ok(outgoing) => {
                    let envelopes = outgoing.into_iter();
                    let envelopes = envelopes.map(|(other, message)| Envelope {
                        from: to,
                        to: other,
                        message,
                    });
                    self.queue.extend(envelopes);
                }
                Err(error) => return Some((to, error)),
            }
        }
        None
    }

    /// Passes time for all and delivers everything, until whoever waits is answered.
    pub fn answered(&mut self, answer: &mut Answer) -> Result<Outcome, Error> {
        for _ in 0..ELECTION_TICKS {
            if let Ok(outcome) = answer.try_recv() {
                return outcome;
            }
            self.pass_ticks(1);
        }
        panic!("no answer after {ELECTION_TICKS} ticks");
    }

    /// Passes ticks for all and delivers everything.
    pub fn pass_ticks(&mut self, ticks: usize) {
        for _ in 0..ticks {
            Self::replicas().for_each(|id| self.tick(id));
            self.deliver(|_| true);
        }
    }

    /// Cuts the power of a replica: what it has not synced is gone.
    pub fn cut_power(&mut self, id: u64) {
        let machine = self.machine(id);
        machine.core = None;
        // nothing of what was not synced is kept
        machine.disk.crash(&mut |_| 0);
        self.queue.retain(|envelope| envelope.from != id && envelope.to != id);
    }

    /// Starts a replica on what its disk holds.
    pub fn restart(&mut self, id: u64) {
        let limits = self.limits;
        let started = self.machines[id as usize - 1].start(&self.ledger, limits, id, 0);
        started.expect("a sound disk");
        self.pump(id);
    }

    /// What becomes of a replica, which is down, with one bit flipped in a file of a kind; `None` where it has no such file.
    pub fn start_rotten(&self, id: u64, kind: FileKind, draw: &mut dyn FnMut(usize) -> usize) -> Option<Rotten> {
        let machine = &self.machines[id as usize - 1];
        let bit = machine.disk.draw_bit(kind, draw)?;
        Some(start_rotten(machine, &self.ledger, self.limits, &bit))
    }

    /// Shows a replica a checkpoint of `size` leaves and another root than anybody's, certified by the three others. Gives
    /// what the replica says to it.
    pub fn show_other(&mut self, id: u64, size: u64) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            origin: self.ledger.log.name().to_owned(),
            size: TreeSize(size),
            root: Hash::from_bytes([7; 32]),
        };
        let mut note = checkpoint.sign(&self.ledger.log).expect("the log signs");
        for other in Self::replicas().filter(|other| *other != id) {
            let line = checkpoint.cosign(self.ledger.cosigner(other), 1_800_000_000);
            note.add(line.expect("a cosigner cosigns")).expect("one line more");
        }
        let from = 1 + id % REPLICAS;
        let core = self.machine(id).core.as_mut().expect("it runs");
        core.receive(from, Content::note(&note, false).into_bytes())?;
        core.pump().map(drop)
    }

    /// The contradictions that a replica has kept since the last call, as their roots.
    pub fn evidence(&mut self, id: u64) -> Vec<(Hash, Hash)> {
        let core = self.machine(id).core.as_mut().expect("it runs");
        let roots =
            |(ours, theirs): (SignedCheckpoint, SignedCheckpoint)| (ours.checkpoint().root, theirs.checkpoint().root);
        core.contradictions().into_iter().map(roots).collect()
    }

    /// Whether a replica leads.
    pub fn leads(&mut self, id: u64) -> bool {
        let core = self.machine(id).core.as_mut();
        core.is_some_and(|core| core.state().leads)
    }

    /// The last raft index that a replica's log has given up, and the last that it holds.
    pub fn raft_log(&mut self, id: u64) -> (u64, u64) {
        let state = self.machine(id).core.as_mut().expect("it runs").state();
        (state.raft_base, state.raft_last)
    }

    /// A statement that follows another one on `subject`.
    pub fn statement(&self, subject: &str, after: Option<&Statement>) -> Statement {
        let (sequence, parent): (u64, Option<Hash>) = match after {
            Some(before) => (before.leaf.leaf().sequence + 1, Some(before.leaf.hash())),
            None => (0, None),
        };
        let (origin, writer) = (self.ledger.log.name(), &self.ledger.writer);
        statement(origin, writer, subject, sequence, parent, "body")
    }

    /// Another statement for the same place.
    pub fn rival(&self, of: &Statement) -> Statement {
        let (origin, writer, leaf) = (self.ledger.log.name(), &self.ledger.writer, of.leaf.leaf());
        statement(
            origin,
            writer,
            leaf.subject.as_str(),
            leaf.sequence,
            leaf.parent,
            "another body",
        )
    }

    /// Proposes a statement at a replica.
    pub fn propose(&mut self, id: u64, statement: &Statement) -> Answer {
        let proposal = Proposal {
            statements: vec![statement.clone()],
        };
        let core = self.machine(id).core.as_mut().expect("it runs");
        let answer = core.propose(&proposal);
        self.pump(id);
        answer
    }

    /// The certified leaves of a replica, which are all that it has.
    pub fn certified(&mut self, id: u64) -> Vec<SignedLeaf> {
        let core = self.machine(id).core.as_mut().expect("it runs");
        let (size, _) = core.state().tree;
        let checkpoint = core.checkpoint().expect("a certified checkpoint");
        let certified = checkpoint.checkpoint().size;
        assert_eq!(certified.0, size, "replica {id} has certified all that it has");
        let certification = self.ledger.trust.policy.verify(&checkpoint);
        certification.expect("a certified checkpoint");
        let core = self.machine(id).core.as_mut().expect("it runs");
        leaves(core.files(), certified).expect("its files")
    }

    fn pump(&mut self, id: u64) {
        self.pump_once(id);
        // whoever lacks what the logs have given up is brought every file that it asks for
        for _ in 0..ROUNDS_MAX {
            let Some(core) = &mut self.machine(id).core else { return };
            let wanted = core.wanted().expect("a sound disk");
            if wanted.is_none() && !core.state().installing {
                return;
            }
            if let Some((from, path)) = wanted {
                let source = self.machine(from).core.as_ref();
                let file = source.and_then(|core| core.file(&path)).map(Into::into);
                let core = self.machine(id).core.as_mut().expect("it runs");
                core.fetched(from, path, file).expect("a sound disk");
            }
            self.pump_once(id);
        }
        panic!("replica {id} has not caught up after {ROUNDS_MAX} files");
    }

    fn pump_once(&mut self, id: u64) {
        let Some(core) = &mut self.machine(id).core else { return };
        let outgoing = core.pump().expect("a sound disk");
        let envelopes = outgoing
            .into_iter()
            .map(|(to, message)| Envelope { from: id, to, message });
        self.queue.extend(envelopes);
    }

    fn machine(&mut self, id: u64) -> &mut Machine {
        &mut self.machines[id as usize - 1]
    }
}

fn kind_of(message: &bytes::Bytes) -> Kind {
    let Some(content) = Content::read(message) else {
        return Kind::Other;
    };
    match content {
        Content::Note(_) => Kind::Note,
        content if content.as_raft(&[MessageType::MsgAppend]).is_some() => Kind::Append,
        content if content.as_raft(&[MessageType::MsgAppendResponse]).is_some() => Kind::AppendResponse,
        _ => Kind::Other,
    }
}
