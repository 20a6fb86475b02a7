//! Bits that flip in the files of a replica that does not run.

use std::path::{Path, PathBuf};

use super::sim_disk::SimDisk;
use crate::raft::provable_bytes;

/// Bytes without a bit set that are passed over, before one of them is taken: most of a database file is empty pages, and rot
/// shows nothing there.
const EMPTY_DRAWS_MAX: usize = 12;

/// The kinds of files that a replica keeps for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Segments of the raft log.
    RaftLog,
    /// The state database.
    State,
    /// Tiles and entry bundles.
    Tiles,
    /// The certified checkpoint.
    Checkpoint,
}

impl FileKind {
    /// All of them.
    pub const ALL: [FileKind; 4] = [Self::RaftLog, Self::State, Self::Tiles, Self::Checkpoint];

    fn of(path: &Path) -> Option<Self> {
        match () {
            () if path.starts_with("private/raft") => Some(Self::RaftLog),
            () if path.starts_with("private/state.redb") => Some(Self::State),
            () if path.starts_with("public/tile") => Some(Self::Tiles),
            () if path.starts_with("public/checkpoint") => Some(Self::Checkpoint),
            () => None,
        }
    }
}

/// A bit of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bit {
    /// The file.
    pub path: PathBuf,
    /// Its byte.
    pub at: usize,
    /// The bit of it.
    pub bit: u8,
}

impl SimDisk {
    /// A bit of a durable file of a kind, drawn by `choose(n)`, a number below `n`; `None` where there is no such file.
    ///
    /// Of the last segment of the raft log only what a later record of it says was durable: behind that nobody can tell
    /// rot from a torn tail.
    pub fn draw_bit(&self, kind: FileKind, choose: &mut dyn FnMut(usize) -> usize) -> Option<Bit> {
        let files = self.durable_files();
        let last_segment = files
            .iter()
            .rfind(|(path, _)| FileKind::of(path) == Some(FileKind::RaftLog));
        let last_segment = last_segment.map(|(path, _)| path);
        let within = |(path, bytes): &(PathBuf, Vec<u8>)| match Some(path) == last_segment {
            true => provable_bytes(bytes),
            false => bytes.len(),
        };
        let files: Vec<_> = files
            .iter()
            .filter(|file| FileKind::of(&file.0) == Some(kind) && within(file) > 0)
            .collect();
        let file = match files.len() {
            0 => return None,
            count => files[choose(count)],
        };
        let mut at = choose(within(file));
        for _ in 0..EMPTY_DRAWS_MAX {
            if file.1[at] != 0 {
                break;
            }
            at = choose(within(file));
        }
        Some(Bit {
            path: file.0.clone(),
            at,
            bit: choose(8) as u8,
        })
    }

    /// Flips a bit; a second time, and the file is as it was.
    pub fn flip(&self, bit: &Bit) {
        self.change_byte(&bit.path, bit.at, |byte| byte ^ (1 << bit.bit));
    }
}
