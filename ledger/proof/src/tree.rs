//! The Merkle tree of RFC 6962 section 2.1: counting leaves, and growing a root one leaf at a time.
//!
//! A tree of `size` leaves is a row of perfect subtrees, one for each set bit of `size`, the largest on the left:
//!
//! ```text
//! size 6 = 0b110        root
//!                      /    \
//!                     a      b        frontier = [a, b]
//!                   /   \   / \       a covers leaves 0..4, b covers 4..6
//!                  o     o 4   5
//!                 / \   / \
//!                0   1 2   3
//! ```
//!
//! A node is named by `(level, index)`: it covers the leaves `index << level .. (index + 1) << level`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::hash::{Hash, empty_root, node_hash};
use crate::text;

/// Largest tree that proofs here speak of: then no proof has more than 63 hashes.
pub const TREE_SIZE_MAX: u64 = 1 << 63;

/// Hashes in the longest proof.
pub const PROOF_HASHES_MAX: usize = 63;

/// Number of leaves in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreeSize(pub u64);

/// Position of a leaf, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeafIndex(pub u64);

/// The right edge of a tree: all that is needed to append leaves and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One root per perfect subtree, largest (leftmost) first: as many as `size` has set bits.
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// The tree of `size` leaves whose perfect subtrees have the roots `hashes`, largest first.
    ///
    /// # Errors
    /// `Malformed` when the number of hashes is not the number of set bits of `size`.
    pub fn from_hashes(size: TreeSize, hashes: Vec<Hash>) -> Result<Frontier, Error> {
        let needed = size.0.count_ones() as usize;
        if size.0 > TREE_SIZE_MAX || hashes.len() != needed {
            let reason = format!("size {size} has {needed} subtrees, {} hashes were given", hashes.len());
            return Err(Error::malformed("frontier", reason));
        }
        Ok(Frontier { size: size.0, hashes })
    }

    /// Appends a leaf by its leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut right = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.hashes.pop().expect("one hash per set bit of the size");
            right = node_hash(&left, &right);
        }
        self.hashes.push(right);
        self.size += 1;
    }

    /// Root of the tree as it stands.
    pub fn root(&self) -> Hash {
        join(&self.hashes).unwrap_or_else(empty_root)
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }
}

/// Root above a row of subtrees, largest first; `None` for an empty row.
pub(crate) fn join(subtrees: &[Hash]) -> Option<Hash> {
    subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
}

/// Root of the leaves `start..end`, a range that occurs in the tree: `start` is a multiple of the largest power of
/// two that fits into the range. `node` gives the hash of a perfect subtree by level and index.
pub(crate) fn range_hash<E>(start: u64, end: u64, node: &mut dyn FnMut(u8, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut subtrees = Vec::new();
    let mut position = start;
    while position < end {
        let level = (end - position).ilog2() as u8;
        subtrees.push(node(level, position >> level)?);
        position += 1 << level;
    }
    Ok(join(&subtrees).unwrap_or_else(empty_root))
}

/// Where the tree over `leaves` (at least two) leaves splits: the largest power of two below `leaves`.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

impl FromStr for TreeSize {
    type Err = Error;

    /// Reads a decimal number without sign or leading zeros.
    fn from_str(size: &str) -> Result<TreeSize, Error> {
        text::decimal(size)
            .filter(|size| *size <= TREE_SIZE_MAX)
            .map(TreeSize)
            .ok_or_else(|| Error::malformed("tree size", format!("{size:?} is no decimal number up to 2^63")))
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn roots_match_the_rfc_6962_reference_tree() {
        // the eight entries and roots that the reference implementations of RFC 6962 share
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), empty_root());
        for (entry, root) in entries.iter().zip(roots) {
            frontier.push(leaf_hash(entry));
            assert_eq!(frontier.root().to_hex(), root, "size {}", frontier.size());
        }
    }

    #[test]
    fn frontier_is_rebuilt_from_its_hashes() {
        let mut frontier = Frontier::new();
        for leaf in 0..100_u64 {
            let rebuilt = Frontier::from_hashes(frontier.size(), frontier.hashes().to_vec()).unwrap();
            assert_eq!(rebuilt, frontier);
            frontier.push(leaf_hash(&leaf.to_be_bytes()));
        }
        assert!(Frontier::from_hashes(TreeSize(3), vec![empty_root()]).is_err());
        assert!(Frontier::from_hashes(TreeSize(TREE_SIZE_MAX), vec![empty_root()]).is_ok());
        assert!(Frontier::from_hashes(TreeSize(TREE_SIZE_MAX + 1), vec![empty_root(); 2]).is_err());
    }
}
