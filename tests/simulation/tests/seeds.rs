//! Runs of many seeds: no rule is broken, a seed replays, and every kind of fault was there.
//!
//! `DAB_TEST_SEED` replays one seed.

use std::time::Instant;

use dab_simulation::{Report, simulate};

/// Seeds of one test run, about a minute; the long run takes many.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

/// What a run does at least, whatever its faults: one of seventeen power cuts has time for little. What all runs do
/// together is held to the floors below, and after its faults each run must decide all that was proposed.
const ACKNOWLEDGED_MIN: u64 = 1;
/// What all runs together do at least.
const FLOORS: [(&str, u64); 20] = [
    ("acknowledged proposals", 300),
    ("proposals retried", 100),
    ("conflicts", 50),
    ("unknown outcomes", 100),
    ("reads answered", 200),
    ("certified checkpoints", 300),
    ("elections", 40),
    ("messages lost", 1000),
    ("messages doubled", 300),
    ("messages very late", 100),
    ("messages cut off", 1000),
    ("two-way partitions", 10),
    ("one-way partitions", 10),
    ("power cuts", 50),
    ("kills", 20),
    ("failing disks", 10),
    ("disks that fail amid a step", 10),
    ("clock jumps", 10),
    ("hostile messages", 100),
    ("contradicting notes met", 1),
];

#[test]
fn no_seed_breaks_a_rule_and_every_fault_is_met() {
    let seed = std::env::var("DAB_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    let begun = Instant::now();
    let mut all = Report::default();
    let seeds: Vec<u64> = seed.map_or_else(|| SEEDS.collect(), |seed| vec![seed]);
    for &seed in &seeds {
        println!("DAB_TEST_SEED={seed}");
        let run = simulate(seed);
        assert_eq!(run.violation, None, "seed {seed}");
        assert!(
            run.report.acknowledged >= ACKNOWLEDGED_MIN,
            "seed {seed} did too little: {:?}",
            run.report
        );
        all.add(&run.report);
    }
    println!("{} seeds in {:?}: {:#?}", seeds.len(), begun.elapsed(), all.counts());
    if seed.is_none() {
        for (name, floor) in FLOORS {
            let found = all.counts().into_iter().find(|(counted, _)| *counted == name);
            let (_, count) = found.expect("a count of this name");
            assert!(
                count >= floor,
                "{name}: {count} are too few, at least {floor} were expected"
            );
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 7, 8] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
