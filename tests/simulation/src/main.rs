//! The long run: `dab-simulation --seeds N [--from S]`.

use std::process::ExitCode;

use dab_simulation::{Report, simulate};

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut from) = (1000, 1);
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
                eprintln!("usage: dab-simulation [--seeds N] [--from S]");
                return ExitCode::from(2);
            }
        }
    }
    let (mut all, mut broken) = (Report::default(), Vec::new());
    for seed in from..from + seeds {
        let run = simulate(seed);
        all.add(&run.report);
        if let Some(what) = run.violation {
            println!("seed {seed} {what}");
            broken.push(seed);
        }
        if (seed + 1 - from).is_multiple_of(PROGRESS_SEEDS) {
            println!("{} seeds, {} broken", seed + 1 - from, broken.len());
        }
    }
    for (name, count) in all.counts() {
        println!("{count:>12} {name}");
    }
    println!("broken seeds: {broken:?}");
    ExitCode::from(u8::from(!broken.is_empty()))
}

/// Searches for each planted bug, or for the one named, and prints the table of the README.
#[cfg(feature = "planted_bugs")]
fn search_planted(only: Option<&str>) -> ExitCode {
    use dab_simulation::planted::{BUGS, search};

    const SEARCHES: u64 = 3;
    const SEEDS_MAX: u64 = 30;
    // many bugs are seen by a panic, which is caught
    std::panic::set_hook(Box::new(|_| {}));
    for bug in BUGS.iter().filter(|bug| only.is_none_or(|only| bug.name == only)) {
        let found = search(bug.name, SEARCHES, SEEDS_MAX);
        let (count, median) = (found.seeds.len() as u64, found.seeds.get(SEARCHES as usize / 2));
        let median = median.map_or_else(|| format!("over {SEEDS_MAX}"), u64::to_string);
        println!("| {} | {count} of {SEARCHES} | {median} | {} |", bug.name, found.seen);
    }
    ExitCode::SUCCESS
}
