//! The long run: `dab-simulation --seeds N [--from S]`.

use std::process::ExitCode;

use dab_simulation::floors::{SEEDS, missed, wrong_with};
use dab_simulation::{Report, many};

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut from) = (1000, 1);
    // replicas that panic are caught and judged
    std::panic::set_hook(Box::new(|_| {}));
    while let Some(argument) = arguments.next() {
        #[cfg(feature = "planted_bugs")]
        if argument == "--planted" {
            return search_planted(arguments.next().as_deref());
        }
        let number = arguments.next().and_then(|number| number.parse().ok());
        match (argument.as_str(), number) {
            ("--seeds", Some(number)) => seeds = number,
            ("--from", Some(number)) => from = number,
            _ => {
                eprintln!("{}", usage());
                return ExitCode::from(2);
            }
        }
    }
    let (mut all, mut broken) = (Report::default(), Vec::new());
    many(from..from + seeds, |run| {
        all.add(&run.report);
        if let Some(wrong) = wrong_with(&run) {
            println!("{wrong}");
            broken.push(run.seed);
        }
        if all.runs.is_multiple_of(PROGRESS_SEEDS) {
            println!("{} seeds, {} broken", all.runs, broken.len());
        }
    });
    for (name, count) in all.counts() {
        println!("{count:>12} {name}");
    }
    println!("{}", all.coverage.table());
    let missed = missed(&all);
    missed.iter().for_each(|missed| println!("{missed}"));
    broken.sort_unstable();
    println!("broken seeds: {broken:?}; floors missed: {}", missed.len());
    ExitCode::from(u8::from(!broken.is_empty() || !missed.is_empty()))
}

fn usage() -> String {
    let planted = match cfg!(feature = "planted_bugs") {
        true => "\n       dab-simulation --planted [BUG]\n  counts the seeds that each planted bug takes",
        false => "",
    };
    format!(
        "usage: dab-simulation [--seeds N] [--from S]\n  runs 1000 seeds, from 1 on; exits with 1 where a rule is broken,\n  \
         or where {SEEDS} seeds or more stay below a floor{planted}"
    )
}

/// Searches for each planted bug, or for the one named, and prints the table of the README.
#[cfg(feature = "planted_bugs")]
fn search_planted(only: Option<&str>) -> ExitCode {
    use dab_simulation::Watch;
    use dab_simulation::planted::{BUGS, Bug, Found, search_all};

    const SEARCHES: u64 = 3;
    const SEEDS_MAX: u64 = 100;
    let bugs: Vec<Bug> = BUGS
        .into_iter()
        .filter(|bug| only.is_none_or(|only| bug.name == only))
        .collect();
    let median = |found: &Found| {
        let median = found.seeds.get(SEARCHES as usize / 2);
        median.map_or_else(|| format!("over {SEEDS_MAX}"), u64::to_string)
    };
    let all = search_all(&bugs, |_| Watch::All, SEARCHES, SEEDS_MAX);
    let of_rule: Vec<Bug> = bugs.iter().filter(|bug| bug.alone).copied().collect();
    let mut by_rule = search_all(&of_rule, |bug| Watch::Only(bug.rule), SEARCHES, SEEDS_MAX).into_iter();
    for (bug, found) in bugs.iter().zip(&all) {
        let alone = if bug.alone { by_rule.next() } else { None };
        let alone = alone.map_or_else(String::new, |found| median(&found));
        let (count, median, seen) = (found.seeds.len(), median(found), found.rules.first());
        let seen = seen.map_or_else(String::new, |rule| format!("{rule:?}: {}", found.seen));
        println!(
            "| {} | {:?} | {alone} | {count} of {SEARCHES} | {median} | {seen} |",
            bug.name, bug.rule
        );
    }
    ExitCode::SUCCESS
}
