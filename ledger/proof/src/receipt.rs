//! Receipts: all that is needed to check one leaf offline, as one C2SP `tlog-proof` file (`.tlog-proof`).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the signed leaf>
//! index <leaf index>
//! <base64 hash>            inclusion proof, from the leaf's sibling up; at most 63 lines
//!
//! <checkpoint, verbatim>
//! ```
//!
//! C2SP says that `extra` is not authenticated. Here it is the entry itself: its leaf hash has to lead to the signed root,
//! and its writer's signature has to be good, before any of it is believed.

use crate::checkpoint::SignedCheckpoint;
use crate::error::Error;
use crate::hash::Hash;
use crate::inclusion;
use crate::leaf::SignedLeaf;
use crate::note::NOTE_BYTES_MAX;
use crate::policy::Certification;
use crate::text;
use crate::tree::{LeafIndex, PROOF_HASHES_MAX, TreeSize};
use crate::trust::Trust;

/// Bytes of the largest receipt: the largest checkpoint, leaf and proof together.
pub const RECEIPT_BYTES_MAX: usize = NOTE_BYTES_MAX + 16 * 1024;

const WHAT: &str = "receipt";
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A leaf, where it stands, and the proof. Nothing in it is to be believed before `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Where the leaf stands in the ledger.
    pub index: LeafIndex,
    /// Inclusion proof, from the leaf's sibling to the root's child.
    pub proof: Vec<Hash>,
    /// The checkpoint that the proof leads to.
    pub checkpoint: SignedCheckpoint,
    /// The leaf.
    pub leaf: SignedLeaf,
}

/// What a receipt proves, once it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Where the leaf stands.
    pub index: LeafIndex,
    /// Size of the tree that was certified.
    pub size: TreeSize,
    /// Root of that tree.
    pub root: Hash,
    /// The leaf.
    pub leaf: SignedLeaf,
    /// Name of the key that wrote the leaf.
    pub writer: String,
    /// Who certified the checkpoint.
    pub certification: Certification,
}

impl Receipt {
    /// The receipt's file.
    pub fn to_text(&self) -> String {
        let extra = text::base64_encode(self.leaf.bytes());
        let mut file = format!("{HEADER}\nextra {extra}\nindex {}\n", self.index);
        for hash in &self.proof {
            file += &format!("{hash}\n");
        }
        file + "\n" + &String::from_utf8_lossy(&self.checkpoint.to_bytes())
    }

    /// Reads a receipt's file.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Receipt, Error> {
        let malformed = |reason: &str| Error::malformed(WHAT, reason);
        Error::check_size(WHAT, bytes.len(), RECEIPT_BYTES_MAX)?;
        let file = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, checkpoint) = file
            .split_once("\n\n")
            .ok_or_else(|| malformed("it has no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let leaf = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(text::base64_decode)
            .ok_or_else(|| malformed("the second line does not carry the leaf in extra"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(text::decimal)
            .ok_or_else(|| malformed("the third line does not state the index"))?;
        let proof = lines.map(str::parse).collect::<Result<Vec<Hash>, _>>()?;
        if proof.len() > PROOF_HASHES_MAX {
            return Err(malformed("the proof has more than 63 hashes"));
        }
        let leaf = SignedLeaf::from_bytes(&leaf)?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Receipt {
            index: LeafIndex(index),
            proof,
            checkpoint,
            leaf,
        })
    }

    /// Checks everything: the checkpoint's signatures and quorum, that the leaf is meant for this ledger, that it is
    /// included, and that a listed writer signed it, one that was not revoked before its place.
    ///
    /// # Errors
    /// Those of `Policy::verify`, `inclusion::verify` and `SignedLeaf::verify`; `WrongOrigin`.
    pub fn verify(&self, trust: &Trust) -> Result<Verified, Error> {
        let certification = trust.policy.verify(&self.checkpoint)?;
        let head = self.checkpoint.checkpoint();
        let origin = &self.leaf.leaf().origin;
        if *origin != head.origin {
            let (expected, found) = (head.origin.clone(), origin.clone());
            return Err(Error::WrongOrigin {
                what: "leaf",
                expected,
                found,
            });
        }
        inclusion::verify(&self.leaf.hash(), self.index, head.size, &self.proof, &head.root)?;
        let writer = self.leaf.verify(&trust.writers, self.index)?.name().to_owned();
        let (index, size, root) = (self.index, head.size, head.root);
        Ok(Verified {
            index,
            size,
            root,
            leaf: self.leaf.clone(),
            writer,
            certification,
        })
    }
}
