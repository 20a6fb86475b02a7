//! Planted bugs are found, and for each rule there is one that the rule finds by itself: some of them in each run.

use std::collections::BTreeSet;
use std::time::SystemTime;

use dab_simulation::planted::{BUGS, Bug, Found, search_all};
use dab_simulation::{Rule, Watch};

/// Seeds within which a bug is found here: many times the median of each that is looked for.
const SEEDS_MAX: u64 = 100;
/// Bugs that one run of the tests looks for.
const DRAWN: usize = 4;
/// Those that take tens of seeds; `dab-simulation --planted` looks for them too.
const RARE: [&str; 13] = [
    "a refusal counts as a vote",
    "a vote is given to whoever asks",
    "the raft log is not synced",
    "a failed sync is passed over",
    "a conflicting suffix stays in the raft log",
    "a message to a follower has no bound",
    "a segment begins without the signed head",
    "another tree is not noticed",
    "the evidence is forgotten",
    "a lost cosignature is not sent again",
    "a read does not wait for its place",
    "the state's pages are not checked",
    "the state is ahead of the raft log",
];

#[test]
fn every_rule_has_a_bug_that_it_finds_by_itself() {
    let rules: BTreeSet<Rule> = BUGS.iter().filter(|bug| bug.alone).map(|bug| bug.rule).collect();
    assert!(
        Rule::ALL.iter().all(|rule| rules.contains(rule)),
        "a rule has no bug: {rules:?}"
    );
}

#[test]
fn planted_bugs_are_found() {
    let drawn = drawn(BUGS.to_vec(), 0);
    let found = quietly(|| search_all(&drawn, |_| Watch::All, 1, SEEDS_MAX));
    all_found(&drawn, &found);
}

#[test]
fn rules_find_planted_bugs_by_themselves() {
    let drawn = drawn(BUGS.into_iter().filter(|bug| bug.alone).collect(), 1);
    let found = quietly(|| search_all(&drawn, |bug| Watch::Only(bug.rule), 1, SEEDS_MAX));
    all_found(&drawn, &found);
}

/// Some of the bugs, by `DAB_TEST_SEED` or by the time: a run begins at one of them and takes each fifth.
fn drawn(mut bugs: Vec<Bug>, salt: u64) -> Vec<Bug> {
    bugs.retain(|bug| !RARE.contains(&bug.name));
    let seed = std::env::var("DAB_TEST_SEED").ok();
    let seed: u64 = seed.map_or_else(
        || SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs() / 60,
        |seed| seed.parse().expect("a number"),
    );
    println!("DAB_TEST_SEED={seed}");
    let at = |number: u64| (seed + salt + 5 * number) as usize % bugs.len();
    (0..DRAWN as u64).map(|number| bugs[at(number)]).collect()
}

fn all_found(bugs: &[Bug], found: &[Found]) {
    let missed: Vec<_> = bugs
        .iter()
        .zip(found)
        .filter(|(_, found)| found.seeds.is_empty())
        .collect();
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} seeds: {missed:?}");
}

/// Many bugs make replicas panic, which is caught and judged, and would fill the screen.
fn quietly<T>(search: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = search();
    std::panic::set_hook(hook);
    found
}
