//! Runs of many seeds: no rule is broken, a seed replays, and every kind of fault came in every state that it can come in.
//!
//! `DAB_TEST_SEED` replays one seed.

use std::time::Instant;

use dab_simulation::{Fault, Report, State, many, simulate};

/// Seeds of one test run; the long run takes many.
const SEEDS: std::ops::Range<u64> = 1..201;

/// What a run does at least, whatever its faults: one of seventeen power cuts has time for little. What all runs do
/// together is held to the floors below, and after its faults each run must decide all that was proposed, unless a voter
/// that lied or forgot broke raft.
const ACKNOWLEDGED_MIN: u64 = 1;
/// What all runs together do at least.
const FLOORS: [(&str, u64); 34] = [
    ("acknowledged proposals", 5000),
    ("proposals retried", 5000),
    ("conflicts", 10_000),
    ("unknown outcomes", 6000),
    ("reads answered", 6000),
    ("certified checkpoints", 5000),
    ("elections", 400),
    ("messages lost", 40_000),
    ("messages doubled", 12_000),
    ("messages very late", 3000),
    ("messages cut off", 10_000),
    ("two-way partitions", 100),
    ("one-way partitions", 100),
    ("power cuts", 1000),
    ("power cuts behind a vote", 200),
    ("kills", 250),
    ("failing disks", 100),
    ("disks that fail amid a step", 80),
    ("full disks", 80),
    ("slow disks", 100),
    ("bits that rotted", 120),
    ("rotten files refused by name", 60),
    ("rotten files that changed nothing", 60),
    ("pauses", 100),
    ("clock jumps", 90),
    ("unbelievable messages", 10_000),
    ("plausible forgeries", 2500),
    ("messages with other entries", 1000),
    ("disks set back", 15),
    ("disks that lied about syncs", 3),
    ("raft snapshots taken over", 20),
    ("files fetched from others", 100),
    ("files forged by a Byzantine replica", 3),
    ("replicas stopped on another tree", 5),
];
/// Pairs of fault and state that do not come, each for a reason.
const UNREACHED: fn(Fault, State) -> bool = |fault, state| match (fault, state) {
    // everything that a step does is done at once, so only what fails within it, and what then ends the replica, comes there
    (Fault::DiskAmidStep | Fault::PowerCut | Fault::Kill, State::FlushUnderWay) => false,
    (_, State::FlushUnderWay) => true,
    // it is done in a few steps, and those that stop it are drawn more often there
    (Fault::PowerCut | Fault::Kill | Fault::HostileMessage, State::TakingOver) => false,
    (_, State::TakingOver) => true,
    // a liar's entries are a leader's
    (Fault::OtherEntry, State::NoLeader) => true,
    // few runs have such a disk, and after its first lie the replica rarely starts again
    (Fault::LyingDisk | Fault::DiskSetBack, state) => !matches!(state, State::Leader | State::NoLeader),
    _ => false,
};

#[test]
fn no_seed_breaks_a_rule_and_every_fault_is_met() {
    let seed: Option<u64> = std::env::var("DAB_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    let begun = Instant::now();
    let (mut all, mut broken) = (Report::default(), Vec::new());
    many(seed.map_or(SEEDS, |seed| seed..seed + 1), |run| {
        if let Some(violation) = run.violation {
            broken.push(format!("DAB_TEST_SEED={} at step {}: {violation}", run.seed, run.steps));
        } else if run.report.acknowledged < ACKNOWLEDGED_MIN && run.report.raft_breaks == 0 {
            broken.push(format!(
                "DAB_TEST_SEED={} did too little: {:?}",
                run.seed,
                run.report.counts()
            ));
        }
        all.add(&run.report);
    });
    println!("{} seeds in {:?}: {:#?}", all.runs, begun.elapsed(), all.counts());
    println!("{}", all.coverage.table());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    if seed.is_some() {
        return;
    }
    for (name, floor) in FLOORS {
        let found = all.counts().into_iter().find(|(counted, _)| *counted == name);
        let (_, count) = found.expect("a count of this name");
        assert!(
            count >= floor,
            "{name}: {count} are too few, at least {floor} were expected"
        );
    }
    for fault in Fault::ALL {
        for state in State::ALL.iter().filter(|state| !UNREACHED(*fault, **state)) {
            let count = all.coverage.count(*fault, *state);
            assert!(count > 0, "no {} came while: {}", fault.name(), state.name());
        }
    }
}

#[test]
fn a_seed_replays_exactly() {
    // one of each kind of traitor among them
    for seed in [3, 7, 8, 11, 14, 20] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
