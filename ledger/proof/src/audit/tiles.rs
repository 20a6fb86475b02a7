//! Holds the tiles of hashes against what the entries give, as the entries pass by. One row of at most 256 hashes per
//! level is kept.

use super::walk::note_unread;
use crate::hash::Hash;
use crate::report::{Finding, Report, count};
use crate::source::Source;
use crate::tile::{HASHES_PER_TILE, TilePath, read_tile};
use crate::tree::{Frontier, TreeSize};

/// The rightmost tile of each level, as far as it is filled.
pub(super) struct Tiles<'s> {
    source: &'s dyn Source,
    size: TreeSize,
    levels: Vec<Row>,
    /// Tiles that the leaves give, and how many of them are stored as they should be.
    derived: u64,
    good: u64,
}

#[derive(Default)]
struct Row {
    /// Tiles that are full and compared.
    full: u64,
    hashes: Vec<Hash>,
}

impl<'s> Tiles<'s> {
    /// For the tiles of a tree of `size` leaves.
    pub(super) fn new(source: &'s dyn Source, size: TreeSize) -> Tiles<'s> {
        Tiles {
            source,
            size,
            levels: Vec::new(),
            derived: 0,
            good: 0,
        }
    }

    /// Takes the next leaf hash and compares each tile that it fills.
    pub(super) fn push(&mut self, report: &mut Report, leaf: Hash) {
        let mut carried = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Row::default());
            }
            self.levels[level].hashes.push(carried);
            if self.levels[level].hashes.len() < HASHES_PER_TILE as usize {
                return;
            }
            carried = self.compare(report, level);
        }
    }

    /// Compares the tiles that are not full, and reports how many are good.
    pub(super) fn finish(mut self, report: &mut Report) {
        for level in 0..self.levels.len() {
            if !self.levels[level].hashes.is_empty() {
                self.compare(report, level);
            }
        }
        let Tiles { derived, good, .. } = self;
        let tiles = count(derived, ["tile", "tiles"]);
        if good == derived {
            report.check(format!("{tiles} of hashes, against the leaves"));
        } else if good > 0 {
            report.check(format!("{good} of {tiles} of hashes, against the leaves"));
        }
    }

    /// Compares the row of one level with its tile, begins the next row, and returns the row's root.
    fn compare(&mut self, report: &mut Report, level: usize) -> Hash {
        let row = &mut self.levels[level];
        let derived = std::mem::take(&mut row.hashes);
        let first = row.full * HASHES_PER_TILE as u64;
        row.full += 1;
        self.derived += 1;
        let path = TilePath::holding(level as u8, first, self.size).expect("the entries do not exceed the size");
        match read_tile(self.source, path) {
            Ok(stored) => match wrong_hash(path, &stored, &derived) {
                None => self.good += 1,
                Some(finding) => report.fail(finding.file(path.to_string())),
            },
            Err(error) => note_unread(report, path.to_string(), &error),
        }
        let mut tree = Frontier::new();
        derived.into_iter().for_each(|hash| tree.push(hash));
        tree.root()
    }
}

/// The first hash in which a tile differs from what the entries give.
fn wrong_hash(path: TilePath, stored: &[Hash], derived: &[Hash]) -> Option<Finding> {
    let place = (0..derived.len()).find(|place| stored.get(*place) != Some(&derived[*place]))?;
    let node = path.index() * HASHES_PER_TILE as u64 + place as u64;
    Some(match path.level() {
        0 => Finding::new("the tile does not have the hash of this leaf").leaf(node),
        _ => Finding::new(format!("the tile has a wrong hash for node {node} of its level")),
    })
}
