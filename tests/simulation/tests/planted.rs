//! Each planted bug is found, and for each rule there is one that the rule finds by itself.

use std::collections::BTreeSet;
use std::time::SystemTime;

use dab_simulation::planted::{BUGS, Bug, Found, search_all};
use dab_simulation::{Rule, Watch};

/// Seeds within which each bug is found: several times the largest median of the README.
const SEEDS_MAX: u64 = 200;
/// Bugs that one run of the tests looks for; `dab-simulation --planted` looks for all.
const DRAWN: usize = 8;

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
    let drawn = drawn(&BUGS, 0);
    let found = quietly(|| search_all(&drawn, |_| Watch::All, 1, SEEDS_MAX));
    all_found(&drawn, &found);
}

#[test]
fn rules_find_planted_bugs_by_themselves() {
    let bugs: Vec<Bug> = BUGS.into_iter().filter(|bug| bug.alone).collect();
    let drawn = drawn(&bugs, 1);
    let found = quietly(|| search_all(&drawn, |bug| Watch::Only(bug.rule), 1, SEEDS_MAX));
    all_found(&drawn, &found);
}

/// Some of the bugs, by `DAB_TEST_SEED` or by the time: a run begins at one of them and takes each fifth.
fn drawn(bugs: &[Bug], salt: u64) -> Vec<Bug> {
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
