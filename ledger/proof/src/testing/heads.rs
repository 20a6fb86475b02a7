//! Heads leaves and head proofs of the tiny ledger.

use super::{ORIGIN, TinyLedger};
use crate::head_map::{MapEntry, MapKey, MemoryMap};
use crate::head_proof::{Found, HeadProof};
use crate::heads_leaf::{HEADS_OPERATION, HeadsBody};
use crate::leaf::{SignedLeaf, Subject};
use crate::tree::{LeafIndex, TreeSize};

impl TinyLedger {
    /// Appends the heads leaf that binds the head map of the first `size` leaves.
    pub fn append_heads(&mut self, size: TreeSize) -> LeafIndex {
        let body = self.heads_body(size);
        self.append(&Subject::heads(), body.text().as_bytes(), None, HEADS_OPERATION)
    }

    /// What the heads leaf of the first `size` leaves says.
    pub fn heads_body(&self, size: TreeSize) -> HeadsBody {
        let map = self.head_map(size).map;
        HeadsBody {
            origin: ORIGIN.to_owned(),
            size,
            subjects: map.subjects,
            root: map.root,
        }
    }

    /// The head map of the first `size` leaves.
    pub fn head_map(&self, size: TreeSize) -> MemoryMap {
        let mut map = MemoryMap::default();
        for (index, entry) in (0..).zip(&self.entries[..size.0 as usize]) {
            let signed = SignedLeaf::from_bytes(entry).expect("a leaf at this index");
            let leaf = signed.leaf();
            if !leaf.subject.is_heads() {
                let entry = MapEntry {
                    key: MapKey::of(&leaf.subject),
                    sequence: leaf.sequence,
                    leaf_index: LeafIndex(index),
                    leaf_hash: signed.hash(),
                };
                map.set(entry).expect("a map of its own nodes");
            }
        }
        map
    }

    /// The head proof of `subject` among the first `size` leaves, bound by the heads leaf at `heads_leaf`.
    pub fn head_proof(&self, subject: &Subject, size: TreeSize, heads_leaf: LeafIndex) -> HeadProof {
        let (map, key) = (self.head_map(size), MapKey::of(subject));
        let path = map.map.find(&map, &key).expect("a map of its own nodes");
        let found = match (path.entry_of(&key), path.found) {
            (Some(entry), _) => Found::Head {
                index: entry.leaf_index,
                leaf: Box::new(self.receipt(entry.leaf_index).leaf),
            },
            (None, Some(entry)) => Found::Other(entry),
            (None, None) => Found::Nothing,
        };
        HeadProof {
            subject: subject.clone(),
            size,
            subjects: map.map.subjects,
            found,
            steps: path.steps,
            receipt: self.receipt(heads_leaf),
        }
    }
}
