//! What a campaign of many seeds has to do and to meet at least: one that does less shows nothing.

use crate::{Fault, Report, Run, State};

/// Seeds of the campaign that the floors are stated for. A longer one has to do as much more; one that is shorter is not held to
/// them.
pub const SEEDS: u64 = 200;

/// What a run does at least, whatever its faults: one of seventeen power cuts has time for little. What all runs do
/// together is held to the floors below, and after its faults each run must decide all that was proposed, unless a voter
/// that lied or forgot broke raft.
const ACKNOWLEDGED_MIN: u64 = 1;

/// What [`SEEDS`] runs together do at least.
pub const FLOORS: [(&str, u64); 35] = [
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
    ("slow replicas", 100),
    ("clock jumps", 90),
    ("unbelievable messages", 10_000),
    ("plausible forgeries", 2000),
    ("messages with other entries", 1000),
    ("disks set back", 15),
    ("disks that lied about syncs", 3),
    ("raft snapshots taken over", 20),
    ("files fetched from others", 100),
    ("files forged by a Byzantine replica", 3),
    ("replicas stopped on another tree", 5),
];

/// What is wrong with one run, by its seed: a rule that is broken, or too little done.
pub fn wrong_with(run: &Run) -> Option<String> {
    let replay = format!("DAB_TEST_SEED={} at step {}", run.seed, run.steps);
    if let Some(violation) = &run.violation {
        return Some(format!("{replay}: {violation}"));
    }
    let did_little = run.report.acknowledged < ACKNOWLEDGED_MIN && run.report.raft_breaks == 0;
    did_little.then(|| format!("{replay}: it did too little: {:?}", run.report.counts()))
}

/// The floors that all runs together stay below, and the pairs of fault and state that they did not meet.
pub fn missed(all: &Report) -> Vec<String> {
    let mut missed = Vec::new();
    if all.runs < SEEDS {
        return missed;
    }
    for (name, floor) in FLOORS {
        let found = all.counts().into_iter().find(|(counted, _)| *counted == name);
        let count = found.map_or(0, |(_, count)| count);
        let floor = floor * all.runs / SEEDS;
        if count < floor {
            missed.push(format!("{name}: {count} are too few, at least {floor} were expected"));
        }
    }
    for fault in Fault::ALL {
        for state in State::ALL.iter().filter(|state| !is_unreached(*fault, **state)) {
            if all.coverage.count(*fault, *state) == 0 {
                missed.push(format!("no {} came while: {}", fault.name(), state.name()));
            }
        }
    }
    missed
}

/// Whether a fault does not come in a state, each for a reason.
fn is_unreached(fault: Fault, state: State) -> bool {
    match (fault, state) {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_does_nothing_misses_every_floor_and_every_pair() {
        let report = |runs| Report {
            runs,
            ..Report::default()
        };
        let pairs = Fault::ALL
            .iter()
            .flat_map(|fault| State::ALL.iter().map(|state| (*fault, *state)));
        let reached = pairs.filter(|(fault, state)| !is_unreached(*fault, *state)).count();
        assert_eq!(missed(&report(SEEDS)).len(), FLOORS.len() + reached);
        assert!(missed(&report(SEEDS - 1)).is_empty());
    }

    #[test]
    fn every_floor_is_one_of_a_count() {
        let counts = Report::default().counts();
        for (name, _) in FLOORS {
            assert!(counts.iter().any(|(counted, _)| *counted == name), "{name}");
        }
    }
}
