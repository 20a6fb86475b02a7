//! Two checkpoints of one ledger that cannot both be true. What is kept of such a fork is enough for anybody to check it.
//!
//! Two roots for one size contradict each other as they stand. For two sizes it takes what the newer tree looked like at
//! the older size, and a consistency proof that it did (`ForkProof`), as text:
//!
//! ```text
//! dab/fork-proof/v1
//! size <the older size>
//! root <base64: the root that the newer tree has at that size>
//! <base64>                     the consistency proof from there to the newer tree, one hash a line
//! ```

mod report;

pub use report::{Further, check_fork};

use crate::checkpoint::Checkpoint;
use crate::consistency;
use crate::error::Error;
use crate::hash::Hash;
use crate::source::Source;
use crate::tile::hash_from_tiles;
use crate::tree::{PROOF_HASHES_MAX, TreeSize, range_hash};

/// Bytes of the longest text of a `ForkProof`.
pub const FORK_PROOF_BYTES_MAX: usize = 4096;

const WHAT: &str = "fork proof";
const HEADER: &str = "dab/fork-proof/v1";

/// What two checkpoints of one ledger say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// The larger tree extends the smaller one.
    Consistent,
    /// Both cannot be true. For two sizes, with the proof; two roots for one size need none.
    Contradictory(Option<ForkProof>),
}

/// The root of a tree at an older size, with the proof that the tree grew from it. It shows a fork only beside a checkpoint of
/// that size with another root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    /// The older size.
    pub size: TreeSize,
    /// The root there.
    pub root: Hash,
    /// The consistency proof from there to the newer tree.
    pub hashes: Vec<Hash>,
}

/// Compares two checkpoints of one ledger, in either order; `tiles` are those of the larger tree, and are not asked when
/// the sizes are equal.
///
/// # Errors
/// `WrongOrigin` for two ledgers; those of `ForkProof::from_tiles`: then nothing is known of the two.
pub fn compare(first: &Checkpoint, second: &Checkpoint, tiles: &dyn Source) -> Result<Relation, Error> {
    check_origins(first, second)?;
    let (older, newer) = if first.size <= second.size {
        (first, second)
    } else {
        (second, first)
    };
    if older.size == newer.size {
        return Ok(if older.root == newer.root {
            Relation::Consistent
        } else {
            Relation::Contradictory(None)
        });
    }
    let proof = ForkProof::from_tiles(older.size, newer, tiles)?;
    Ok(if proof.root == older.root {
        Relation::Consistent
    } else {
        Relation::Contradictory(Some(proof))
    })
}

impl ForkProof {
    /// Makes the proof from the tiles of the tree that `newer` speaks of; `size` is at most its size.
    ///
    /// # Errors
    /// `ProofRejected` when the tiles do not lead to the root of `newer`; `Missing` and `Malformed` for tiles that are not
    /// what they should be, and those of `tiles`.
    pub fn from_tiles(size: TreeSize, newer: &Checkpoint, tiles: &dyn Source) -> Result<ForkProof, Error> {
        let mut node = |level, index| hash_from_tiles(tiles, newer.size, level, index);
        let root = range_hash(0, size.0, &mut node)?;
        let hashes = consistency::prove(size, newer.size, &mut node)?;
        let proof = ForkProof { size, root, hashes };
        proof.verify(newer)?;
        Ok(proof)
    }

    /// What a consistency proof for the tree of `newer` itself shows of it at `size`; none when it does not lead to
    /// `newer`, or shows nothing of the older size.
    pub fn from_consistency(size: TreeSize, newer: &Checkpoint, hashes: &[Hash]) -> Option<ForkProof> {
        let root = consistency::older_root(size, newer.size, &newer.root, hashes)?;
        let hashes = hashes.to_vec();
        Some(ForkProof { size, root, hashes })
    }

    /// Checks that the tree of `newer` had this root at this size.
    ///
    /// # Errors
    /// `ProofRejected`.
    pub fn verify(&self, newer: &Checkpoint) -> Result<(), Error> {
        consistency::verify(self.size, &self.root, newer.size, &newer.root, &self.hashes)
    }

    /// The text, to be kept beside the two checkpoints.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nsize {}\nroot {}\n", self.size, self.root);
        for hash in &self.hashes {
            text += &format!("{hash}\n");
        }
        text
    }

    /// Reads the text. What it says is to be checked with `verify`.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<ForkProof, Error> {
        let malformed = |reason: &str| Error::malformed(WHAT, reason);
        Error::check_size(WHAT, bytes.len(), FORK_PROOF_BYTES_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let text = text
            .strip_suffix('\n')
            .ok_or_else(|| malformed("the last line does not end"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is not dab/fork-proof/v1"));
        }
        let mut field = |name: &str| {
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or_else(|| malformed("it does not name size and root"))
        };
        let (size, root) = (field("size")?.parse()?, field("root")?.parse()?);
        let hashes = lines.map(str::parse).collect::<Result<Vec<Hash>, _>>()?;
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(malformed("it has too many hashes"));
        }
        Ok(ForkProof { size, root, hashes })
    }
}

fn check_origins(first: &Checkpoint, second: &Checkpoint) -> Result<(), Error> {
    if first.origin == second.origin {
        return Ok(());
    }
    let (expected, found) = (first.origin.clone(), second.origin.clone());
    Err(Error::WrongOrigin {
        what: "the second checkpoint",
        expected,
        found,
    })
}

#[cfg(test)]
mod tests;
