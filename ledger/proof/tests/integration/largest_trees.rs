//! Trees of 2^63 leaves, the largest that proofs speak of, and those that would be larger. No test can grow one: their proofs
//! are made from the outside in.

use dab_proof::hash::{Hash, empty_root, leaf_hash, node_hash};
use dab_proof::tree::{LeafIndex, PROOF_HASHES_MAX, TREE_SIZE_MAX, TreeSize};
use dab_proof::{consistency, inclusion};

const LARGEST: TreeSize = TreeSize(TREE_SIZE_MAX);
const TOO_LARGE: TreeSize = TreeSize(TREE_SIZE_MAX + 1);

fn hash(number: u8) -> Hash {
    leaf_hash(&[number])
}

#[test]
fn leaf_of_the_largest_tree_is_proved_with_the_most_hashes_and_none_of_a_larger_one() {
    for (size, hashes, good) in [
        (LARGEST, PROOF_HASHES_MAX, true),
        (TOO_LARGE, PROOF_HASHES_MAX + 1, false),
    ] {
        let proof: Vec<Hash> = (1..=hashes as u8).map(hash).collect();
        let root = proof.iter().fold(hash(0), |left, right| node_hash(&left, right));
        let verified = inclusion::verify(&hash(0), LeafIndex(0), size, &proof, &root);
        assert_eq!(verified.is_ok(), good, "{size}");
    }
}

#[test]
fn growth_is_proved_up_to_the_largest_tree_and_not_beyond() {
    for (old, new, good) in [
        (TreeSize(TREE_SIZE_MAX / 2), LARGEST, true),
        (LARGEST, TOO_LARGE, false),
        (TOO_LARGE, TOO_LARGE, false),
    ] {
        let (old_root, proof) = (hash(0), [hash(1)]);
        let (new_root, proof) = match old == new {
            true => (old_root, &[][..]),
            false => (node_hash(&old_root, &hash(1)), &proof[..]),
        };
        let verified = consistency::verify(old, &old_root, new, &new_root, proof);
        assert_eq!(verified.is_ok(), good, "{old} to {new}");
    }
}

/// An old tree of 3 * 2^61 leaves ends with the subtree `hash(0)`, left of which is `hash(2)`.
#[test]
fn older_root_is_shown_of_the_largest_tree_and_not_of_a_larger_one() {
    let old = TreeSize(3 << 61);
    let old_root = node_hash(&hash(2), &hash(0));
    let new_root = node_hash(&hash(2), &node_hash(&hash(0), &hash(1)));
    let proof = [hash(0), hash(1), hash(2)];
    let shown = consistency::older_root(old, LARGEST, &new_root, &proof);
    assert_eq!(shown, Some(old_root));
    let proof = [hash(0), hash(1), hash(2), hash(3)];
    let shown = consistency::older_root(old, TOO_LARGE, &node_hash(&new_root, &hash(3)), &proof);
    assert_eq!(shown, None);
}

/// Proofs that lead to the new root, and say nothing of the old one: it is none, the new one, or where the proof starts.
#[test]
fn older_root_is_not_made_up_where_the_proof_does_not_show_it() {
    let of_three = node_hash(&hash(2), &hash(0));
    for (old, new, root, proof) in [
        (0, 3, of_three, [hash(0), hash(2)]),
        (3, 3, of_three, [hash(0), hash(2)]),
        (3, 2, of_three, [hash(0), hash(2)]),
        (
            1,
            3,
            node_hash(&node_hash(&empty_root(), &hash(0)), &hash(2)),
            [hash(0), hash(2)],
        ),
    ] {
        let shown = consistency::older_root(TreeSize(old), TreeSize(new), &root, &proof);
        assert_eq!(shown, None, "{old} to {new}");
    }
}
