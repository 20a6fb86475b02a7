//! Good examples for each target, to begin a campaign with: without them it would take long to find a signature line.

use std::fs;
use std::path::Path;

use dab_ledger::members::{Candidate, Members};
use dab_ledger::peer::PeerKey;
use dab_ledger::witness::AddCheckpoint;
use dab_proof::epoch::{EPOCH_OPERATION, EpochChange, EpochNote, EpochText};
use dab_proof::fork::ForkProof;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::monitor::{Expected, Pending, look};
use dab_proof::note::{SignedNote, SigningKey};
use dab_proof::testing::{TinyLedger, TinyTable};
use dab_proof::tree::{LeafIndex, TreeSize};
use serde_json::Value;

use crate::epochs::now;
use crate::papers::papers;
use crate::replica;

/// An Ed25519 key that protects nothing.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

/// Writes the examples of a target as files.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(target: &str, dir: &Path) -> std::io::Result<()> {
    for (number, example) in (0..).zip(of(target)) {
        fs::write(dir.join(format!("example-{number}")), example)?;
    }
    Ok(())
}

/// Good examples of a target; some from the shared vectors, where those have any.
///
/// # Panics
/// When there is no such target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let ledger = &papers().ledger;
    let text = |text: String| vec![text.into_bytes()];
    let receipt = || ledger.receipt(LeafIndex(2));
    let tiles = |bundles: bool| {
        let files = ledger.public().files.into_iter();
        let chosen =
            files.filter(|(path, _)| path.starts_with("tile/") && path.starts_with("tile/entries/") == bundles);
        let width = |path: &str| {
            path.rsplit_once(".p/")
                .and_then(|(_, width)| width.parse().ok())
                .unwrap_or(256_u16)
        };
        let with_width = |(path, bytes): (String, Vec<u8>)| [vec![(width(&path) - 1) as u8], bytes].concat();
        chosen.map(with_width).collect::<Vec<_>>()
    };
    match target {
        "key" => [
            ledger.log.verifier().to_string(),
            ledger.cosigners[0].verifier().to_string(),
            ledger.log.to_text(),
            papers().root.to_string(),
            papers().root.to_hex(),
            "table/00000000-0000-4000-8000-000000000000".to_owned(),
        ]
        .map(String::into_bytes)
        .to_vec(),
        "note" | "checkpoint" => vec![
            ledger.checkpoint().to_bytes(),
            ledger.checkpoint_at(TreeSize(3)).to_bytes(),
        ],
        "leaf" => (0..3).map(|index| leaf(index).bytes().to_vec()).collect(),
        "receipt" => [
            text(receipt().to_text()),
            vectors("proof", |proof| proof.starts_with("c2sp")),
        ]
        .concat(),
        "head_proof" => [
            head_proofs(),
            vectors("proof", |proof| proof.starts_with("dab/head-proof")),
        ]
        .concat(),
        "heads_body" => text(ledger.heads_body(ledger.size()).text()),
        "head_map_node" => ledger
            .head_map(ledger.size())
            .into_nodes()
            .map(|(_, node)| node)
            .collect(),
        "fork_proof" => fork_proofs(),
        "merkle_proof" => merkle_proofs(),
        "tile_path" => [
            "tile/0/x001/067.p/8",
            "tile/entries/x001/x234/067",
            "tile/1/000",
            "checkpoint",
        ]
        .map(|path| path.as_bytes().to_vec())
        .to_vec(),
        "tile" => tiles(false),
        "entry_bundle" => tiles(true),
        "commit_file" => commit_files(),
        "policy" => [text(ledger.policy_text()), vectors("policy", |_| true)].concat(),
        "writers" => [text(ledger.writers_text()), vectors("writers", |_| true)].concat(),
        "trust" => text([&ledger.policy_text(), &ledger.writers_text(), "../public\n"].join("\0")),
        "epoch" => epochs(),
        "epoch_changes" => epoch_changes(),
        "members" => vec![
            members().to_string().into_bytes(),
            candidate(1).to_string().into_bytes(),
        ],
        "founding" => foundings(),
        "peer_key_file" => vec![PEM.as_bytes().to_vec()],
        "monitor_heads" => monitor_heads(),
        "witness_request" => vec![witness_request(0), witness_request(5)],
        "witness_answer" => witness_answers(),
        "peer_hello" => vec![hello()],
        "peer_frames" => vec![
            frame(1, &hello()),
            [frame(2, &[]), frame(5, &[7; 8]), frame(4, b"message")].concat(),
        ],
        "peer_message" => replica::scene().said.iter().map(|said| said.message.to_vec()).collect(),
        "raft_message" => raft_messages(),
        "raft_entry" => raft_entries(),
        "raft_log" => [0, 1]
            .map(|sealed| [vec![sealed], replica::raft_segment()].concat())
            .to_vec(),
        "replica" => scripts(),
        other => panic!("there is no target {other}"),
    }
}

/// What a node that is alone may become: with a key more, and without one.
fn epochs() -> Vec<Vec<u8>> {
    let (ledger, now) = (TinyLedger::new(), now());
    let more = format!("{}{} digest/*\n", now.writers, candidate(1).writer);
    let none = format!("revoked {}", now.writers);
    let text = |writers| EpochText { writers, ..now.clone() }.text();
    let signed = [more, none].map(|writers| SignedNote::sign(&text(writers), &ledger.writer));
    signed.map(|note| note.expect("a writer's key").to_bytes()).to_vec()
}

/// Such changes, certified by another ledger.
fn epoch_changes() -> Vec<Vec<u8>> {
    let mut ledger = TinyLedger::new();
    let changes = epochs().into_iter().map(|body| {
        let index = ledger.append(&Subject::members(), &body, None, EPOCH_OPERATION);
        let epoch = EpochNote::parse(&body).expect("an epoch");
        let receipt = ledger.receipt(index);
        EpochChange { epoch, receipt }.to_text()
    });
    let changes: Vec<String> = changes.collect();
    vec![
        Vec::new(),
        changes[0].clone().into_bytes(),
        changes.concat().into_bytes(),
    ]
}

/// The values of a field of the shared vectors, each once.
fn vectors(field: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors"));
    let mut values = Vec::new();
    for file in ["receipt", "certified", "signed", "trust", "heads"] {
        let json = fs::read(dir.join(file).with_extension("json")).expect("the vectors are there");
        let vectors: Vec<Value> = serde_json::from_slice(&json).expect("the vectors are a list");
        let texts = vectors.iter().filter_map(|vector| vector[field].as_str());
        values.extend(texts.filter(|text| wanted(text)).map(|text| text.as_bytes().to_vec()));
    }
    values.sort();
    values.dedup();
    values
}

fn leaf(index: u64) -> SignedLeaf {
    papers().ledger.receipt(LeafIndex(index)).leaf
}

fn head_proofs() -> Vec<Vec<u8>> {
    let ledger = &papers().ledger;
    let heads_leaf = LeafIndex(ledger.size().0 - 1);
    let proof = |table: &str| {
        let subject = Subject::table(table).expect("a good id");
        ledger.head_proof(&subject, TreeSize(heads_leaf.0), heads_leaf)
    };
    ["t1", "none"].map(|table| proof(table).to_text().into_bytes()).to_vec()
}

fn fork_proofs() -> Vec<Vec<u8>> {
    let ledger = &papers().ledger;
    let proof = |size| ForkProof::from_tiles(TreeSize(size), ledger.checkpoint().checkpoint(), &ledger.public());
    [3, 4, 7]
        .map(|size| proof(size).expect("own tiles").to_text().into_bytes())
        .to_vec()
}

fn merkle_proofs() -> Vec<Vec<u8>> {
    let ledger = &papers().ledger;
    let joined = |small: u64, first, path: &[dab_proof::hash::Hash]| {
        let sizes = [ledger.size().0.to_be_bytes(), small.to_be_bytes()].concat();
        let hashes = [first, papers().root].into_iter().chain(path.iter().copied());
        sizes
            .into_iter()
            .chain(hashes.flat_map(|hash| *hash.as_bytes()))
            .collect::<Vec<u8>>()
    };
    let (receipt, older) = (ledger.receipt(LeafIndex(2)), ledger.checkpoint_at(TreeSize(6)));
    vec![
        joined(2, receipt.leaf.hash(), &receipt.proof),
        joined(
            6,
            older.checkpoint().root,
            &ledger.consistency(TreeSize(6), ledger.size()),
        ),
    ]
}

fn commit_files() -> Vec<Vec<u8>> {
    let (mut ledger, mut table) = (dab_proof::testing::TinyLedger::new(), TinyTable::new("t1"));
    for version in 0..3 {
        table.commit(&mut ledger, &[(&format!("p=a%2520b/{version}.parquet"), b"data")], &[]);
    }
    table.files.commits.into_values().collect()
}

fn candidate(number: u8) -> Candidate {
    let name = format!("n{number}");
    let (cosigner, writer) = (format!("dab/fuzz/{name}"), format!("dab/fuzz/{name}/writer"));
    Candidate {
        address: format!("127.0.0.1:{}", 4000 + u16::from(number)),
        peer_key: PeerKey::of(&[number]),
        cosigner: SigningKey::generate_cosigner(&cosigner, &[2 * number; 32])
            .expect("a good name")
            .verifier()
            .clone(),
        writer: SigningKey::generate(&writer, &[2 * number + 1; 32])
            .expect("a good name")
            .verifier()
            .clone(),
        name,
    }
}

fn members() -> Members {
    Members::of_founders((1..=4).map(candidate).collect()).expect("good members")
}

fn foundings() -> Vec<Vec<u8>> {
    let log = SigningKey::generate("dab/fuzz", &[100; 32])
        .expect("a good name")
        .to_text();
    let witness = papers().ledger.cosigners[0].verifier();
    let witness = format!("witness outside.1 {witness} https://w.example/\n");
    ["", &witness]
        .map(|witnesses| format!("dab/founding/v1\n{log}\n{witnesses}{}", members()).into_bytes())
        .to_vec()
}

fn monitor_heads() -> Vec<Vec<u8>> {
    let papers = papers();
    let expected = Expected {
        trust: &papers.trust,
        writers: None,
    };
    let seen = look(&papers.ledger.public(), expected, None, &mut Pending::default()).expect("an honest ledger");
    vec![seen.heads.to_text(&papers.root).into_bytes()]
}

fn witness_request(old: u64) -> Vec<u8> {
    let ledger = &papers().ledger;
    let request = AddCheckpoint {
        old: TreeSize(old),
        proof: ledger.consistency(TreeSize(old), ledger.size()),
        checkpoint: ledger.checkpoint(),
    };
    request.to_bytes()
}

fn witness_answers() -> Vec<Vec<u8>> {
    let ledger = &papers().ledger;
    let checkpoint = ledger.checkpoint();
    let line = checkpoint
        .checkpoint()
        .cosign(&ledger.cosigners[0], dab_proof::testing::TIME_UNIX_S);
    let answer = |status: u16, body: &str| [&status.to_be_bytes()[..], body.as_bytes()].concat();
    vec![
        answer(200, &line.expect("a cosigner").line()),
        answer(409, "7\n"),
        answer(422, "no\n"),
        answer(500, "no\n"),
    ]
}

fn hello() -> Vec<u8> {
    let ids = [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
    [&[1, 0, 1][..], &ids, b"dab/fuzz"].concat()
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..], &[kind], payload].concat()
}

/// What the victim heard of raft, without the wrapping: field 1 of the message between replicas.
fn raft_messages() -> Vec<Vec<u8>> {
    let said = replica::scene().said.iter();
    said.filter_map(|said| field(&said.message, 1)).collect()
}

/// The data of the entries among them: field 4 of an entry, which is field 7 of the message.
fn raft_entries() -> Vec<Vec<u8>> {
    let entries = raft_messages().into_iter().filter_map(|message| field(&message, 7));
    entries.filter_map(|entry| field(&entry, 4)).collect()
}

/// The first field of this number that holds bytes, in a protobuf message with small field numbers.
fn field(message: &[u8], number: u8) -> Option<Vec<u8>> {
    let mut rest = message;
    loop {
        let (&tag, after) = rest.split_first()?;
        let (value, after) = varint(after)?;
        rest = after;
        if tag & 7 == 2 {
            let (bytes, after) = after.split_at_checked(value as usize)?;
            if tag >> 3 == number {
                return Some(bytes.to_vec());
            }
            rest = after;
        }
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 + bytes.iter().take(9).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(length);
    let value = number
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}

/// All that the victim heard, in pieces.
fn scripts() -> Vec<Vec<u8>> {
    let said = &replica::scene().said;
    said.chunks(12).map(replica::script).collect()
}
