//! Attacks of those who sign: strangers, and the insider who holds the ledger's own keys.
//!
//! A single node certifies alone, so its operator can sign another history. Nobody notices who has seen none of the first;
//! whoever kept a checkpoint does. That is what the two last attacks show, from both sides.

use std::fs;
use std::path::Path;

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::hash::{Hash, leaf_hash};
use dab_proof::leaf::SignedLeaf;
use dab_proof::note::{SignedNote, SigningKey};
use dab_proof::report::Verdict;
use dab_proof::tile::{decode_bundle, encode_bundle, encode_tile};
use dab_proof::tree::{Frontier, TreeSize};
use dab_tests::offline::Evidence;

use super::{Attack, Made, VERSION, ledger, ledger_since, ledger_since_latest, receipt};

/// The private keys of a node, as somebody with access to its machine has them.
#[derive(Debug)]
pub(super) struct Keys {
    log: SigningKey,
    writer: SigningKey,
}

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "checkpoint: signed by a stranger under the ledger's name",
        forge: |evidence, made| sign_checkpoint(evidence, &stranger(made.keys.log.name())),
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["checkpoint"],
    },
    Attack {
        name: "checkpoint: of a stranger's ledger",
        forge: |evidence, _| {
            let (key, mut head) = (stranger("dab/stranger"), head(evidence));
            head.origin = "dab/stranger".to_owned();
            put_checkpoint(evidence, &head.sign(&key).expect("the key's own origin"));
        },
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["checkpoint"],
    },
    Attack {
        name: "checkpoint: a further signature line by an unknown key",
        forge: |evidence, _| {
            let checkpoint = evidence.public.files.get_mut("checkpoint").expect("it is there");
            *checkpoint = with_unknown_signature(checkpoint);
        },
        check: ledger,
        verdict: Verdict::Valid,
        words: &["certifies alone"],
    },
    Attack {
        name: "proof: a further signature line by an unknown key",
        forge: |evidence, _| {
            let proof = &mut evidence.proofs[VERSION as usize];
            let start = proof
                .windows(2)
                .position(|pair| pair == b"\n\n")
                .expect("a checkpoint follows")
                + 2;
            let checkpoint = with_unknown_signature(&proof[start..]);
            proof.truncate(start);
            proof.extend(checkpoint);
        },
        check: receipt,
        verdict: Verdict::Valid,
        words: &["certifies alone"],
    },
    Attack {
        name: "ledger: rolled back to an older checkpoint that was once true",
        forge: |evidence, made| {
            evidence
                .public
                .files
                .insert("checkpoint".to_owned(), made.earlier_checkpoint.clone());
            let size = head(evidence).size.0 as usize;
            let entries = entries_of(&made.evidence)[..size].to_vec();
            evidence.public.files.retain(|path, _| path == "checkpoint");
            put_entries(evidence, &entries);
        },
        check: ledger_since_latest,
        verdict: Verdict::Invalid,
        words: &["the ledger shrank"],
    },
    Attack {
        name: "ledger: a leaf by a stranger, the tree signed by the real key",
        forge: |evidence, made| {
            let mut entries = entries_of(evidence);
            let last = SignedLeaf::from_bytes(entries.last().expect("it has leaves")).expect("a leaf");
            let by_stranger = last
                .leaf()
                .sign(&stranger("dab/stranger"))
                .expect("a leaf can be signed by anybody");
            *entries.last_mut().expect("it has leaves") = by_stranger.bytes().to_vec();
            put_ledger(evidence, &entries, &made.keys.log);
        },
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["dab/stranger"],
    },
    Attack {
        name: "ledger: a version ratified a second time",
        forge: |evidence, made| {
            let mut entries = entries_of(evidence);
            entries.push(entries.last().expect("it has leaves").clone());
            put_ledger(evidence, &entries, &made.keys.log);
        },
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["is due"],
    },
    Attack {
        name: "ledger: an entry that is no leaf",
        forge: |evidence, made| {
            let mut entries = entries_of(evidence);
            entries.push(b"anything\n".to_vec());
            put_ledger(evidence, &entries, &made.keys.log);
        },
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["leaf"],
    },
    Attack {
        name: "ledger: forked by the insider, seen by one who kept the last checkpoint",
        forge: fork,
        check: ledger_since_latest,
        verdict: Verdict::Invalid,
        words: &["history was rewritten", "keep both"],
    },
    Attack {
        name: "ledger: forked by the insider before an older checkpoint that was kept",
        forge: fork_at_the_start,
        check: ledger_since,
        verdict: Verdict::Invalid,
        words: &["history was rewritten"],
    },
];

impl Keys {
    /// Reads `private/log.key` and `private/writer.key`.
    pub(super) fn read(data: &Path) -> Self {
        let key = |name| {
            let text = fs::read_to_string(data.join("private").join(name)).expect("a node keeps its keys");
            SigningKey::from_text(text.trim_end()).expect("a node's key can be read")
        };
        Self {
            log: key("log.key"),
            writer: key("writer.key"),
        }
    }
}

/// The last leaf names another operation, signed by the real writer, under a checkpoint of the same size by the real key.
fn fork(evidence: &mut Evidence, made: &Made) {
    let last = entries_of(evidence).len() - 1;
    rewrite_leaf(evidence, made, last);
}

fn fork_at_the_start(evidence: &mut Evidence, made: &Made) {
    rewrite_leaf(evidence, made, 0);
}

fn rewrite_leaf(evidence: &mut Evidence, made: &Made, index: usize) {
    let mut entries = entries_of(evidence);
    let mut leaf = SignedLeaf::from_bytes(&entries[index]).expect("a leaf").leaf().clone();
    leaf.operation = "REWRITTEN".to_owned();
    entries[index] = leaf
        .sign(&made.keys.writer)
        .expect("the writer signs anything")
        .bytes()
        .to_vec();
    put_ledger(evidence, &entries, &made.keys.log);
}

fn stranger(name: &str) -> SigningKey {
    SigningKey::generate(name, &[42; 32]).expect("a good name")
}

fn head(evidence: &Evidence) -> Checkpoint {
    let signed = SignedCheckpoint::parse(&evidence.public.files["checkpoint"]).expect("a checkpoint");
    signed.checkpoint().clone()
}

fn put_checkpoint(evidence: &mut Evidence, checkpoint: &SignedCheckpoint) {
    evidence
        .public
        .files
        .insert("checkpoint".to_owned(), checkpoint.to_bytes());
}

fn sign_checkpoint(evidence: &mut Evidence, key: &SigningKey) {
    let signed = head(evidence).sign(key).expect("the key has the origin's name");
    put_checkpoint(evidence, &signed);
}

fn with_unknown_signature(note: &[u8]) -> Vec<u8> {
    let mut note = SignedNote::parse(note).expect("a note");
    let theirs = SignedNote::sign(note.text(), &stranger("stranger.example")).expect("anybody can sign");
    note.add(theirs.signatures()[0].clone()).expect("it is a new one");
    note.to_bytes()
}

/// The ledger's entries; it has fewer than a bundle's worth.
fn entries_of(evidence: &Evidence) -> Vec<Vec<u8>> {
    let size = head(evidence).size.0;
    let bundle = &evidence.public.files[&format!("tile/entries/000.p/{size}")];
    let entries = decode_bundle(bundle, u16::try_from(size).expect("it is small")).expect("an entry bundle");
    entries.into_iter().map(<[u8]>::to_vec).collect()
}

/// Replaces tile and bundle; returns the root.
fn put_entries(evidence: &mut Evidence, entries: &[Vec<u8>]) -> Hash {
    let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let size = hashes.len();
    let bundle = encode_bundle(entries).expect("short entries");
    evidence
        .public
        .files
        .insert(format!("tile/entries/000.p/{size}"), bundle);
    evidence
        .public
        .files
        .insert(format!("tile/0/000.p/{size}"), encode_tile(&hashes));
    let mut tree = Frontier::new();
    hashes.into_iter().for_each(|hash| tree.push(hash));
    tree.root()
}

/// Replaces the whole ledger by one of these entries, signed by `key`.
fn put_ledger(evidence: &mut Evidence, entries: &[Vec<u8>], key: &SigningKey) {
    let root = put_entries(evidence, entries);
    let checkpoint = Checkpoint {
        origin: key.name().to_owned(),
        size: TreeSize(entries.len() as u64),
        root,
    };
    put_checkpoint(evidence, &checkpoint.sign(key).expect("the key has the origin's name"));
}
