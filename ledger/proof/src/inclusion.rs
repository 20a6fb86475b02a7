//! Inclusion proofs (RFC 6962 section 2.1.1): that a leaf stands at an index of the tree with a given root.
//!
//! A proof lists the sibling hashes from the leaf's own sibling up to the root's child. Its length is fixed by index
//! and size, so a proof with a hash too many or too few is refused.

use crate::error::Error;
use crate::hash::{Hash, node_hash};
use crate::tree::{LeafIndex, TREE_SIZE_MAX, TreeSize, range_hash, split};

const WHAT: &str = "inclusion proof";

/// Checks that the leaf with hash `leaf` is leaf `index` of the tree with `size` leaves and root `root`.
///
/// # Errors
/// `ProofRejected` when it is not, or when the proof does not have the length that index and size demand.
pub fn verify(leaf: &Hash, index: LeafIndex, size: TreeSize, proof: &[Hash], root: &Hash) -> Result<(), Error> {
    let rejected = |reason: String| Err(Error::ProofRejected { what: WHAT, reason });
    if size.0 > TREE_SIZE_MAX || index.0 >= size.0 {
        return rejected(format!("leaf {index} is not in a tree of {size} leaves"));
    }
    // RFC 9162 section 2.1.3.2: `node` and `last` are the indexes of the node and of the rightmost node on its level
    let (mut node, mut last) = (index.0, size.0 - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return rejected(format!(
                "{} hashes are too many for leaf {index} of {size}",
                proof.len()
            ));
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return rejected(format!("{} hashes are too few for leaf {index} of {size}", proof.len()));
    }
    if hash != *root {
        return rejected(format!("leaf {index} leads to root {hash}, not to {root}"));
    }
    Ok(())
}

/// Makes the proof for leaf `index` of a tree with `size` leaves. `node` gives the hash of the perfect subtree
/// `(level, index)`; it is asked only for subtrees that lie wholly within `size`.
///
/// # Errors
/// Those of `node`.
///
/// # Panics
/// When `index` is not below `size`, or `size` is above `TREE_SIZE_MAX`.
pub fn prove<E>(
    index: LeafIndex,
    size: TreeSize,
    node: &mut dyn FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(
        index.0 < size.0 && size.0 <= TREE_SIZE_MAX,
        "leaf {index} is not in a tree of {size} leaves"
    );
    let (mut start, mut end) = (0, size.0);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index.0 < middle {
            proof.push(range_hash(middle, end, node)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, node)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}
