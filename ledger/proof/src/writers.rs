//! Who may write which subjects: the file `trust/writers`.
//!
//! ```text
//! # comment
//! <vkey> <subject glob> [<subject glob>...]
//! revoked <leaf index> <vkey> <subject glob> [<subject glob>...]
//! ```
//!
//! One line per key, words parted by spaces or tabs. A glob is a subject, or the beginning of one with `*` at the end.
//! Client keys are outside C2SP `tlog-policy`, hence this file beside it.
//!
//! A revoked key's leaves count below the index of its line, and from there on no more. Lines stay for ever, so that old leaves
//! can be checked for ever; `revocation` says how they come to be.

mod revocation;

pub use revocation::{check_succession, number_revoked, revoke};

use crate::error::Error;
use crate::key::{SignatureType, VerifierKey};
use crate::leaf::{SUBJECT_BYTES_MAX, Subject};
use crate::policy::{Line, words_by_line};
use crate::text;
use crate::tree::{LeafIndex, TREE_SIZE_MAX};

/// Bytes of the largest writers file.
pub const WRITERS_BYTES_MAX: usize = 1 << 20;

const WHAT: &str = "writers file";
/// What the line of a revoked key begins with. No key is written so: each has a `+`.
const REVOKED: &str = "revoked";

/// The keys whose leaves count.
#[derive(Debug, Clone, Default)]
pub struct Writers {
    writers: Vec<Writer>,
}

/// One key and the subjects that it may write.
#[derive(Debug, Clone)]
pub struct Writer {
    key: VerifierKey,
    globs: Vec<String>,
    revoked_from: Option<LeafIndex>,
}

impl Writers {
    /// Reads the file.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed` (a key listed twice included, and one that is revoked without a leaf index), `UnsupportedKey`
    /// for keys other than type 0x01.
    pub fn parse(bytes: &[u8]) -> Result<Writers, Error> {
        Error::check_size(WHAT, bytes.len(), WRITERS_BYTES_MAX)?;
        let mut writers: Vec<Writer> = Vec::new();
        for Line { number, words } in words_by_line(WHAT, bytes)? {
            let words = words
                .iter()
                .map(|word| utf8(number, word))
                .collect::<Result<Vec<_>, _>>()?;
            let (revoked_from, words) = revoked(number, &words)?;
            let (vkey, globs) = words
                .split_first()
                .ok_or_else(|| Error::malformed(WHAT, format!("line {number} names no key")))?;
            let key: VerifierKey = vkey.parse()?;
            key.check_kind(SignatureType::Ed25519, "a writer")?;
            // two of one name and id could not be told apart by a signature line
            let is_same = |other: &Writer| {
                let (name, id) = (other.key.name(), other.key.key_id());
                other.key.public_key() == key.public_key() || (name == key.name() && id == key.key_id())
            };
            if writers.iter().any(is_same) {
                return Err(Error::malformed(
                    WHAT,
                    format!("line {number} lists the key of {} again", key.name()),
                ));
            }
            if globs.is_empty() {
                return Err(Error::malformed(
                    WHAT,
                    format!("line {number} names no subject, * would mean all"),
                ));
            }
            for glob in globs {
                check_glob(number, glob)?;
            }
            writers.push(Writer {
                key,
                globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
                revoked_from,
            });
        }
        Ok(Writers { writers })
    }

    /// The writer whose key has this name and id.
    pub fn find(&self, name: &str, key_id: u32) -> Option<&Writer> {
        self.writers
            .iter()
            .find(|writer| writer.key.name() == name && writer.key.key_id() == key_id)
    }

    /// All writers in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Writer> {
        self.writers.iter()
    }
}

impl Writer {
    /// Name of the key.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The key.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The subjects that it may write, as they stand in the file.
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    /// The index from which on its leaves count no more; none while it may write.
    pub fn revoked_from(&self) -> Option<LeafIndex> {
        self.revoked_from
    }

    /// True when one of the globs covers `subject`.
    pub fn allows(&self, subject: &Subject) -> bool {
        self.globs.iter().any(|glob| match glob.strip_suffix('*') {
            Some(prefix) => subject.as_str().starts_with(prefix),
            None => subject.as_str() == glob,
        })
    }
}

/// The index after the word `revoked`, and the words that are those of any line.
fn revoked<'w, 't>(number: usize, words: &'w [&'t str]) -> Result<(Option<LeafIndex>, &'w [&'t str]), Error> {
    let Some((_, rest)) = words.split_first().filter(|(first, _)| **first == REVOKED) else {
        return Ok((None, words));
    };
    let index = rest.first().and_then(|word| text::decimal(word));
    let index = index.filter(|index| *index < TREE_SIZE_MAX);
    match (index, rest) {
        (Some(index), [_, rest @ ..]) => Ok((Some(LeafIndex(index)), rest)),
        _ => {
            let reason = format!("line {number} does not say from which leaf on its key is revoked");
            Err(Error::malformed(WHAT, reason))
        }
    }
}

fn utf8(number: usize, word: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(word).map_err(|_| Error::malformed(WHAT, format!("line {number} is not UTF-8")))
}

fn check_glob(number: usize, glob: &str) -> Result<(), Error> {
    let stem = glob.strip_suffix('*').unwrap_or(glob);
    if stem.contains('*') || glob.len() > SUBJECT_BYTES_MAX || !stem.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = format!("line {number}: {glob:?} is no subject, and * may stand only at its end");
        return Err(Error::malformed(WHAT, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
