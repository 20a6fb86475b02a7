//! Consistency proofs (RFC 6962 section 2.1.2): that a newer tree is an older one with leaves appended, nothing
//! changed and nothing removed.

use crate::error::Error;
use crate::hash::{Hash, empty_root, node_hash};
use crate::tree::{TREE_SIZE_MAX, TreeSize, range_hash, split};

const WHAT: &str = "consistency proof";

/// Checks that the tree `(new_size, new_root)` extends the tree `(old_size, old_root)`.
///
/// Trees of the same size are consistent when their roots are equal, and every tree extends the empty one; both need
/// an empty proof.
///
/// # Errors
/// `ProofRejected` when it does not, or when the proof does not have the length that the sizes demand.
pub fn verify(
    old_size: TreeSize,
    old_root: &Hash,
    new_size: TreeSize,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), Error> {
    let rejected = |reason: String| Err(Error::ProofRejected { what: WHAT, reason });
    if old_size > new_size || new_size.0 > TREE_SIZE_MAX {
        return rejected(format!("a tree of {old_size} leaves cannot grow to {new_size}"));
    }
    if old_size == new_size || old_size.0 == 0 {
        if !proof.is_empty() {
            return rejected(format!(
                "from {old_size} to {new_size} no hash is needed, {} were given",
                proof.len()
            ));
        }
        let expected = if old_size == new_size { *new_root } else { empty_root() };
        if *old_root != expected {
            return rejected(format!("size {old_size} has root {old_root}, not {expected}"));
        }
        return Ok(());
    }
    let (old, new) = roots_of(old_size.0, new_size.0, old_root, proof)?;
    if old != *old_root {
        return rejected(format!("size {old_size} leads to root {old}, not to {old_root}"));
    }
    if new != *new_root {
        return rejected(format!("size {new_size} leads to root {new}, not to {new_root}"));
    }
    Ok(())
}

/// Makes the proof from `old_size` to `new_size`. `node` gives the hash of the perfect subtree `(level, index)`; it is
/// asked only for subtrees that lie wholly within `new_size`.
///
/// # Errors
/// Those of `node`.
///
/// # Panics
/// When `old_size` is above `new_size`, or `new_size` above `TREE_SIZE_MAX`.
pub fn prove<E>(
    old_size: TreeSize,
    new_size: TreeSize,
    node: &mut dyn FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(
        old_size <= new_size && new_size.0 <= TREE_SIZE_MAX,
        "{old_size} leaves cannot grow to {new_size}"
    );
    let mut proof = Vec::new();
    if old_size.0 == 0 || old_size == new_size {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new_size.0);
    // walk to the subtree that ends where the old tree ended, noting the siblings on the way
    while end != old_size.0 {
        let middle = start + split(end - start);
        if old_size.0 <= middle {
            proof.push(range_hash(middle, end, node)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, node)?);
            start = middle;
        }
    }
    // a subtree that starts at zero is the whole old tree: the verifier has its root already
    if start != 0 {
        proof.push(range_hash(start, end, node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that the tree `(new_size, new_root)` had at `old_size`, as the proof itself shows it. Two trees for one older
/// size are a contradiction that anybody can check.
///
/// `None` when the proof does not lead to `new_root`, or cannot show an older root: one of a power of two is where such a
/// proof starts, so it does not say it.
pub fn older_root(old_size: TreeSize, new_size: TreeSize, new_root: &Hash, proof: &[Hash]) -> Option<Hash> {
    if old_size.0 == 0 || old_size >= new_size || new_size.0 > TREE_SIZE_MAX || old_size.0.is_power_of_two() {
        return None;
    }
    // for other sizes the first hash of the proof is the starting point, and this one is not looked at
    let (old, new) = roots_of(old_size.0, new_size.0, &empty_root(), proof).ok()?;
    (new == *new_root).then_some(old)
}

/// The old and the new root that the proof leads to (RFC 9162 section 2.1.4.2); `0 < old < new`.
fn roots_of(old: u64, new: u64, old_root: &Hash, proof: &[Hash]) -> Result<(Hash, Hash), Error> {
    let rejected = |reason: &str| Error::ProofRejected {
        what: WHAT,
        reason: format!("{} hashes are too {reason} for {old} to {new}", proof.len()),
    };
    let mut hashes = proof.iter();
    let (mut node, mut last) = (old - 1, new - 1);
    let levels = node.trailing_ones();
    node >>= levels;
    last >>= levels;
    // an old tree that is one perfect subtree is its own starting point
    let seed = if old.is_power_of_two() {
        *old_root
    } else {
        *hashes.next().ok_or_else(|| rejected("few"))?
    };
    let (mut first, mut second) = (seed, seed);
    for sibling in hashes {
        if last == 0 {
            return Err(rejected("many"));
        }
        if node & 1 == 1 || node == last {
            first = node_hash(sibling, &first);
            second = node_hash(sibling, &second);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(rejected("few"));
    }
    Ok((first, second))
}
