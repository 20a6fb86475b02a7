//! What goes wrong, and when: drawn from the seed, step by step.

use dab_ledger::testing::rot::FileKind;
use dab_ledger::testing::sim_disk::{DiskFaults, SimDisk};

use crate::coverage::{Fault, State};
use crate::ledger::REPLICAS;
use crate::replica::TICK_STEPS;
use crate::scenario::Treason;
use crate::world::World;

/// Bytes free on a disk that is full.
const FULL_BYTES: u64 = 1 << 10;

/// Entries by which a replica that catches up is behind.
const BEHIND_ENTRIES: u64 = 3;

/// How often a replica that takes leaves over goes down in a step, in ten thousand: it is done in a few steps.
const DOWN_AMID_TAKING_OVER: u64 = 1000;

/// Times that a disk is set back, or lies, in a run.
const BETRAYALS_MAX: u64 = 4;

/// How a replica goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Its process ends; what it had written stays.
    Kill,
    /// Its machine ends; what was not synced is lost, or torn.
    PowerCut,
}

/// Faults that end by themselves.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    partition: Option<u64>,
    full_disk: Option<(u64, u64)>,
    slow: Option<(u64, u64)>,
    slow_disk: Option<(u64, u64)>,
    backup: Option<(u64, SimDisk)>,
    lie: Option<u64>,
    betrayals: u64,
}

impl World {
    /// Lets faults end and others begin.
    pub(crate) fn draw_faults(&mut self) {
        self.end_faults();
        self.betray();
        self.stop_amid_taking_over();
        if !self.rng.chance(self.scenario.fault_rate) {
            return;
        }
        let id = self.rng.between(1, REPLICAS);
        match self.rng.below(16) {
            0 | 1 => self.crash_met(id, Fault::PowerCut, Crash::PowerCut),
            2 | 3 => self.crash_met(id, Fault::Kill, Crash::Kill),
            4 => {
                self.met(Fault::PowerCutOfAll);
                (1..=REPLICAS).for_each(|id| self.crash(id, Crash::PowerCut));
            }
            5 | 6 => self.part(),
            7 | 8 => self.spoil_disk(id),
            9 => self.fill_disk(id),
            10 => self.slow_disk(id),
            11 | 12 => self.rot(id),
            13 => {
                self.met(Fault::Pause);
                self.report.pauses += 1;
                self.machine(id).sleeps_until = self.now + self.rng.between(50, 600);
            }
            14 => {
                self.met(Fault::SlowReplica);
                self.report.slow_replicas += 1;
                self.machine(id).tick_steps = TICK_STEPS * self.rng.between(2, 6);
                self.ends.slow = Some((self.now + 800, id));
            }
            _ => {
                self.met(Fault::ClockJump);
                self.report.clock_jumps += 1;
                let times = [0, 1_000_000_000, 1_700_000_000_000, 1_900_000_000_000, 1 << 52];
                let unix_ms = *self.rng.pick(&times);
                self.machine(id).set_clock(unix_ms);
            }
        }
    }

    fn stop_amid_taking_over(&mut self) {
        for id in 1..=REPLICAS {
            let state = self.machine(id).core.as_mut().map(|core| core.state());
            if state.is_some_and(|state| state.fetching || state.installing) && self.rng.chance(DOWN_AMID_TAKING_OVER) {
                match self.rng.chance(5000) {
                    true => self.crash_met(id, Fault::PowerCut, Crash::PowerCut),
                    false => self.crash_met(id, Fault::Kill, Crash::Kill),
                }
            }
        }
    }

    /// Notes in which states a fault comes.
    pub(crate) fn met(&mut self, fault: Fault) {
        let states = self.states();
        self.report.coverage.met(fault, &states);
    }

    /// How things stand.
    fn states(&mut self) -> Vec<State> {
        let running: Vec<_> = self
            .machines
            .iter_mut()
            .filter_map(|machine| machine.core.as_mut())
            .collect();
        let running: Vec<_> = running.into_iter().map(|core| core.state()).collect();
        let committed = running.iter().map(|state| state.raft_committed).max().unwrap_or(0);
        let down = REPLICAS as usize - running.len();
        let leader = running.iter().any(|state| state.leads);
        let standing = [
            (State::Leader, leader),
            (State::NoLeader, !leader),
            (
                State::CertificatePending,
                running.iter().any(|state| state.certified < state.tree.0),
            ),
            (
                State::Unflushed,
                running.iter().any(|state| state.flushed < state.applied),
            ),
            (
                State::CatchingUp,
                running.iter().any(|state| state.applied + BEHIND_ENTRIES < committed),
            ),
            (
                State::TakingOver,
                running.iter().any(|state| state.fetching || state.installing),
            ),
            (State::OneDown, down == 1),
            (State::MoreDown, down > 1),
            (State::Parted, self.network.is_parted()),
        ];
        standing
            .into_iter()
            .filter_map(|(state, is_so)| is_so.then_some(state))
            .collect()
    }

    fn end_faults(&mut self) {
        if self.ends.partition.take_if(|end| *end <= self.now).is_some() {
            self.network.heal();
        }
        let now = self.now;
        if let Some((_, id)) = self.ends.full_disk.take_if(|end| end.0 <= now)
            && !self.machine(id).disk_fails
        {
            self.machine(id).disk.set_faults(DiskFaults::default());
        }
        if let Some((_, id)) = self.ends.slow.take_if(|end| end.0 <= now) {
            self.machine(id).tick_steps = TICK_STEPS;
        }
        if let Some((_, id)) = self.ends.slow_disk.take_if(|end| end.0 <= now) {
            self.machine(id).sync_steps = 0;
        }
    }

    fn part(&mut self) {
        let (side, others) = (1..=REPLICAS).partition::<Vec<u64>, _>(|_| self.rng.chance(5000));
        match self.rng.chance(5000) {
            true => {
                self.met(Fault::PartitionTwoWay);
                self.report.partitions_two_way += 1;
                self.network.cut(&side, &others, true);
            }
            false => {
                self.met(Fault::PartitionOneWay);
                self.report.partitions_one_way += 1;
                self.network.cut(&side, &others, false);
            }
        }
        self.ends.partition = Some(self.now + self.rng.between(100, 900));
    }

    /// The disk fails for good, at once or some writes later; the replica stops when it notices.
    fn spoil_disk(&mut self, id: u64) {
        if self.machine(id).core.is_none() {
            return;
        }
        let mut faults = DiskFaults::default();
        match self.rng.below(4) {
            0 => faults.fail_syncs = true,
            1 => faults.fail_writes = true,
            _ => faults.successes_left = Some(self.rng.between(0, 40)),
        }
        match faults.successes_left {
            None => {
                self.met(Fault::FailingDisk);
                self.report.disk_failures += 1;
            }
            Some(_) => {
                self.met(Fault::DiskAmidStep);
                self.report.crashes_amid_writes += 1;
            }
        }
        self.machine(id).fail_disk(faults);
    }

    fn fill_disk(&mut self, id: u64) {
        if self.machine(id).core.is_none() || self.ends.full_disk.is_some() || self.machine(id).disk_fails {
            return;
        }
        self.met(Fault::FullDisk);
        self.report.full_disks += 1;
        self.machine(id).disk.set_faults(DiskFaults {
            free_bytes: Some(FULL_BYTES),
            ..DiskFaults::default()
        });
        self.ends.full_disk = Some((self.now + 300, id));
    }

    /// Each sync takes some steps, during which the replica does nothing and says nothing.
    fn slow_disk(&mut self, id: u64) {
        self.met(Fault::SlowDisk);
        self.report.slow_disks += 1;
        if let Some((_, id)) = self.ends.slow_disk.take() {
            self.machine(id).sync_steps = 0;
        }
        self.machine(id).sync_steps = self.rng.between(1, 12);
        self.ends.slow_disk = Some((self.now + self.rng.between(200, 1000), id));
    }

    /// A bit flips in one of its files while it is down.
    fn rot(&mut self, id: u64) {
        let is_traitor = self.scenario.traitor.is_some_and(|(traitor, _)| traitor == id);
        if is_traitor || self.machine(id).core.is_none() {
            return;
        }
        let kind = *self.rng.pick(&FileKind::ALL);
        self.met(Fault::BitRot);
        self.crash(id, Crash::PowerCut);
        let disk = self.machine(id).disk.clone();
        if let Some(bit) = disk.draw_bit(kind, &mut |bound| self.rng.below(bound)) {
            self.report.rots += 1;
            self.machine(id).rotten = Some(bit);
        }
    }

    fn crash_met(&mut self, id: u64, fault: Fault, how: Crash) {
        if self.machine(id).core.is_some() {
            self.met(fault);
            self.crash(id, how);
        }
    }

    /// A replica goes down, to start again some time later.
    pub(crate) fn crash(&mut self, id: u64, how: Crash) {
        if self.machine(id).core.take().is_none() {
            return;
        }
        self.trace.number(id);
        if how == Crash::PowerCut {
            self.report.power_cuts += 1;
            let disk = self.machine(id).disk.clone();
            let rng = &mut self.rng;
            disk.crash(&mut |bound| rng.below(bound));
        } else {
            self.report.kills += 1;
        }
        self.machine(id).starts_at = self.now + self.rng.between(20, 250);
    }

    /// The disk of the replica that may forget does so, some times.
    fn betray(&mut self) {
        let Some((id, treason)) = self.scenario.traitor else {
            return;
        };
        if self.ends.betrayals == BETRAYALS_MAX || self.machine(id).core.is_none() {
            return;
        }
        match treason {
            Treason::Rollback => self.set_back(id),
            Treason::LyingDisk => self.lie_about_syncs(id),
            Treason::Messages | Treason::Lies => {}
        }
    }

    fn set_back(&mut self, id: u64) {
        match &self.ends.backup {
            None if self.rng.chance(20) => {
                let copy = self.machine(id).disk.backup();
                self.ends.backup = Some((self.now, copy));
            }
            Some((taken, copy)) if *taken + 300 < self.now && self.rng.chance(20) => {
                let copy = copy.clone();
                self.met(Fault::DiskSetBack);
                self.crash(id, Crash::PowerCut);
                self.machine(id).disk = copy;
                self.ends.backup = None;
                self.ends.betrayals += 1;
                self.report.rollbacks += 1;
            }
            _ => {}
        }
    }

    fn lie_about_syncs(&mut self, id: u64) {
        match self.ends.lie {
            None if self.rng.chance(30) => {
                self.met(Fault::LyingDisk);
                self.report.lying_disks += 1;
                self.machine(id).disk.set_faults(DiskFaults {
                    lie_about_syncs: true,
                    ..DiskFaults::default()
                });
                self.ends.lie = Some(self.now + self.rng.between(50, 600));
            }
            Some(end) if end <= self.now => {
                self.crash(id, Crash::PowerCut);
                self.ends.lie = None;
                self.ends.betrayals += 1;
            }
            _ => {}
        }
    }

    /// Everything works again, but for the traitor, who is gone.
    pub(crate) fn end_all_faults(&mut self) {
        self.network.heal();
        self.network.weather = crate::network::Weather::CALM;
        for id in 1..=REPLICAS {
            if self.machine(id).disk_fails {
                self.crash(id, Crash::PowerCut);
            }
            let now = self.now;
            let machine = self.machine(id);
            machine.disk.set_faults(DiskFaults::default());
            machine.tick_steps = TICK_STEPS;
            machine.sync_steps = 0;
            machine.sleeps_until = now;
            if machine.forked_stops == 0 {
                machine.starts_at = machine.starts_at.min(now + 1);
            }
        }
        if let Some((id, _)) = self.scenario.traitor {
            let machine = self.machine(id);
            machine.core = None;
            machine.starts_at = u64::MAX;
        }
    }
}
