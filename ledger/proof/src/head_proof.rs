//! Head proofs: all that is needed to check offline which leaf of a subject is the last, as one file (`.head-proof`).
//!
//! ```text
//! dab/head-proof/v1
//! subject <subject>
//! size <N>                                  the leaves that the head map covers
//! subjects <count>
//! head <leaf index> <base64 of the signed leaf>
//!   or, where the subject has no leaf, the entry that its key leads to instead:
//! other <base64 key> <sequence> <leaf index> <base64 leaf hash>
//!   or, for a map without subjects:
//! none
//! <bit> <base64 hash>                       forks from the entry up to the root, at most 256 lines
//!
//! <the receipt of the heads leaf that binds the map, verbatim>
//! ```
//!
//! No line says what the others already fix: the entry and the path give the map's root; origin, size, count and root give
//! the body of the heads leaf; and that leaf, with its digests, has to stand under a certified checkpoint. The map speaks
//! about the first `N` leaves. What was notarized later, up to the checkpoint and after it, it says nothing about.

mod report;
mod text;

pub use report::verify_head;

use crate::error::Error;
use crate::hash::Hash;
use crate::head_map::{MAP_PATH_STEPS_MAX, MapEntry, MapKey, MapPath, Step};
use crate::heads_leaf::HeadsBody;
use crate::leaf::{LEAF_BYTES_MAX, SignedLeaf, Subject};
use crate::receipt::{RECEIPT_BYTES_MAX, Receipt, Verified};
use crate::tree::{LeafIndex, TreeSize};
use crate::trust::Trust;

/// Bytes of the largest head proof: the largest receipt, leaf and path together.
pub const HEAD_PROOF_BYTES_MAX: usize = RECEIPT_BYTES_MAX + 2 * LEAF_BYTES_MAX + 64 * MAP_PATH_STEPS_MAX;

const WHAT: &str = "head proof";

/// The head of a subject, or that it has none, and the proof. Nothing in it is to be believed before `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadProof {
    /// What it is about.
    pub subject: Subject,
    /// Leaves that the map covers.
    pub size: TreeSize,
    /// Subjects that the map has.
    pub subjects: u64,
    /// Where the subject's key leads.
    pub found: Found,
    /// Forks of the map from there up to the root.
    pub steps: Vec<Step>,
    /// The receipt of the heads leaf that binds the map.
    pub receipt: Receipt,
}

/// What a map has at the end of a subject's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The subject's own entry, told by the leaf that it speaks of.
    Head {
        /// Where that leaf stands in the ledger.
        index: LeafIndex,
        /// The leaf.
        leaf: Box<SignedLeaf>,
    },
    /// Another subject's entry: this one has none.
    Other(MapEntry),
    /// Nothing, since the map has no subjects.
    Nothing,
}

/// What a head proof shows, once it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    /// What it is about.
    pub subject: Subject,
    /// Leaves that the map covers: what is said holds for the first so many.
    pub size: TreeSize,
    /// The last leaf of the subject among them; none when there is no leaf of it.
    pub head: Option<KnownHead>,
    /// Subjects that the map has.
    pub subjects: u64,
    /// Root of the map.
    pub map_root: Hash,
    /// The heads leaf, and who certified the checkpoint that covers it.
    pub heads_leaf: Verified,
}

/// A subject's last leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHead {
    /// Where it stands in the ledger.
    pub index: LeafIndex,
    /// The leaf.
    pub leaf: SignedLeaf,
    /// Name of the key that wrote it.
    pub writer: String,
}

impl HeadProof {
    /// Checks everything: the receipt of the heads leaf with the checkpoint's quorum, that this leaf binds the map to which
    /// the path leads, and that the subject's leaf is the one in the map, signed by a listed writer.
    ///
    /// # Errors
    /// Those of `Receipt::verify`; `ProofRejected` when map, path and leaves do not belong together; `WrongOrigin`; those of
    /// `SignedLeaf::verify`.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedHead, Error> {
        let heads_leaf = self.receipt.verify(trust)?;
        let map_root = self.check_map()?;
        let head = match &self.found {
            Found::Head { index, leaf } => Some(KnownHead {
                index: *index,
                leaf: leaf.as_ref().clone(),
                writer: leaf.verify(&trust.writers, *index)?.name().to_owned(),
            }),
            Found::Other(_) | Found::Nothing => None,
        };
        Ok(VerifiedHead {
            subject: self.subject.clone(),
            size: self.size,
            head,
            subjects: self.subjects,
            map_root,
            heads_leaf,
        })
    }

    /// Checks that path, map, heads leaf and the subject's leaf belong together, and gives the map's root. Signatures and
    /// the inclusion of the heads leaf are left to `verify`.
    ///
    /// # Errors
    /// `ProofRejected`, `WrongOrigin`.
    pub fn check_map(&self) -> Result<Hash, Error> {
        let rejected = |reason: String| Err(Error::ProofRejected { what: WHAT, reason });
        if self.subject.is_heads() {
            return rejected("the subject heads is not in the map".to_owned());
        }
        let key = MapKey::of(&self.subject);
        let heads_leaf = self.receipt.leaf.leaf();
        let found = match &self.found {
            Found::Head { index, leaf } => Some(self.entry(key, *index, leaf)?),
            Found::Other(entry) if entry.key == key => {
                return rejected(format!("it denies the entry of {}, and shows it", self.subject));
            }
            Found::Other(entry) => Some(*entry),
            Found::Nothing => None,
        };
        let steps = self.steps.clone();
        let root = MapPath { found, steps }.root(&key)?;
        let body = HeadsBody {
            origin: heads_leaf.origin.clone(),
            size: self.size,
            subjects: self.subjects,
            root,
        };
        body.check(heads_leaf)?;
        let index = self.receipt.index;
        if self.size.0 > index.0 {
            return rejected(format!(
                "leaf {index} cannot speak about the first {} leaves",
                self.size
            ));
        }
        match found {
            Some(found) if found.leaf_index.0 >= self.size.0 => rejected(format!(
                "leaf {} is not among the first {}",
                found.leaf_index, self.size
            )),
            _ => Ok(root),
        }
    }

    fn entry(&self, key: MapKey, leaf_index: LeafIndex, signed: &SignedLeaf) -> Result<MapEntry, Error> {
        let (leaf, origin) = (signed.leaf(), &self.receipt.leaf.leaf().origin);
        if leaf.subject != self.subject {
            let reason = format!("its leaf is of subject {}, not {}", leaf.subject, self.subject);
            return Err(Error::ProofRejected { what: WHAT, reason });
        }
        if leaf.origin != *origin {
            let (expected, found) = (origin.clone(), leaf.origin.clone());
            return Err(Error::WrongOrigin {
                what: "leaf",
                expected,
                found,
            });
        }
        Ok(MapEntry {
            key,
            sequence: leaf.sequence,
            leaf_index,
            leaf_hash: signed.hash(),
        })
    }
}
