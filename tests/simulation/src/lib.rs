//! Four replicas of the ledger and their clients, in one thread and from one seed.
//!
//! ```text
//!  seed -> scenario -> world: clock by steps -> faults -> network -> replicas (the production core) -> clients
//!                                                            checker looks at everything after every step
//! ```
//!
//! A run is a function of its seed: [`simulate`] gives the same trace for the same seed, so a failure can be looked at
//! again. Read `world.rs` first, then `checker.rs`, which says what must hold.

mod byzantine;
mod checker;
mod client;
mod faults;
mod ledger;
mod network;
#[cfg(feature = "planted_bugs")]
pub mod planted;
mod replica;
mod report;
mod rng;
mod scenario;
mod trace;
mod world;

pub use report::Report;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The seed that replays it.
    pub seed: u64,
    /// What it did.
    pub report: Report,
    /// The digest of every message, outcome and crash, in order.
    pub trace: u64,
    /// What was broken, where something was.
    pub violation: Option<String>,
}

/// Runs one seed.
pub fn simulate(seed: u64) -> Run {
    let mut world = world::World::new(seed);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ended {
        Ok(result) => result.err(),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Some(format!("a panic: {}", said.unwrap_or_default()))
        }
    };
    Run {
        seed,
        report: world.report(),
        trace: world.trace(),
        violation: violation.map(|what| format!("at step {}: {what}", world.now())),
    }
}
