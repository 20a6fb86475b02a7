//! Two independent implementations, `ct-merkle` and `signed_note`, agree with this one on random input.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use dab_proof::hash::{Hash, leaf_hash};
use dab_proof::note::{SignedNote, SigningKey};
use dab_proof::testing::TinyLedger;
use dab_proof::tile::hash_from_tiles;
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};
use dab_proof::{consistency, inclusion};
use proptest::prelude::*;
use sha2::Sha256;

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

fn oracle(size: u64) -> Oracle {
    let mut tree = Oracle::new();
    (0..size).for_each(|leaf| tree.push(leaf.to_be_bytes().to_vec()));
    tree
}

fn root(size: u64) -> Hash {
    let mut tree = Frontier::new();
    (0..size).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
    tree.root()
}

/// The perfect subtree `(level, node)` over leaves that are their own numbers.
fn node(level: u8, node: u64) -> Result<Hash, std::convert::Infallible> {
    let mut tree = Frontier::new();
    (node << level..(node + 1) << level).for_each(|leaf| tree.push(leaf_hash(&leaf.to_be_bytes())));
    Ok(tree.root())
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn all_small_trees_have_the_oracles_roots_and_proofs() {
    for size in 1..=40 {
        let tree = oracle(size);
        let new_root = root(size);
        assert_eq!(tree.root().as_bytes().as_slice(), new_root.as_bytes());
        for index in 0..size {
            let proof = inclusion::prove(LeafIndex(index), TreeSize(size), &mut node).unwrap();
            assert_eq!(
                bytes(&proof),
                tree.prove_inclusion(index as usize).as_bytes(),
                "{index} of {size}"
            );
            let leaf = leaf_hash(&index.to_be_bytes());
            inclusion::verify(&leaf, LeafIndex(index), TreeSize(size), &proof, &new_root).unwrap();
        }
        for old in 1..size {
            let proof = consistency::prove(TreeSize(old), TreeSize(size), &mut node).unwrap();
            assert_eq!(
                bytes(&proof),
                tree.prove_consistency((size - old) as usize).as_bytes(),
                "{old} to {size}"
            );
            consistency::verify(TreeSize(old), &root(old), TreeSize(size), &new_root, &proof).unwrap();
        }
        for old in [0, size] {
            let proof = consistency::prove(TreeSize(old), TreeSize(size), &mut node).unwrap();
            assert_eq!(proof, [], "{old} to {size}");
            consistency::verify(TreeSize(old), &root(old), TreeSize(size), &new_root, &proof).unwrap();
        }
    }
}

#[test]
fn inclusion_proof_serves_no_other_leaf_index_or_size() {
    for size in 1..=20 {
        for index in 0..size {
            let proof = inclusion::prove(LeafIndex(index), TreeSize(size), &mut node).unwrap();
            let (leaf, root) = (leaf_hash(&index.to_be_bytes()), root(size));
            let check = |leaf: &Hash, index, proof: &[Hash], root: &Hash| {
                inclusion::verify(leaf, LeafIndex(index), TreeSize(size), proof, root).is_ok()
            };
            assert!((0..size + 3).all(|other| other == index || !check(&leaf, other, &proof, &root)));
            assert!(!check(&leaf_hash(b"other"), index, &proof, &root));
            assert!(!check(&leaf, index, &[&proof[..], &[leaf]].concat(), &root));
            assert!(proof.is_empty() || !check(&leaf, index, &proof[1..], &root));
            for changed in 0..proof.len() {
                let mut spoiled = proof.clone();
                spoiled[changed] = leaf_hash(b"other");
                assert!(!check(&leaf, index, &spoiled, &root));
            }
        }
    }
}

#[test]
fn consistency_proof_serves_no_other_trees() {
    for new in 2..=20 {
        for old in 1..new {
            let proof = consistency::prove(TreeSize(old), TreeSize(new), &mut node).unwrap();
            let check = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                consistency::verify(TreeSize(old), old_root, TreeSize(new), new_root, proof).is_ok()
            };
            let other = leaf_hash(b"other");
            assert!(check(&root(old), &root(new), &proof));
            assert!(!check(&other, &root(new), &proof));
            assert!(!check(&root(old), &other, &proof));
            assert!(!check(&root(old), &root(new), &[&proof[..], &[other]].concat()));
            assert!(!check(&root(old), &root(new), &proof[1..]));
            for changed in 0..proof.len() {
                let mut spoiled = proof.clone();
                spoiled[changed] = other;
                assert!(!check(&root(old), &root(new), &spoiled));
            }
        }
    }
    let shrunk = consistency::verify(TreeSize(2), &root(2), TreeSize(1), &root(1), &[]);
    assert!(shrunk.is_err());
}

#[test]
fn tiles_give_the_oracles_proofs() {
    let mut ledger = TinyLedger::new();
    let mut tree = Oracle::new();
    for leaf in 0..600_u64 {
        ledger.push_entry(&leaf.to_be_bytes());
        tree.push(leaf.to_be_bytes().to_vec());
    }
    let (source, size) = (ledger.public(), ledger.size());
    for index in [0, 1, 255, 256, 257, 511, 512, 598, 599] {
        let node = &mut |level, node| hash_from_tiles(&source, size, level, node);
        let proof = inclusion::prove(LeafIndex(index), size, node).unwrap();
        assert_eq!(
            bytes(&proof),
            tree.prove_inclusion(index as usize).as_bytes(),
            "leaf {index}"
        );
    }
    for old in [1, 255, 256, 257, 300, 512, 599] {
        let proof = ledger.consistency(TreeSize(old), size);
        assert_eq!(
            bytes(&proof),
            tree.prove_consistency(600 - old as usize).as_bytes(),
            "from {old}"
        );
    }
}

proptest! {
    #[test]
    fn random_sizes_have_the_oracles_proofs(new in 2_u64..1500, pick in any::<u64>()) {
        let tree = oracle(new);
        let index = pick % new;
        let proof = inclusion::prove(LeafIndex(index), TreeSize(new), &mut node).unwrap();
        let theirs = tree.prove_inclusion(index as usize);
        prop_assert_eq!(bytes(&proof), theirs.as_bytes());
        let old = 1 + pick % (new - 1);
        let proof = consistency::prove(TreeSize(old), TreeSize(new), &mut node).unwrap();
        let theirs = tree.prove_consistency((new - old) as usize);
        prop_assert_eq!(bytes(&proof), theirs.as_bytes());
    }

    #[test]
    fn random_proofs_are_judged_as_the_oracle_judges(
        size in 1_u64..100, index in 0_u64..100, hashes in 0_usize..9, honest in any::<bool>()
    ) {
        let tree = oracle(size);
        let mut proof = vec![leaf_hash(b"x"); hashes];
        if honest && index < size {
            proof = inclusion::prove(LeafIndex(index), TreeSize(size), &mut node).unwrap();
        }
        let ours = inclusion::verify(
            &leaf_hash(&index.to_be_bytes()), LeafIndex(index), TreeSize(size), &proof, &root(size),
        );
        let theirs = tree.root().verify_inclusion(
            &index.to_be_bytes(), index, &ct_merkle::InclusionProof::from_bytes(bytes(&proof)),
        );
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
    }

    #[test]
    fn notes_are_read_as_the_oracle_reads_them(text in "[ -~é\n]{0,60}", seed in any::<[u8; 32]>()) {
        let text = text + "\n";
        let key = SigningKey::generate("dab/test", &seed).unwrap();
        let ours = SignedNote::sign(&text, &key).unwrap();
        let theirs = signed_note::Note::from_bytes(&ours.to_bytes()).unwrap();
        prop_assert_eq!(theirs.text(), text.as_bytes());
        prop_assert_eq!(theirs.to_bytes(), ours.to_bytes());
        let verifier = signed_note::StandardVerifier::new(&key.verifier().to_string()).unwrap();
        theirs.verify(&signed_note::VerifierList::new(vec![Box::new(verifier)])).unwrap();
        let signer = signed_note::StandardSigner::new(&key.to_text()).unwrap();
        let mut signed = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        signed.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(SignedNote::parse(&signed.to_bytes()).unwrap(), ours);
    }

    #[test]
    fn what_this_crate_reads_as_a_note_the_oracle_reads_too(
        parts in prop::collection::vec("(— |a|b b|é|\n|\n\n|[+]|AAAAAAA=|— a AAAAAAA=\n|\t|\u{a0})", 0..12)
    ) {
        let bytes = parts.concat().into_bytes();
        if let Ok(ours) = SignedNote::parse(&bytes) {
            prop_assert_eq!(ours.to_bytes(), bytes.clone());
            let theirs = signed_note::Note::from_bytes(&bytes).unwrap();
            prop_assert_eq!(theirs.text(), ours.text().as_bytes());
        }
    }
}
