//! One run: replicas, network, clients and faults, moved on step by step.

use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use raft::eraftpb::MessageType;

use crate::byzantine::Traitor;
use crate::checker::Checker;
use crate::client::{Around, Client};
use crate::coverage::Fault;
use crate::faults::{Crash, Ends};
use crate::fetches::Fetches;
use crate::ledger::{Ledger, REPLICAS};
use crate::liar::Liar;
use crate::network::{Envelope, Network};
use crate::replica::{Machine, TICK_STEPS, caught};
use crate::report::Report;
use crate::rng::Rng;
use crate::rules::{Check, Rule, Watch};
use crate::scenario::{Scenario, Treason};
use crate::trace::Trace;
use crate::wire::Content;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) scenario: Scenario,
    pub(crate) network: Network,
    pub(crate) fetches: Fetches,
    pub(crate) ends: Ends,
    pub(crate) report: Report,
    pub(crate) trace: Trace,
    pub(crate) ledger: Ledger,
    pub(crate) machines: Vec<Machine>,
    pub(crate) clients: Vec<Client>,
    pub(crate) checker: Checker,
    hostile: Option<Hostile>,
    pub(crate) settling: bool,
}

/// What a Byzantine replica says beside its core.
#[derive(Debug)]
enum Hostile {
    Loud(Traitor),
    Liar(Liar),
}

impl World {
    pub(crate) fn new(seed: u64, watch: Watch) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::draw(&mut rng);
        let ledger = Ledger::new();
        let traitor = scenario.traitor.map(|(id, _)| id);
        let voters = scenario.voters();
        let hostile = match scenario.traitor {
            Some((id, Treason::Messages)) => Some(Hostile::Loud(Traitor::new(id))),
            Some((id, Treason::Lies)) => Some(Hostile::Liar(Liar::new(id))),
            _ => None,
        };
        let mut report = Report {
            runs: 1,
            ..Report::default()
        };
        report.byzantine_runs += u64::from(traitor.is_some());
        let mut machines: Vec<_> = (1..=REPLICAS).map(Machine::new).collect();
        if let Some((id, Treason::Lies)) = scenario.traitor {
            // its clock is fast, so it often leads
            machines[id as usize - 1].tick_steps = TICK_STEPS / 2;
        }
        Self {
            seed,
            now: 0,
            network: Network::new(scenario.weather),
            fetches: Fetches::default(),
            ends: Ends::default(),
            report,
            trace: Trace::default(),
            machines,
            clients: (0..scenario.clients)
                .map(|number| Client::new(number, scenario.subjects))
                .collect(),
            checker: Checker::new(watch, ledger.trust.clone(), traitor, voters),
            hostile,
            settling: false,
            ledger,
            rng,
            scenario,
        }
    }

    /// The whole run. An error says what was broken.
    pub(crate) fn run(&mut self) -> Check {
        while self.now < self.scenario.steps {
            self.draw_faults();
            self.step()?;
        }
        self.settle()
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = self.report;
        report.certified = self.checker.certified.len() as u64;
        report.raft_breaks = u64::from(self.checker.raft_is_broken);
        report.steps = self.now;
        report
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.digest()
    }

    pub(crate) fn machine(&mut self, id: u64) -> &mut Machine {
        &mut self.machines[id as usize - 1]
    }

    pub(crate) fn is_traitor(&self, id: u64) -> bool {
        self.scenario.traitor.is_some_and(|(traitor, _)| traitor == id)
    }

    pub(crate) fn step(&mut self) -> Check {
        self.now += 1;
        self.start_those_due()?;
        self.deliver()?;
        self.answer_fetches()?;
        for machine in &mut self.machines {
            machine.pass_time();
            if machine.awake(self.now) && machine.ticks_at <= self.now {
                machine.ticks_at = self.now + machine.tick_steps;
                machine.core.iter_mut().for_each(|core| core.tick());
                machine.busy = true;
            }
        }
        self.hostility()?;
        self.clients(|client, around| client.step(around))?;
        for id in 1..=REPLICAS {
            self.pump(id)?;
        }
        Ok(())
    }

    fn deliver(&mut self) -> Check {
        for envelope in self.network.arrive(self.now, &mut self.report) {
            let (now, to) = (self.now, envelope.to);
            let machine = self.machine(to);
            if machine.sleeps_until > now {
                let at = machine.sleeps_until;
                self.network.keep(envelope, at);
                continue;
            }
            if let Some(Hostile::Liar(liar)) = &mut self.hostile
                && self.scenario.traitor.is_some_and(|(id, _)| id == to)
                && !liar.hear(envelope.from, &envelope.message)
            {
                continue;
            }
            self.receive(envelope)?;
        }
        Ok(())
    }

    fn receive(&mut self, envelope: Envelope) -> Check {
        let Envelope { from, to, message } = envelope;
        let machine = &mut self.machines[to as usize - 1];
        let Some(core) = &mut machine.core else { return Ok(()) };
        machine.busy = true;
        let note = Content::read(&message).and_then(|content| content.as_note());
        if let Some(note) = note.filter(|note| note.checkpoint().size.0 <= core.state().tree.0)
            && self.ledger.trust.policy.verify(&note).is_ok()
        {
            let head = note.checkpoint();
            machine.shown.insert(head.size.0, *head.root.as_bytes());
        }
        let received = caught(|| core.receive(from, message));
        // clients may have been answered under a certificate that it brought, whatever came after that
        self.checker.certified_of(to, core)?;
        match received {
            Ok(()) => Ok(()),
            Err(stop) => self.stopped(to, &stop),
        }
    }

    fn pump(&mut self, id: u64) -> Check {
        let now = self.now;
        let machine = &mut self.machines[id as usize - 1];
        if !machine.busy || !machine.awake(now) {
            return Ok(());
        }
        machine.busy = false;
        let syncs = machine.disk.counts().syncs;
        let Some(core) = &mut machine.core else { return Ok(()) };
        let pumped = caught(|| core.pump());
        self.checker.certified_of(id, core)?;
        match pumped {
            Ok(outgoing) => {
                let state = core.state();
                // it goes on by itself until all leaves are taken over
                machine.busy |= state.installing;
                // no entry leads from the log that it had to the one that it has
                self.report.snapshots_installed += u64::from(state.raft_base > machine.raft_last);
                machine.raft_last = state.raft_last;
                if state.leads && machine.leads_in != state.term {
                    machine.leads_in = state.term;
                    self.report.elections += 1;
                    if !self.is_traitor(id) {
                        let core = self.machines[id as usize - 1].core.as_mut();
                        core.map_or(Ok(()), |core| self.checker.leads(id, core, &state))?;
                    }
                }
                self.gather_evidence(id);
                self.ask_for_file(id)?;
                let machine = self.machine(id);
                let busy_until = now + (machine.disk.counts().syncs - syncs) * machine.sync_steps;
                machine.sleeps_until = machine.sleeps_until.max(busy_until);
                let mut votes = false;
                for (to, message) in outgoing {
                    votes |= self.send(id, to, message, busy_until)?;
                }
                if votes && !self.settling && self.rng.chance(self.scenario.cut_behind_vote) {
                    self.met(Fault::VoteCut);
                    self.report.vote_cuts += 1;
                    self.crash(id, Crash::PowerCut);
                    self.machine(id).starts_at = now + self.rng.between(1, 40);
                }
            }
            Err(stop) => self.stopped(id, &stop)?,
        }
        self.checker.replica(&mut self.machines[id as usize - 1])
    }

    /// Sends what a core says; true where it was a vote.
    fn send(&mut self, from: u64, to: u64, mut message: Bytes, at: u64) -> Check<bool> {
        self.trace.number(from << 8 | to);
        self.trace.add(&message);
        self.report.messages += 1;
        let mut votes = false;
        match &mut self.hostile {
            Some(hostile) if self.scenario.traitor.is_some_and(|(id, _)| id == from) => match hostile {
                Hostile::Loud(traitor) => traitor.remember(to, &message, &mut self.rng),
                Hostile::Liar(liar) => {
                    let (told, lied) = liar.rewrite(to, message, &mut self.rng);
                    message = told;
                    if lied {
                        self.report.other_entries += 1;
                        self.met(Fault::OtherEntry);
                    }
                }
            },
            _ => votes = self.said(from, to, &message)?,
        }
        let envelope = Envelope { from, to, message };
        self.network.send(envelope, at, &mut self.rng, &mut self.report);
        Ok(votes)
    }

    /// Holds what an honest replica says against what it may say; true where it is a vote.
    fn said(&mut self, id: u64, to: u64, message: &Bytes) -> Check<bool> {
        if message.len() > self.network.message_bytes_max {
            let what = format!("replica {id} has a message of {} bytes for {to}", message.len());
            self.checker.watch.broken(Rule::MessageBound, what)?;
        }
        let Some(content) = Content::read(message) else {
            return Ok(false);
        };
        if let Some(note) = content.as_note() {
            self.note_cosignature(id, &note)?;
            return Ok(false);
        }
        let votes = [MessageType::MsgRequestVote, MessageType::MsgRequestVoteResponse];
        let Some(vote) = content.as_raft(&votes).filter(|vote| !vote.reject) else {
            return Ok(false);
        };
        if self.is_traitor(id) {
            return Ok(true);
        }
        let candidate = match vote.get_msg_type() {
            MessageType::MsgRequestVote => id,
            _ => to,
        };
        self.checker.votes(id, vote.term, candidate)?;
        Ok(true)
    }

    /// Remembers which heads a replica has cosigned, since it may never take that back.
    fn note_cosignature(&mut self, id: u64, note: &SignedCheckpoint) -> Check {
        let own = self.ledger.cosigner(id).verifier();
        let lines = note.note().signatures();
        if self.is_traitor(id)
            || !lines
                .iter()
                .any(|line| line.name == own.name() && line.key_id == own.key_id())
        {
            return Ok(());
        }
        let (size, root) = (note.checkpoint().size.0, *note.checkpoint().root.as_bytes());
        match *self.machine(id).cosigned.entry(size).or_insert(root) == root {
            true => Ok(()),
            false => {
                let what = format!("replica {id} cosigns two roots for {size} leaves");
                self.checker.watch.broken(Rule::CosignsOnce, what)
            }
        }
    }

    fn hostility(&mut self) -> Check {
        let (Some(hostile), Some((id, _))) = (&mut self.hostile, self.scenario.traitor) else {
            return Ok(());
        };
        let Some(core) = &mut self.machines[id as usize - 1].core else {
            return Ok(());
        };
        if self.settling {
            return Ok(());
        }
        let said = match hostile {
            Hostile::Loud(_) if self.rng.chance(200) => return self.second_leader(id),
            Hostile::Loud(traitor) if self.rng.chance(1500) => {
                let state = core.state();
                let said = traitor.say(&self.ledger, state.tree, state.term, &mut self.rng);
                said.into_iter().collect()
            }
            Hostile::Loud(_) => Vec::new(),
            Hostile::Liar(liar) => {
                liar.choose(self.now, &mut self.rng);
                match self.rng.chance(self.scenario.forgeries) {
                    true => liar.forge(&self.ledger, core, &mut self.rng),
                    false => Vec::new(),
                }
            }
        };
        let is_loud = matches!(hostile, Hostile::Loud(_));
        for (to, message) in said {
            let (count, fault) = match is_loud {
                true => (&mut self.report.hostile_messages, Fault::HostileMessage),
                false => (&mut self.report.forgeries, Fault::Forgery),
            };
            *count += 1;
            self.met(fault);
            let envelope = Envelope { from: id, to, message };
            self.network.send(envelope, self.now, &mut self.rng, &mut self.report);
        }
        Ok(())
    }

    /// An append in the name of a leader, for somebody who knows that another leads. It comes at once, since who does not
    /// know it yet may be fooled: that is the liar's way.
    fn second_leader(&mut self, id: u64) -> Check {
        let to = self.rng.between(1, REPLICAS);
        let Some(core) = self.machine(to).core.as_mut().filter(|_| to != id) else {
            return Ok(());
        };
        let state = core.state();
        let before = core.raft_entry(state.raft_last).map(|(term, _)| term);
        let (Some(leader), Some(before)) = (state.leader, before) else {
            return Ok(());
        };
        if leader == id || leader == to {
            return Ok(());
        }
        self.report.hostile_messages += 1;
        let message = crate::byzantine::append(id, to, state.term, (state.raft_last, before));
        self.receive(Envelope { from: id, to, message })
    }

    pub(crate) fn clients(&mut self, act: impl Fn(&mut Client, &mut Around<'_>) -> Check) -> Check {
        let mut around = Around {
            now: self.now,
            ledger: &self.ledger,
            machines: &mut self.machines,
            traitor: self.scenario.traitor.map(|(id, _)| id),
            checker: &mut self.checker,
            rng: &mut self.rng,
            report: &mut self.report,
            trace: &mut self.trace,
            body_bytes: self.scenario.body_bytes,
            settling: self.settling,
        };
        self.clients.iter_mut().try_for_each(|client| act(client, &mut around))
    }
}
