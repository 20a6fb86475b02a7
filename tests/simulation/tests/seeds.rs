//! Runs of many seeds: no rule is broken, a seed replays, and every kind of fault came in every state that it can come in.
//!
//! `DAB_TEST_SEED` replays one seed.

use std::time::Instant;

use dab_simulation::floors::{SEEDS, missed, wrong_with};
use dab_simulation::{Report, many, simulate};

#[test]
fn no_seed_breaks_a_rule_and_every_fault_is_met() {
    let seed: Option<u64> = std::env::var("DAB_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    let begun = Instant::now();
    let (mut all, mut broken) = (Report::default(), Vec::new());
    many(seed.map_or(1..SEEDS + 1, |seed| seed..seed + 1), |run| {
        broken.extend(wrong_with(&run));
        all.add(&run.report);
    });
    println!("{} seeds in {:?}: {:#?}", all.runs, begun.elapsed(), all.counts());
    println!("{}", all.coverage.table());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // a single seed is held to none
    let missed = missed(&all);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    // one of each kind of traitor among them
    for seed in [3, 7, 8, 11, 14, 20] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
