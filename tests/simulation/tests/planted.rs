//! Each planted bug is found, and for each rule there is one that the rule finds by itself.

use std::collections::BTreeSet;

use dab_simulation::planted::{BUGS, Bug, search_all};
use dab_simulation::{Rule, Watch};

/// Seeds within which each bug is found: several times the largest median of the README.
const SEEDS_MAX: u64 = 200;

#[test]
fn each_planted_bug_is_found_and_each_rule_finds_one_by_itself() {
    let found = quietly(|| search_all(&BUGS, |_| Watch::All, 1, SEEDS_MAX));
    let missed: Vec<_> = BUGS
        .iter()
        .zip(found)
        .filter(|(_, found)| found.seeds.is_empty())
        .collect();
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} seeds: {missed:?}");
    let bugs: Vec<Bug> = BUGS.into_iter().filter(|bug| bug.alone).collect();
    let rules: BTreeSet<Rule> = bugs.iter().map(|bug| bug.rule).collect();
    assert!(
        Rule::ALL.iter().all(|rule| rules.contains(rule)),
        "a rule has no bug: {rules:?}"
    );
    let found = quietly(|| search_all(&bugs, |bug| Watch::Only(bug.rule), 1, SEEDS_MAX));
    let missed: Vec<_> = bugs
        .iter()
        .zip(found)
        .filter(|(_, found)| found.seeds.is_empty())
        .collect();
    assert!(
        missed.is_empty(),
        "not found by their rules in {SEEDS_MAX} seeds: {missed:?}"
    );
}

/// Many bugs make replicas panic, which is caught and judged, and would fill the screen.
fn quietly<T>(search: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = search();
    std::panic::set_hook(hook);
    found
}
