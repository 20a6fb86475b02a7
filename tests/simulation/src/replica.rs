//! One simulated machine: the production core of a replica, its disk, and a clock that may jump.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dab_ledger::Error;
use dab_ledger::clock::Clock;
use dab_ledger::node::NodeLimits;
use dab_ledger::testing::core::{Core, CoreConfig};
use dab_ledger::testing::rot::Bit;
use dab_ledger::testing::sim_disk::{DiskFaults, SimDisk};

use crate::ledger::{Ledger, REPLICAS};
use crate::rng::Rng;
use crate::scenario::CoreLimits;

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
    /// The last raft index of its log, when it was last looked at.
    pub(crate) raft_last: u64,
    /// Certified checkpoints that it was shown when its tree was as large, in this run.
    pub(crate) shown: BTreeMap<u64, [u8; 32]>,
    /// Steps that a sync takes.
    pub(crate) sync_steps: u64,
    /// A bit that flips before it starts again.
    pub(crate) rotten: Option<Bit>,
    /// It has handed out evidence that the others have certified another tree than its own.
    pub(crate) has_evidence: bool,
    /// How often it has stopped since it holds another tree.
    pub(crate) forked_stops: u64,
}

/// Why a replica stops.
#[derive(Debug)]
pub(crate) enum Stop {
    Error(Error),
    Panic(String),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Error(error) => error.fmt(f),
            Stop::Panic(said) => write!(f, "a panic: {said}"),
        }
    }
}

/// Lets a core do something; a panic ends this replica and no other, as in the production shell.
pub(crate) fn caught<T>(act: impl FnOnce() -> Result<T, Error>) -> Result<T, Stop> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(Stop::Error),
        Err(panic) => Err(Stop::Panic(panic_text(panic.as_ref()))),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    said.unwrap_or_default().to_owned()
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
            raft_last: 0,
            shown: BTreeMap::new(),
            sync_steps: 0,
            rotten: None,
            has_evidence: false,
            forked_stops: 0,
        }
    }

    /// Opens the core on what the disk holds.
    pub(crate) fn start(&mut self, ledger: &Ledger, limits: CoreLimits, seed: u64, now: u64) -> Result<(), Stop> {
        self.runs += 1;
        self.shown.clear();
        self.disk_fails = false;
        self.disk.set_faults(DiskFaults::default());
        let mut rng = Rng::new(seed ^ (self.id << 32) ^ self.runs);
        self.core = Some(caught(|| self.open(&self.disk, ledger, limits, &mut rng))?);
        self.raft_last = self.core.as_mut().map_or(0, |core| core.state().raft_last);
        self.busy = true;
        self.ticks_at = now + rng.between(1, self.tick_steps);
        Ok(())
    }

    /// Opens a core of this replica on a disk.
    pub(crate) fn open(
        &self,
        disk: &SimDisk,
        ledger: &Ledger,
        limits: CoreLimits,
        rng: &mut Rng,
    ) -> Result<Core, Error> {
        Core::open(CoreConfig {
            disk: Arc::new(disk.clone()),
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
                flush_entries_max: limits.flush_entries,
                segment_bytes: limits.segment_bytes,
                checkpoints_listed_max: 16,
                raft_log_bytes_max: limits.raft_log_bytes,
                request_ticks_max: 60,
                ..NodeLimits::default()
            },
            election_seed: rng.next(),
            run: rng.bytes(),
        })
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
