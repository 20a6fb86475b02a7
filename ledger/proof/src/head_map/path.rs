//! A path of the map: from one entry up to the root. It shows a subject's entry, or that it has none.

use super::{MapEntry, MapKey, MapNode, empty_map_root};
use crate::error::Error;
use crate::hash::Hash;

/// Steps of the longest path: one for each bit of a key.
pub const MAP_PATH_STEPS_MAX: usize = 256;

const WHAT: &str = "path of the head map";

/// One fork of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The bit at which it parts.
    pub bit: u8,
    /// The node on the side that the path does not come from.
    pub sibling: Hash,
}

/// The entry to which a key leads, and the forks above it, from the entry up. No entry and no steps: the map is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapPath {
    /// The key's own entry, or the one that stands where it would.
    pub found: Option<MapEntry>,
    /// Forks from the entry up to the root.
    pub steps: Vec<Step>,
}

impl MapPath {
    /// The entry of `key`, if it is the one found.
    pub fn entry_of(&self, key: &MapKey) -> Option<&MapEntry> {
        self.found.as_ref().filter(|entry| entry.key == *key)
    }

    /// The root of the map in which `key` leads to what was found. In that map there is no entry of `key` but this: each fork
    /// says which bit it parts at, so nobody who looks for `key` can come elsewhere.
    ///
    /// # Errors
    /// `ProofRejected` when no map can have this path.
    pub fn root(&self, key: &MapKey) -> Result<Hash, Error> {
        let rejected = |reason: String| Error::ProofRejected { what: WHAT, reason };
        let Some(found) = &self.found else {
            return match self.steps.is_empty() {
                true => Ok(empty_map_root()),
                false => Err(rejected("it has steps, but no entry".to_owned())),
            };
        };
        if !self.steps.is_sorted_by(|below, above| below.bit > above.bit) {
            return Err(rejected("its bits do not fall from the entry to the root".to_owned()));
        }
        let mut hash = found.hash();
        for Step { bit, sibling } in &self.steps {
            if found.key.bit(*bit) != key.bit(*bit) {
                return Err(rejected(format!(
                    "the entry lies on the other side of the fork at bit {bit}"
                )));
            }
            let (left, right) = if key.bit(*bit) {
                (*sibling, hash)
            } else {
                (hash, *sibling)
            };
            hash = MapNode::Fork { bit: *bit, left, right }.hash();
        }
        Ok(hash)
    }
}
