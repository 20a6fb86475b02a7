//! Many seeds, on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use crate::{Run, simulate};

/// Runs seeds on as many threads as there are cores; `each` is told of every run as it ends.
pub fn many(seeds: Range<u64>, mut each: impl FnMut(Run)) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let (told, runs) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (told, next) = (told.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || told.send(simulate(seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(told);
        runs.iter().for_each(&mut each);
    });
}
