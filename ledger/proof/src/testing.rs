//! A tiny ledger and a tiny table in memory, with real keys, leaves, tiles and checkpoints: for the tests of this crate
//! and of those above it (feature `testing`). Keys come from fixed seeds, so every run makes the same bytes.

mod heads;
mod table;

pub use table::{MemoryTable, TinyTable};

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::consistency;
use crate::error::Error;
use crate::hash::{Hash, node_hash};
use crate::inclusion;
use crate::leaf::{BodyDigest, FilesRoot, Leaf, SignedLeaf, Subject};
use crate::note::SigningKey;
use crate::receipt::Receipt;
use crate::source::Source;
use crate::tile::{HASHES_PER_TILE, TILE_HEIGHT, encode_bundle, encode_tile, hash_from_tiles, new_bundles, new_tiles};
use crate::tree::{LeafIndex, TreeSize};
use crate::trust::Trust;

/// Origin of the tiny ledger.
pub const ORIGIN: &str = "dab/test";

/// Time of the first cosignature, in seconds since 1970; each later checkpoint size adds a second.
pub const TIME_UNIX_S: u64 = 1_700_000_000;

/// A ledger in memory. It checks nothing: tests may append what a real ledger would refuse.
pub struct TinyLedger {
    /// The log's key.
    pub log: SigningKey,
    /// The one writer's key.
    pub writer: SigningKey,
    /// Witnesses, all of whom the policy asks for; with none the quorum is `none`.
    pub cosigners: Vec<SigningKey>,
    entries: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    heads: BTreeMap<Subject, (u64, Hash)>,
}

/// The public files of a ledger, which tests may change.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    /// Files by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// A path that cannot be read, as if the disk or the network failed.
    pub unreadable: Option<String>,
}

impl TinyLedger {
    /// An empty ledger that certifies alone.
    pub fn new() -> TinyLedger {
        TinyLedger::with_cosigners(0)
    }

    /// An empty ledger whose policy asks for all of `count` witnesses.
    pub fn with_cosigners(count: u8) -> TinyLedger {
        let cosigner = |number: u8| {
            SigningKey::generate_cosigner(&format!("{ORIGIN}/w{number}"), &[number; 32]).expect("a good name")
        };
        TinyLedger {
            log: SigningKey::generate(ORIGIN, &[101; 32]).expect("a good name"),
            writer: SigningKey::generate(&format!("{ORIGIN}/writer"), &[102; 32]).expect("a good name"),
            cosigners: (1..=count).map(cosigner).collect(),
            entries: Vec::new(),
            hashes: Vec::new(),
            heads: BTreeMap::new(),
        }
    }

    /// The file `trust/policy`.
    pub fn policy_text(&self) -> String {
        let mut policy = format!("log {}\n", self.log.verifier());
        let mut names = String::new();
        for (number, cosigner) in (1..).zip(&self.cosigners) {
            policy += &format!("witness w{number} {}\n", cosigner.verifier());
            names += &format!(" w{number}");
        }
        match self.cosigners.len() {
            0 => policy + "quorum none\n",
            _ => policy + &format!("group witnesses all{names}\nquorum witnesses\n"),
        }
    }

    /// The file `trust/writers`.
    pub fn writers_text(&self) -> String {
        format!("{} *\n", self.writer.verifier())
    }

    /// The trust root.
    pub fn trust(&self) -> Trust {
        Trust::from_texts(self.policy_text(), self.writers_text(), Some("../public\n")).expect("own texts are good")
    }

    /// Appends the next leaf of `subject`, with the right sequence and parent.
    pub fn append(&mut self, subject: &Subject, body: &[u8], files: Option<FilesRoot>, operation: &str) -> LeafIndex {
        let head = self.head(subject);
        let leaf = Leaf {
            origin: ORIGIN.to_owned(),
            subject: subject.clone(),
            sequence: head.map_or(0, |(sequence, _)| sequence + 1),
            parent: head.map(|(_, hash)| hash),
            body: BodyDigest::of(body),
            files,
            operation: operation.to_owned(),
        };
        self.push(&leaf.sign(&self.writer).expect("a good leaf"))
    }

    /// Appends any signed leaf as it is.
    pub fn push(&mut self, leaf: &SignedLeaf) -> LeafIndex {
        self.heads
            .insert(leaf.leaf().subject.clone(), (leaf.leaf().sequence, leaf.hash()));
        self.push_entry(leaf.bytes())
    }

    /// Appends any bytes as an entry.
    pub fn push_entry(&mut self, entry: &[u8]) -> LeafIndex {
        self.entries.push(entry.to_vec());
        self.hashes.push(crate::hash::leaf_hash(entry));
        LeafIndex(self.entries.len() as u64 - 1)
    }

    /// Sequence and leaf hash of a subject's last leaf.
    pub fn head(&self, subject: &Subject) -> Option<(u64, Hash)> {
        self.heads.get(subject).copied()
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.entries.len() as u64)
    }

    /// The signed checkpoint at the present size.
    pub fn checkpoint(&self) -> SignedCheckpoint {
        self.checkpoint_at(self.size())
    }

    /// The signed checkpoint at an earlier size.
    pub fn checkpoint_at(&self, size: TreeSize) -> SignedCheckpoint {
        let mut tree = crate::tree::Frontier::new();
        self.hashes[..size.0 as usize].iter().for_each(|hash| tree.push(*hash));
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree.root(),
        };
        let mut signed = checkpoint.sign(&self.log).expect("the log's own origin");
        for cosigner in &self.cosigners {
            let line = checkpoint
                .cosign(cosigner, TIME_UNIX_S + size.0)
                .expect("a cosigner's key");
            signed.add(line).expect("each cosigner once");
        }
        signed
    }

    /// All public files at the present size.
    pub fn public(&self) -> MemorySource {
        let mut source = MemorySource::default();
        source
            .files
            .insert("checkpoint".to_owned(), self.checkpoint().to_bytes());
        let mut level = (0, self.hashes.clone());
        for tile in new_tiles(TreeSize(0), self.size()) {
            while level.0 < tile.level() {
                level = (level.0 + 1, tops(&level.1));
            }
            let start = tile.index() as usize * HASHES_PER_TILE as usize;
            source.files.insert(
                tile.to_string(),
                encode_tile(&level.1[start..start + tile.width() as usize]),
            );
        }
        for bundle in new_bundles(TreeSize(0), self.size()) {
            let start = bundle.index() as usize * HASHES_PER_TILE as usize;
            let entries = &self.entries[start..start + bundle.width() as usize];
            source
                .files
                .insert(bundle.to_string(), encode_bundle(entries).expect("short entries"));
        }
        source
    }

    /// The receipt of a leaf, against the checkpoint at the present size.
    ///
    /// # Panics
    /// When there is no such leaf, or its entry is no leaf.
    pub fn receipt(&self, index: LeafIndex) -> Receipt {
        let (source, size) = (self.public(), self.size());
        let proof = inclusion::prove(index, size, &mut |level, node| {
            hash_from_tiles(&source, size, level, node)
        });
        let leaf = SignedLeaf::from_bytes(&self.entries[index.0 as usize]).expect("a leaf at this index");
        Receipt {
            index,
            proof: proof.expect("own tiles are complete"),
            checkpoint: self.checkpoint(),
            leaf,
        }
    }

    /// The consistency proof between two sizes.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Vec<Hash> {
        let source = self.public();
        let node = &mut |level, node| hash_from_tiles(&source, self.size(), level, node);
        consistency::prove(old, new, node).expect("own tiles are complete")
    }
}

impl Default for TinyLedger {
    fn default() -> TinyLedger {
        TinyLedger::new()
    }
}

impl Source for MemorySource {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        if self.unreadable.as_deref() == Some(path) {
            return Err(Error::Unavailable {
                path: path.to_owned(),
                reason: "made to fail".to_owned(),
            });
        }
        Ok(self.files.get(path).cloned())
    }
}

/// Roots of the full tiles of a level: the level above.
fn tops(level: &[Hash]) -> Vec<Hash> {
    let full = level.chunks_exact(HASHES_PER_TILE as usize);
    full.map(|tile| {
        let mut row = tile.to_vec();
        for _ in 0..TILE_HEIGHT {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        row[0]
    })
    .collect()
}
