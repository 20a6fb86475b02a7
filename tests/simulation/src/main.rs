//! The long run: `dab-simulation --seeds N [--from S]`.

use std::process::ExitCode;

use dab_simulation::{Report, simulate};

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut from) = (1000, 1);
    while let Some(argument) = arguments.next() {
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
