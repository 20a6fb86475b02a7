//! What goes wrong, and when: drawn from the seed, step by step.

use dab_ledger::testing::sim_disk::DiskFaults;

use crate::ledger::REPLICAS;
use crate::replica::TICK_STEPS;
use crate::scenario::Treason;
use crate::world::World;

/// Bytes free on a disk that is full.
const FULL_BYTES: u64 = 1 << 10;

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
    backup: Option<(u64, dab_ledger::testing::sim_disk::SimDisk)>,
    rolled_back: bool,
}

impl World {
    /// Lets faults end and others begin.
    pub(crate) fn draw_faults(&mut self) {
        self.end_faults();
        self.roll_back();
        if !self.rng.chance(self.scenario.fault_rate) {
            return;
        }
        let id = self.rng.between(1, REPLICAS);
        match self.rng.below(12) {
            0 | 1 => self.crash(id, Crash::PowerCut),
            2 => self.crash(id, Crash::Kill),
            3 => (1..=REPLICAS).for_each(|id| self.crash(id, Crash::PowerCut)),
            4 | 5 => self.part(),
            6 | 7 => self.spoil_disk(id),
            8 => {
                self.report.full_disks += 1;
                let faults = DiskFaults {
                    free_bytes: Some(FULL_BYTES),
                    ..DiskFaults::default()
                };
                if self.machine(id).core.is_some() && self.ends.full_disk.is_none() && !self.machine(id).disk_fails {
                    self.machine(id).disk.set_faults(faults);
                    self.ends.full_disk = Some((self.now + 300, id));
                }
            }
            9 => {
                self.report.pauses += 1;
                self.machine(id).sleeps_until = self.now + self.rng.between(50, 600);
            }
            10 => {
                self.report.slow_replicas += 1;
                self.machine(id).tick_steps = TICK_STEPS * self.rng.between(2, 6);
                self.ends.slow = Some((self.now + 800, id));
            }
            _ => {
                self.report.clock_jumps += 1;
                let times = [0, 1_000_000_000, 1_700_000_000_000, 1_900_000_000_000, 1 << 52];
                let unix_ms = *self.rng.pick(&times);
                self.machine(id).set_clock(unix_ms);
            }
        }
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
    }

    fn part(&mut self) {
        let mut side = Vec::new();
        let mut others = Vec::new();
        for id in 1..=REPLICAS {
            match self.rng.chance(5000) {
                true => side.push(id),
                false => others.push(id),
            }
        }
        let both_ways = self.rng.chance(5000);
        match both_ways {
            true => self.report.partitions_two_way += 1,
            false => self.report.partitions_one_way += 1,
        }
        self.network.cut(&side, &others, both_ways);
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
            None => self.report.disk_failures += 1,
            Some(_) => self.report.crashes_amid_writes += 1,
        }
        self.machine(id).fail_disk(faults);
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

    fn roll_back(&mut self) {
        let Some((id, Treason::Rollback)) = self.scenario.traitor else {
            return;
        };
        if self.ends.rolled_back {
            return;
        }
        match &self.ends.backup {
            None if self.rng.chance(20) => {
                let copy = self.machine(id).disk.backup();
                self.ends.backup = Some((self.now, copy));
            }
            Some((taken, copy)) if *taken + 300 < self.now && self.rng.chance(20) => {
                let copy = copy.clone();
                self.crash(id, Crash::PowerCut);
                self.machine(id).disk = copy;
                self.ends.rolled_back = true;
                self.report.rollbacks += 1;
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
            machine.sleeps_until = now;
            machine.starts_at = machine.starts_at.min(now + 1);
        }
        if let Some((id, _)) = self.scenario.traitor {
            let machine = self.machine(id);
            machine.core = None;
            machine.starts_at = u64::MAX;
        }
    }
}
