//! One run: replicas, network, clients and faults, moved on step by step.

use std::collections::BTreeMap;

use dab_ledger::Error;

use crate::byzantine::{Traitor, note_in};
use crate::checker::{Check, Checker};
use crate::client::{Around, Client};
use crate::faults::{Crash, Ends};
use crate::ledger::{Ledger, REPLICAS};
use crate::network::{Envelope, Network};
use crate::replica::Machine;
use crate::report::Report;
use crate::rng::Rng;
use crate::scenario::{Scenario, Treason};
use crate::trace::Trace;

/// Steps after the last fault within which everything proposed is decided, and again everything proposed then.
const SETTLE_STEPS: u64 = 3000;

#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) scenario: Scenario,
    pub(crate) network: Network,
    pub(crate) ends: Ends,
    pub(crate) report: Report,
    pub(crate) trace: Trace,
    ledger: Ledger,
    machines: Vec<Machine>,
    clients: Vec<Client>,
    checker: Checker,
    traitor: Option<Traitor>,
    leaders: BTreeMap<u64, u64>,
    settling: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::draw(&mut rng);
        let ledger = Ledger::new();
        let traitor = scenario.traitor.map(|(id, _)| id);
        let hostile = scenario.traitor.filter(|(_, treason)| *treason == Treason::Messages);
        let rolls_back = scenario
            .traitor
            .is_some_and(|(_, treason)| treason == Treason::Rollback);
        let mut report = Report {
            runs: 1,
            ..Report::default()
        };
        report.byzantine_runs += u64::from(traitor.is_some());
        Self {
            seed,
            now: 0,
            network: Network::new(scenario.weather),
            ends: Ends::default(),
            report,
            trace: Trace::default(),
            machines: (1..=REPLICAS).map(Machine::new).collect(),
            clients: (0..scenario.clients)
                .map(|number| Client::new(number, scenario.subjects))
                .collect(),
            checker: Checker::new(ledger.trust.clone(), traitor, rolls_back),
            traitor: hostile.map(|(id, _)| Traitor::new(id)),
            leaders: BTreeMap::new(),
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
        self.settle()?;
        self.look_back()
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = self.report;
        report.certified = self.checker.certified.len() as u64;
        report.steps = self.now;
        report
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.digest()
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn machine(&mut self, id: u64) -> &mut Machine {
        &mut self.machines[id as usize - 1]
    }

    fn step(&mut self) -> Check {
        self.now += 1;
        self.start_those_due()?;
        self.deliver()?;
        for machine in &mut self.machines {
            machine.pass_time();
            if machine.awake(self.now) && machine.ticks_at <= self.now {
                machine.ticks_at = self.now + machine.tick_steps;
                machine.core.iter_mut().for_each(|core| core.tick());
                machine.busy = true;
            }
        }
        self.hostility();
        self.clients(|client, around| client.step(around))?;
        for id in 1..=REPLICAS {
            self.pump(id)?;
        }
        Ok(())
    }

    fn start_those_due(&mut self) -> Check {
        for id in 1..=REPLICAS {
            let now = self.now;
            let machine = &mut self.machines[id as usize - 1];
            if machine.core.is_some() || machine.starts_at > now {
                continue;
            }
            let started = machine.start(&self.ledger, &self.scenario, self.seed, now);
            self.checker.restarted(id);
            if let Err(error) = started {
                self.judge(id, &error)?;
                self.machine(id).starts_at = u64::MAX;
                continue;
            }
            let machine = &mut self.machines[id as usize - 1];
            self.checker.replica(machine)?;
        }
        Ok(())
    }

    fn deliver(&mut self) -> Check {
        for envelope in self.network.arrive(self.now, &mut self.report) {
            let Envelope { from, to, message } = envelope.clone();
            let now = self.now;
            let machine = self.machine(to);
            if machine.sleeps_until > now {
                let at = machine.sleeps_until;
                self.network.keep(envelope, at);
                continue;
            }
            let Some(core) = &mut machine.core else { continue };
            let received = core.receive(from, message);
            machine.busy = true;
            if let Err(error) = received {
                self.stopped(to, &error)?;
            }
        }
        Ok(())
    }

    fn pump(&mut self, id: u64) -> Check {
        let now = self.now;
        let machine = self.machine(id);
        if !machine.busy || !machine.awake(now) {
            return Ok(());
        }
        machine.busy = false;
        let Some(core) = &mut machine.core else { return Ok(()) };
        match core.pump() {
            Ok(outgoing) => {
                let (state, contradictions) = (core.state(), core.contradictions().len());
                self.report.contradictions += contradictions as u64;
                if state.leads && self.machine(id).leads_in != state.term {
                    self.machine(id).leads_in = state.term;
                    self.report.elections += 1;
                    let leader = *self.leaders.entry(state.term).or_insert(id);
                    if leader != id && self.scenario.traitor.is_none() {
                        return Err(format!("replicas {leader} and {id} lead in term {}", state.term));
                    }
                }
                for (to, message) in outgoing {
                    self.send(id, to, message)?;
                }
            }
            Err(error) => self.stopped(id, &error)?,
        }
        self.checker.replica(&mut self.machines[id as usize - 1])
    }

    fn send(&mut self, from: u64, to: u64, message: bytes::Bytes) -> Check {
        self.trace.number(from << 8 | to);
        self.trace.add(&message);
        self.report.messages += 1;
        match &mut self.traitor {
            Some(traitor) if self.scenario.traitor.is_some_and(|(id, _)| id == from) => {
                traitor.remember(to, &message, &mut self.rng);
            }
            _ => self.note_cosignature(from, &message)?,
        }
        let envelope = Envelope { from, to, message };
        self.network.send(envelope, self.now, &mut self.rng, &mut self.report);
        Ok(())
    }

    /// Remembers which heads a replica has cosigned, since it may never take that back.
    fn note_cosignature(&mut self, id: u64, message: &bytes::Bytes) -> Check {
        let Some(note) = note_in(message) else { return Ok(()) };
        let own = self.ledger.cosigner(id).verifier();
        let lines = note.note().signatures();
        if !lines
            .iter()
            .any(|line| line.name == own.name() && line.key_id == own.key_id())
        {
            return Ok(());
        }
        let (size, root) = (note.checkpoint().size.0, *note.checkpoint().root.as_bytes());
        match *self.machine(id).cosigned.entry(size).or_insert(root) == root {
            true => Ok(()),
            false => Err(format!("replica {id} cosigns two roots for {size} leaves")),
        }
    }

    fn hostility(&mut self) {
        let Some(traitor) = &self.traitor else { return };
        let Some((id, _)) = self.scenario.traitor else { return };
        let Some(core) = &mut self.machines[id as usize - 1].core else {
            return;
        };
        if self.settling || !self.rng.chance(1500) {
            return;
        }
        let state = core.state();
        let Some((to, message)) = traitor.say(&self.ledger, state.tree, state.term, &mut self.rng) else {
            return;
        };
        self.report.hostile_messages += 1;
        let envelope = Envelope { from: id, to, message };
        self.network.send(envelope, self.now, &mut self.rng, &mut self.report);
    }

    /// A replica has answered an error: it stops, as the production shell does.
    fn stopped(&mut self, id: u64, error: &Error) -> Check {
        self.judge(id, error)?;
        let how = *self.rng.pick(&[Crash::Kill, Crash::PowerCut]);
        self.crash(id, how);
        Ok(())
    }

    /// Only its disk may stop a replica.
    fn judge(&self, id: u64, error: &Error) -> Check {
        let machine = &self.machines[id as usize - 1];
        let excused = machine.disk_fails || self.scenario.traitor.is_some_and(|(traitor, _)| traitor == id);
        match excused {
            true => Ok(()),
            false => Err(format!("replica {id} fails: {error}")),
        }
    }

    fn clients(&mut self, act: impl Fn(&mut Client, &mut Around<'_>) -> Check) -> Check {
        let mut around = Around {
            now: self.now,
            ledger: &self.ledger,
            machines: &mut self.machines,
            traitor: self.scenario.traitor.map(|(id, _)| id),
            checker: &mut self.checker,
            rng: &mut self.rng,
            report: &mut self.report,
            trace: &mut self.trace,
            settling: self.settling,
        };
        self.clients.iter_mut().try_for_each(|client| act(client, &mut around))
    }

    /// Everything works again: what was proposed is decided, what is proposed now too, and all replicas agree.
    fn settle(&mut self) -> Check {
        self.settling = true;
        self.end_all_faults();
        self.wait_until("what was proposed is decided", Self::clients_are_idle)?;
        self.clients(|client, around| {
            client.begin_proposal(around);
            Ok(())
        })?;
        self.wait_until("what is proposed now is decided", Self::clients_are_idle)?;
        self.wait_until("all replicas certify the same tree", Self::replicas_agree)
    }

    fn wait_until(&mut self, what: &str, reached: impl Fn(&mut Self) -> bool) -> Check {
        let last = self.now + SETTLE_STEPS;
        while !reached(self) {
            if self.now == last {
                let states: Vec<_> = self
                    .machines
                    .iter_mut()
                    .filter_map(|machine| machine.core.as_mut())
                    .map(|core| core.state())
                    .collect();
                return Err(format!("no progress: {what} is not reached; {states:?}"));
            }
            self.step()?;
        }
        Ok(())
    }

    fn clients_are_idle(&mut self) -> bool {
        self.clients.iter().all(Client::is_idle)
    }

    fn replicas_agree(&mut self) -> bool {
        let traitor = self.scenario.traitor.map(|(id, _)| id);
        let honest = self.machines.iter_mut().filter(|machine| traitor != Some(machine.id));
        let states: Vec<_> = honest
            .map(|machine| machine.core.as_mut().map(|core| core.state()))
            .collect();
        let first = states[0].as_ref().map(|state| state.tree);
        let agrees =
            |state: &dab_ledger::testing::core::CoreState| Some(state.tree) == first && state.certified == state.tree.0;
        states.iter().all(|state| state.as_ref().is_some_and(agrees))
    }

    fn look_back(&mut self) -> Check {
        let traitor = self.scenario.traitor.map(|(id, _)| id);
        for machine in self.machines.iter_mut().filter(|machine| traitor != Some(machine.id)) {
            let Some(core) = &mut machine.core else { continue };
            self.report.leaves = self.checker.whole_tree(machine.id, core)?;
        }
        Ok(())
    }
}
