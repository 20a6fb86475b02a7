//! What the system says of this process and of the disk.

use std::fs;
use std::path::Path;

/// Of Linux's /proc on every architecture that it runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;
/// The beginning of the raft threads' name; the system keeps 15 bytes of it.
const RAFT_THREAD: &str = "dab-ledger-raft";

/// Processor time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) total_s: f64,
    pub(crate) raft_threads_s: f64,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let mut now = Self::default();
        for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
                continue;
            };
            // the name stands in parentheses, and may have any character
            let Some((head, rest)) = stat.rsplit_once(") ") else {
                continue;
            };
            let fields: Vec<f64> = rest.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
            let seconds = (fields[11] + fields[12]) / TICKS_PER_SECOND;
            now.total_s += seconds;
            if head.ends_with(RAFT_THREAD) {
                now.raft_threads_s += seconds;
            }
        }
        now
    }

    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            total_s: self.total_s - before.total_s,
            raft_threads_s: self.raft_threads_s - before.raft_threads_s,
        }
    }
}

/// Resident memory.
pub(crate) fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * PAGE_BYTES
}

/// Bytes of all files below a directory.
pub(crate) fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
