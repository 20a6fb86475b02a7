//! Each planted bug is found, and what cannot be seen is not.

use dab_simulation::planted::{BUGS, search};

/// Seeds within which each bug is found: several times the median of the README.
const SEEDS_MAX: u64 = 60;

#[test]
fn each_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let missed: Vec<_> = BUGS
        .iter()
        .filter(|bug| bug.hidden.is_none())
        .filter(|bug| search(bug.name, 1, SEEDS_MAX).seeds.is_empty())
        .collect();
    assert!(missed.is_empty(), "not found in {SEEDS_MAX} seeds: {missed:?}");
}
