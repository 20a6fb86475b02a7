//! Parsers on hostile bytes: they never panic, and what they accept has only the one meaning of its bytes.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::commit_file::{CommitFile, check_path, storage_path};
use dab_proof::hash::Hash;
use dab_proof::head_map::MapNode;
use dab_proof::head_proof::HeadProof;
use dab_proof::heads_leaf::HeadsBody;
use dab_proof::leaf::{Leaf, SignedLeaf, Subject};
use dab_proof::note::{SignedNote, SigningKey, VerifierKey};
use dab_proof::policy::Policy;
use dab_proof::receipt::Receipt;
use dab_proof::report::Verdict;
use dab_proof::testing::{TinyLedger, TinyTable};
use dab_proof::tile::{BundlePath, TilePath, decode_bundle, decode_tile, encode_bundle, encode_tile};
use dab_proof::tree::LeafIndex;
use dab_proof::trust::Trust;
use dab_proof::verify::{Artefacts, verify};
use dab_proof::writers::Writers;
use proptest::prelude::*;

/// Runs every parser; what is accepted has to be written back as the same bytes.
fn read_everything(bytes: &[u8]) {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_bytes(), bytes);
    }
    if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
        assert_eq!(checkpoint.to_bytes(), bytes);
    }
    if let Ok(leaf) = SignedLeaf::from_bytes(bytes) {
        assert_eq!(leaf.bytes(), bytes);
        assert_eq!(leaf.leaf().text(), leaf.text());
    }
    if let Ok(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.to_text().as_bytes(), bytes);
    }
    if let Ok(proof) = HeadProof::parse(bytes) {
        assert_eq!(proof.to_text().as_bytes(), bytes);
        let _ = proof.check_map();
    }
    if let Ok(body) = HeadsBody::parse(bytes) {
        assert_eq!(body.text().as_bytes(), bytes);
    }
    if let Ok(node) = MapNode::from_bytes(bytes) {
        assert_eq!(node.to_bytes(), bytes);
    }
    for width in [1, 2, 3, 256] {
        if let Ok(entries) = decode_bundle(bytes, width) {
            assert_eq!(encode_bundle(&entries).unwrap(), bytes);
        }
        if let Ok(hashes) = decode_tile(bytes, width) {
            assert_eq!(encode_tile(&hashes), bytes);
        }
    }
    let _ = Policy::parse(bytes);
    let _ = Writers::parse(bytes);
    let _ = CommitFile::parse(bytes).map(|commit| commit.files_root());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(leaf) = Leaf::parse(text) {
        assert_eq!(leaf.text(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = SigningKey::from_text(text) {
        assert_eq!(key.to_text(), text);
    }
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text);
    }
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(path) = text.parse::<BundlePath>() {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.as_str(), text);
    }
    let _ = Trust::from_texts("quorum none\n", "", Some(text));
    if check_path(text).is_ok() {
        let stored = storage_path(text).unwrap();
        assert!(!stored.starts_with('/') && stored.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
    }
}

/// One good example of each format.
fn examples() -> Vec<Vec<u8>> {
    let mut ledger = TinyLedger::with_cosigners(1);
    let mut table = TinyTable::new("t1");
    for version in 0..3 {
        table.commit(&mut ledger, &[(&format!("p=a%2520b/{version}.parquet"), b"data")], &[]);
    }
    let receipt = ledger.receipt(LeafIndex(1));
    let mut examples: Vec<Vec<u8>> = ledger.public().files.into_values().collect();
    for table in 2..5 {
        ledger.append(&Subject::table(&format!("t{table}")).unwrap(), b"", None, "WRITE");
    }
    let (covered, heads) = (ledger.size(), ledger.append_heads(ledger.size()));
    for table in ["t1", "none"] {
        let proof = ledger.head_proof(&Subject::table(table).unwrap(), covered, heads);
        examples.push(proof.to_text().into_bytes());
    }
    examples.push(ledger.heads_body(covered).text().into_bytes());
    examples.extend(ledger.head_map(covered).into_nodes().take(3).map(|(_, node)| node));
    examples.extend([
        receipt.to_text().into_bytes(),
        receipt.leaf.bytes().to_vec(),
        receipt.leaf.text().as_bytes().to_vec(),
        ledger.policy_text().into_bytes(),
        ledger.writers_text().into_bytes(),
        ledger.log.verifier().to_string().into_bytes(),
        ledger.log.to_text().into_bytes(),
        table.files.commits[&2].clone(),
        b"tile/entries/x001/067.p/8".to_vec(),
        b"tile/0/x001/067.p/8".to_vec(),
    ]);
    examples
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes);
    }

    #[test]
    fn arbitrary_text_does_no_harm(text in "[ -~\n\t—é+=/]{0,200}") {
        read_everything(text.as_bytes());
    }

    #[test]
    fn shuffled_pieces_of_good_files_do_no_harm(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..200), 1..6)
    ) {
        let examples = examples();
        let mut bytes = Vec::new();
        for (example, start, length) in picks {
            let example = example.get(&examples);
            let start = start.index(example.len());
            bytes.extend(&example[start..(start + length).min(example.len())]);
        }
        read_everything(&bytes);
    }
}

#[test]
fn every_single_byte_change_of_a_good_file_does_no_harm() {
    for example in examples() {
        read_everything(&example);
        for offset in 0..example.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut spoiled = example.clone();
                spoiled[offset] ^= change;
                read_everything(&spoiled);
            }
            read_everything(&example[..offset]);
            read_everything(&[&example[..offset], b"\n", &example[offset..]].concat());
        }
    }
}

#[test]
fn every_single_bit_change_of_a_receipt_is_refused() {
    let mut ledger = TinyLedger::with_cosigners(1);
    for body in 0..5_u8 {
        ledger.append(&Subject::catalog(), &[body], None, "CHANGE");
    }
    let (trust, receipt) = (ledger.trust(), ledger.receipt(LeafIndex(2)).to_text().into_bytes());
    let verdict = |receipt: &[u8]| verify(receipt, &trust, Artefacts::default()).verdict();
    assert_eq!(verdict(&receipt), Verdict::Valid);
    for offset in 0..receipt.len() {
        for bit in 0..8 {
            let mut spoiled = receipt.clone();
            spoiled[offset] ^= 1 << bit;
            assert_eq!(verdict(&spoiled), Verdict::Invalid, "bit {bit} of byte {offset}");
        }
        assert_eq!(verdict(&receipt[..offset]), Verdict::Invalid, "cut at {offset}");
    }
}

#[test]
fn changed_line_of_an_unlisted_key_changes_nothing() {
    // the one neutral place: C2SP has verifiers ignore signatures of keys that they do not know
    let mut ledger = TinyLedger::new();
    ledger.append(&Subject::catalog(), b"x", None, "CREATE");
    let mut receipt = ledger.receipt(LeafIndex(0));
    let foreign = SigningKey::generate_cosigner("dab/foreign", &[9; 32]).unwrap();
    let line = receipt.checkpoint.checkpoint().cosign(&foreign, 5).unwrap();
    receipt.checkpoint.add(line).unwrap();
    let good = receipt.verify(&ledger.trust()).unwrap();
    let file = receipt.to_text().into_bytes();
    let foreign_line = file.len()
        - SignedCheckpoint::parse(&ledger.checkpoint().to_bytes())
            .unwrap()
            .to_bytes()
            .len();
    for offset in foreign_line..file.len() {
        let mut spoiled = file.clone();
        spoiled[offset] ^= 0x01;
        if let Ok(receipt) = Receipt::parse(&spoiled)
            && let Ok(verified) = receipt.verify(&ledger.trust())
        {
            assert_eq!(verified, good);
        }
    }
}
