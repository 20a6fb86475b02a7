//! Receipts and the other proofs.

use dab_proof::consistency;
use dab_proof::fork::ForkProof;
use dab_proof::hash::Hash;
use dab_proof::head_map::MapNode;
use dab_proof::head_proof::HeadProof;
use dab_proof::heads_leaf::HeadsBody;
use dab_proof::inclusion;
use dab_proof::receipt::Receipt;
use dab_proof::tree::{LeafIndex, TreeSize};

use crate::laws::one_spelling;
use crate::papers::papers;
use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "receipt",
        decode: receipt,
        bound: Bound::SMALL,
    },
    Target {
        name: "head_proof",
        decode: head_proof,
        bound: Bound::SMALL,
    },
    Target {
        name: "heads_body",
        decode: heads_body,
        bound: Bound::SMALL,
    },
    Target {
        name: "head_map_node",
        decode: head_map_node,
        bound: Bound::SMALL,
    },
    Target {
        name: "fork_proof",
        decode: fork_proof,
        bound: Bound::SMALL,
    },
    Target {
        name: "merkle_proof",
        decode: merkle_proof,
        bound: Bound::SMALL,
    },
];

fn receipt(bytes: &[u8]) -> bool {
    let Ok(receipt) = Receipt::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(receipt.to_text()));
    let papers = papers();
    if let Ok(verified) = receipt.verify(&papers.trust) {
        assert_eq!(verified.leaf, papers.ledger.receipt(verified.index).leaf);
    }
    true
}

fn head_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = HeadProof::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(proof.to_text()));
    let (papers, checked) = (papers(), proof.check_map());
    if let Ok(verified) = proof.verify(&papers.trust) {
        assert_eq!(checked, Ok(verified.map_root));
        let head = verified.head.map(|head| (head.leaf.leaf().sequence, head.leaf.hash()));
        assert_eq!(head, papers.ledger.head(&verified.subject));
    }
    true
}

fn heads_body(bytes: &[u8]) -> bool {
    one_spelling(bytes, HeadsBody::parse(bytes).ok().map(|body| body.text()))
}

fn head_map_node(bytes: &[u8]) -> bool {
    one_spelling(bytes, MapNode::from_bytes(bytes).ok().map(|node| node.to_bytes()))
}

fn fork_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = ForkProof::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(proof.to_text()));
    let (papers, newer) = (papers(), papers().ledger.checkpoint());
    if proof.verify(newer.checkpoint()).is_ok() {
        let older = papers.ledger.checkpoint_at(proof.size);
        assert_eq!(proof.root, older.checkpoint().root, "another past is proved");
    }
    true
}

/// A proof without its papers: two sizes, two hashes, and the hashes of the path.
fn merkle_proof(bytes: &[u8]) -> bool {
    let (&sizes, rest) = match bytes.split_first_chunk::<16>() {
        Some(split) => split,
        None => return false,
    };
    let (small, large) = (
        u128::from_be_bytes(sizes) as u64,
        (u128::from_be_bytes(sizes) >> 64) as u64,
    );
    let (hashes, _) = rest.as_chunks::<32>();
    let hashes: Vec<Hash> = hashes.iter().copied().map(Hash::from_bytes).collect();
    let [first, second, path @ ..] = &hashes[..] else {
        return false;
    };
    let (old, new) = (TreeSize(small), TreeSize(large));
    let included = inclusion::verify(first, LeafIndex(small), new, path, second).is_ok();
    let grown = consistency::verify(old, first, new, second, path).is_ok();
    if let Some(root) = consistency::older_root(old, new, second, path) {
        assert_eq!(consistency::verify(old, &root, new, second, path), Ok(()));
    }
    included || grown
}
