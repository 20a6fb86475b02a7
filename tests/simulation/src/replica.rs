//! One simulated machine: the production core of a replica, its disk, and a clock that may jump.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dab_ledger::Error;
use dab_ledger::clock::Clock;
use dab_ledger::node::NodeLimits;
use dab_ledger::testing::core::{Core, CoreConfig};
use dab_ledger::testing::sim_disk::{DiskFaults, SimDisk};

use crate::ledger::{Ledger, REPLICAS};
use crate::rng::Rng;
use crate::scenario::Scenario;

/// Steps of one raft tick.
pub(crate) const TICK_STEPS: u64 = 10;
const START_UNIX_S: u64 = 1_800_000_000;

/// A clock that is set from outside.
#[derive(Debug)]
pub(crate) struct SimClock(AtomicU64);

impl Clock for SimClock {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: u64,
    pub(crate) disk: SimDisk,
    /// `None` while it is down.
    pub(crate) core: Option<Core>,
    pub(crate) clock: Arc<SimClock>,
    /// Whether the disk was told to fail since the last start: then the replica may stop.
    pub(crate) disk_fails: bool,
    /// When it starts again.
    pub(crate) starts_at: u64,
    pub(crate) ticks_at: u64,
    pub(crate) tick_steps: u64,
    /// It does nothing before.
    pub(crate) sleeps_until: u64,
    /// Something happened since the last pump.
    pub(crate) busy: bool,
    runs: u64,
    /// Every head under which its cosignature was seen, whatever it remembers itself.
    pub(crate) cosigned: BTreeMap<u64, [u8; 32]>,
    pub(crate) leads_in: u64,
}

impl Machine {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            disk: SimDisk::default(),
            core: None,
            clock: Arc::new(SimClock(AtomicU64::new(START_UNIX_S * 1000))),
            disk_fails: false,
            starts_at: 0,
            ticks_at: 0,
            tick_steps: TICK_STEPS,
            sleeps_until: 0,
            busy: false,
            runs: 0,
            cosigned: BTreeMap::new(),
            leads_in: 0,
        }
    }

    /// Opens the core on what the disk holds.
    pub(crate) fn start(&mut self, ledger: &Ledger, scenario: &Scenario, seed: u64, now: u64) -> Result<(), Error> {
        self.runs += 1;
        self.disk_fails = false;
        self.disk.set_faults(DiskFaults::default());
        let mut rng = Rng::new(seed ^ (self.id << 32) ^ self.runs);
        let core = Core::open(CoreConfig {
            disk: Arc::new(self.disk.clone()),
            id: self.id,
            voters: (1..=REPLICAS).collect(),
            log: ledger.log.clone(),
            cosigner: ledger.cosigner(self.id).clone(),
            policy: ledger.trust.policy.clone(),
            writers: ledger.writers.clone(),
            clock: self.clock.clone(),
            limits: NodeLimits {
                waiting_max: 16,
                group_leaves_max: 4,
                flush_entries_max: scenario.flush_entries,
                segment_bytes: scenario.segment_bytes,
                checkpoints_listed_max: 16,
                request_ticks_max: 60,
                ..NodeLimits::default()
            },
            election_seed: rng.next(),
            run: rng.bytes(),
        })?;
        self.core = Some(core);
        self.busy = true;
        self.ticks_at = now + rng.between(1, self.tick_steps);
        Ok(())
    }

    pub(crate) fn set_clock(&self, unix_ms: u64) {
        self.clock.0.store(unix_ms, Ordering::Relaxed);
    }

    /// Passes a step of its clock.
    pub(crate) fn pass_time(&self) {
        let unix_ms = self.clock.0.load(Ordering::Relaxed);
        self.set_clock(unix_ms.saturating_add(10));
    }

    pub(crate) fn fail_disk(&mut self, faults: DiskFaults) {
        self.disk.set_faults(faults);
        self.disk_fails = true;
    }

    pub(crate) fn awake(&self, now: u64) -> bool {
        self.core.is_some() && self.sleeps_until <= now
    }
}
