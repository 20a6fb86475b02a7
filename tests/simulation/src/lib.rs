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
mod coverage;
mod faults;
mod fetches;
pub mod floors;
mod ledger;
mod liar;
mod life;
mod many;
mod network;
#[cfg(feature = "planted_bugs")]
pub mod planted;
mod replica;
mod report;
mod rng;
mod rot;
mod rules;
mod scenario;
pub mod script;
mod settle;
mod trace;
mod wire;
mod world;

pub use coverage::{Coverage, Fault, State};
pub use many::many;
pub use report::Report;
pub use rot::Rotten;
pub use rules::{Rule, Violation, Watch};

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
    /// Steps that it took.
    pub steps: u64,
    /// What was broken at its last step, where something was.
    pub violation: Option<Violation>,
}

/// Runs one seed under all rules.
pub fn simulate(seed: u64) -> Run {
    simulate_under(seed, Watch::All)
}

/// Runs one seed under some rules.
pub fn simulate_under(seed: u64, watch: Watch) -> Run {
    let mut world = world::World::new(seed, watch);
    // those of replicas are caught where they are; this one is the checker's, or a client's
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let ended = ended.unwrap_or_else(|panic| {
        let what = format!("a panic: {}", replica::panic_text(panic.as_ref()));
        watch.broken(Rule::OnlyDisks, what)
    });
    Run {
        seed,
        report: world.report(),
        trace: world.trace(),
        steps: world.now,
        violation: ended.err(),
    }
}
