//! The head map: the last leaf of every subject under one hash, with short proofs of which it is, and of there being none.
//!
//! It is a binary tree over the SHA-256 of the subjects, without the long chains that such a tree would have: a fork stands
//! only where keys part. So `n` subjects have `n` entries and `n - 1` forks, a path has about `log2(n)` forks, and a set of
//! heads has one tree, in whatever order they came.
//!
//! ```text
//! key    SHA-256(subject)                                 bit 0 is the highest bit of its first byte
//! entry  SHA-256(0x02 || key || sequence || leaf index || leaf hash)     numbers: u64, big-endian
//! fork   SHA-256(0x03 || bit, one byte || left || right)
//! empty  SHA-256(0x04)                                    the root without subjects
//!
//!          fork 0                keys 0..., 1...
//!         /      \
//!    fork 2       entry 110...   below a fork at bit b all keys agree in the bits before b; those with a 0 at b
//!    /    \                      are on its left. Bits grow downwards.
//! 000...  001...
//! ```
//!
//! The first byte keeps entries, forks and the empty map apart from each other and from leaves and nodes of the ledger's
//! tree. The key stands for the subject, so a path that leads to another subject's entry does not tell its name.

mod map;
mod path;

pub use map::{Change, HeadMap, HeadNodes, MemoryMap};
pub use path::{MAP_PATH_STEPS_MAX, MapPath, Step};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::hash::{HASH_BYTES, Hash};
use crate::leaf::Subject;
use crate::tree::LeafIndex;

/// Bytes of the longest node.
pub const MAP_NODE_BYTES_MAX: usize = ENTRY_BYTES;

const WHAT: &str = "head map";
const ENTRY: u8 = 2;
const FORK: u8 = 3;
const EMPTY: u8 = 4;
const ENTRY_BYTES: usize = 1 + HASH_BYTES + 8 + 8 + HASH_BYTES;
const FORK_BYTES: usize = 1 + 1 + HASH_BYTES + HASH_BYTES;

/// What a subject is known by in the map: its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapKey(pub Hash);

/// What the map says of one subject: which leaf is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapEntry {
    /// The subject's key.
    pub key: MapKey,
    /// Sequence of its last leaf.
    pub sequence: u64,
    /// Where that leaf stands in the ledger.
    pub leaf_index: LeafIndex,
    /// Its leaf hash.
    pub leaf_hash: Hash,
}

/// A node of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapNode {
    /// A subject's entry.
    Entry(MapEntry),
    /// A place where keys part.
    Fork {
        /// The first bit in which they differ.
        bit: u8,
        /// The node of the keys that have a 0 there.
        left: Hash,
        /// The node of the keys that have a 1 there.
        right: Hash,
    },
}

impl MapKey {
    /// The key of a subject.
    pub fn of(subject: &Subject) -> MapKey {
        MapKey(sha256(subject.as_str().as_bytes()))
    }

    /// Bit `bit`, counted from the highest of the first byte.
    pub fn bit(&self, bit: u8) -> bool {
        self.0.as_bytes()[usize::from(bit / 8)] & (0x80 >> (bit % 8)) != 0
    }

    /// The first bit in which two keys differ; none when they are the same.
    pub fn parts_from(&self, other: &MapKey) -> Option<u8> {
        let pairs = self.0.as_bytes().iter().zip(other.0.as_bytes());
        let (byte, difference) = (0u8..).zip(pairs.map(|(a, b)| a ^ b)).find(|(_, bits)| *bits != 0)?;
        Some(byte * 8 + difference.leading_zeros() as u8)
    }
}

impl MapEntry {
    /// Hash of the entry as a node.
    pub fn hash(&self) -> Hash {
        MapNode::Entry(*self).hash()
    }
}

impl MapNode {
    /// Its hash, which is the SHA-256 of its bytes.
    pub fn hash(&self) -> Hash {
        node_hash(&self.to_bytes())
    }

    /// The bytes that are hashed.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            MapNode::Entry(entry) => [
                &[ENTRY][..],
                entry.key.0.as_bytes(),
                &entry.sequence.to_be_bytes(),
                &entry.leaf_index.0.to_be_bytes(),
                entry.leaf_hash.as_bytes(),
            ]
            .concat(),
            MapNode::Fork { bit, left, right } => [&[FORK, *bit][..], left.as_bytes(), right.as_bytes()].concat(),
        }
    }

    /// Reads the bytes of a node.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_bytes(bytes: &[u8]) -> Result<MapNode, Error> {
        let hash = |at: usize| Hash::from_bytes(bytes[at..at + HASH_BYTES].try_into().expect("32 bytes"));
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        match (bytes.first(), bytes.len()) {
            (Some(&ENTRY), ENTRY_BYTES) => Ok(MapNode::Entry(MapEntry {
                key: MapKey(hash(1)),
                sequence: number(1 + HASH_BYTES),
                leaf_index: LeafIndex(number(9 + HASH_BYTES)),
                leaf_hash: hash(17 + HASH_BYTES),
            })),
            (Some(&FORK), FORK_BYTES) => Ok(MapNode::Fork {
                bit: bytes[1],
                left: hash(2),
                right: hash(2 + HASH_BYTES),
            }),
            _ => Err(Error::malformed(
                WHAT,
                format!("{} bytes are no node of it", bytes.len()),
            )),
        }
    }
}

/// Hash of a node of these bytes.
pub fn node_hash(bytes: &[u8]) -> Hash {
    sha256(bytes)
}

/// Root of the map without subjects.
pub fn empty_map_root() -> Hash {
    sha256(&[EMPTY])
}

fn sha256(bytes: &[u8]) -> Hash {
    Hash::from_bytes(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests;
