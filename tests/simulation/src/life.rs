//! How replicas start and stop, and what may stop them.

use dab_ledger::Error;
use dab_ledger::testing::core::Core;

use crate::checker::Voters;
use crate::coverage::{Fault, State};
use crate::faults::Crash;
use crate::ledger::REPLICAS;
use crate::replica::Stop;
use crate::rot::{Rotten, start_rotten};
use crate::rules::{Check, Rule};
use crate::world::World;

/// Steps until somebody has brought back a file that rotted.
const REPAIR_STEPS: u64 = 100;
/// Times that a replica is started which has found that it holds another tree.
const FORKED_STARTS_MAX: u64 = 1;

impl World {
    pub(crate) fn start_those_due(&mut self) -> Check {
        for id in 1..=REPLICAS {
            let now = self.now;
            let machine = self.machine(id);
            if machine.core.is_some() || machine.starts_at > now {
                continue;
            }
            self.checker.restarted(id);
            match self.machine(id).rotten.is_some() {
                true => self.start_rotten(id)?,
                false => self.start(id)?,
            }
            self.checker.replica(&mut self.machines[id as usize - 1])?;
        }
        Ok(())
    }

    fn start(&mut self, id: u64) -> Check {
        let (seed, now, limits) = (self.seed, self.now, self.scenario.limits);
        let started = self.machines[id as usize - 1].start(&self.ledger, limits, seed, now);
        if let Err(stop) = started {
            self.judge(id, &stop)?;
            self.machine(id).starts_at = u64::MAX;
        }
        Ok(())
    }

    /// Starts a replica one of whose bits has flipped. Where it names the file, somebody brings the file back.
    fn start_rotten(&mut self, id: u64) -> Check {
        let (now, limits) = (self.now, self.scenario.limits);
        let machine = &mut self.machines[id as usize - 1];
        let Some(bit) = machine.rotten.take() else {
            return Ok(());
        };
        let rotten = start_rotten(machine, &self.ledger, limits, &bit);
        if rotten == Rotten::Harmless {
            self.report.rots_harmless += 1;
            machine.disk.flip(&bit);
            return self.start(id);
        }
        machine.starts_at = now + REPAIR_STEPS;
        match rotten {
            Rotten::Broken(what) => self.checker.watch.broken(Rule::Rot, format!("replica {id}: {what}")),
            _ => {
                self.report.rots_named += 1;
                Ok(())
            }
        }
    }

    /// A replica has answered an error: it stops, as the production shell does.
    pub(crate) fn stopped(&mut self, id: u64, stop: &Stop) -> Check {
        self.gather_evidence(id);
        self.judge(id, stop)?;
        let amid_flush = self.machine(id).core.as_ref().is_some_and(Core::failed_in_flush);
        let (how, fault) = match self.rng.chance(5000) {
            true => (Crash::Kill, Fault::Kill),
            false => (Crash::PowerCut, Fault::PowerCut),
        };
        if amid_flush {
            for fault in [fault, Fault::DiskAmidStep] {
                self.report.coverage.met(fault, &[State::FlushUnderWay]);
            }
        }
        self.crash(id, how);
        if self.machine(id).forked_stops > FORKED_STARTS_MAX {
            self.machine(id).starts_at = u64::MAX;
        }
        Ok(())
    }

    /// Takes what a replica has kept as evidence.
    pub(crate) fn gather_evidence(&mut self, id: u64) {
        let Some(core) = &mut self.machines[id as usize - 1].core else {
            return;
        };
        for (ours, theirs) in core.contradictions() {
            self.report.contradictions += 1;
            self.machines[id as usize - 1].has_evidence |= self.checker.is_evidence(&ours, &theirs);
        }
    }

    /// Only its disk may stop a replica; and that the others have certified another tree, which it has to show.
    fn judge(&mut self, id: u64, stop: &Stop) -> Check {
        let voters = self.checker.voters;
        let is_traitor = self.is_traitor(id);
        let machine = self.machine(id);
        if machine.disk_fails || is_traitor {
            return Ok(());
        }
        if voters == Voters::Honest || !matches!(stop, Stop::Error(Error::Inconsistent { .. })) {
            let what = format!("replica {id}: {stop}");
            return self.checker.watch.broken(Rule::OnlyDisks, what);
        }
        machine.forked_stops += 1;
        if machine.has_evidence {
            let is_first = machine.forked_stops == 1;
            self.report.forked += u64::from(is_first);
            return Ok(());
        }
        let what = format!("replica {id} keeps no evidence, and stops: {stop}");
        self.checker.watch.broken(Rule::Forked, what)
    }
}
