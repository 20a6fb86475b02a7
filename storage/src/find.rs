//! From a hash to what has it: a leaf's hash, either digest of what a leaf binds, the BLAKE3 of a data file.
//!
//! Nothing of this is stored. The first question reads every leaf (for data files: every commit file) once, and keeps 16
//! bytes for each hash; each later one reads those that came since, and then what it has found. A place is named by the
//! first eight bytes of its hash alone, so whatever is found is read again and compared whole.

mod file_places;
mod leaf_places;

use std::collections::BTreeSet;

pub use file_places::{CommittedFile, TableFiles};
pub use leaf_places::LeafHash;

pub(crate) use file_places::FilePlaces;
pub(crate) use leaf_places::LeafPlaces;

/// The most places that one hash leads to in an answer; nothing keeps the same bytes from being bound again and again.
pub const PLACES_MAX: usize = 10_000;

/// Hashes, by their beginnings, and numbers where they stand.
#[derive(Debug, Default)]
struct Places(BTreeSet<(u64, u64)>);

impl Places {
    fn insert(&mut self, hash: &[u8; 32], place: u64) {
        self.0.insert((beginning(hash), place));
    }

    /// Where a hash may stand, in order.
    fn of(&self, hash: &[u8; 32]) -> Vec<u64> {
        let beginning = beginning(hash);
        let places = self.0.range((beginning, 0)..=(beginning, u64::MAX));
        places.take(PLACES_MAX).map(|(_, place)| *place).collect()
    }
}

fn beginning(hash: &[u8; 32]) -> u64 {
    let (first, _) = hash.split_first_chunk().expect("it has 32 bytes");
    u64::from_be_bytes(*first)
}
