//! The leaf: one statement about one subject, signed by who wrote it. Its text is the text of a signed note:
//!
//! ```text
//! dab/leaf/v1
//! origin <origin of the ledger>
//! subject <subject>
//! sequence <N>
//! parent <base64 leaf hash of sequence N-1, or - for sequence 0>
//! body blake3:<64 hex digits> sha256:<64 hex digits> <bytes>
//! files rfc6962-sha256:<64 hex digits> <count>      (or "files -" for none)
//! operation <NAME>
//! ```
//!
//! The order is fixed, single spaces part the words, numbers are decimal without leading zeros, hexadecimal digits are
//! lowercase: a statement has exactly one text. The bytes of the whole note, with its one signature, are the entry
//! that is hashed into the tree.

mod body;
mod signed;
mod subject;

pub use body::{BodyDigest, BodyHasher};
pub use signed::{LEAF_BYTES_MAX, SignedLeaf};
pub use subject::{SUBJECT_BYTES_MAX, Subject};

use crate::error::Error;
use crate::hash::Hash;
use crate::key::check_key_name;
use crate::text;

/// Bytes of the longest operation name.
pub const OPERATION_BYTES_MAX: usize = 64;

const WHAT: &str = "leaf";
const HEADER: &str = "dab/leaf/v1";

/// Root over the data files that a commit adds (see `commit_file::files_root`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesRoot {
    /// RFC 6962 root over one line per file.
    pub root: Hash,
    /// Number of files, at least one.
    pub count: u64,
}

/// One statement, not yet signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Origin of the ledger that it is meant for; it counts in no other.
    pub origin: String,
    /// What it speaks about.
    pub subject: Subject,
    /// Number of the statement within its subject, from zero; for a table, the version.
    pub sequence: u64,
    /// Leaf hash of the subject's previous statement; none exactly for sequence zero.
    pub parent: Option<Hash>,
    /// Digests of the body.
    pub body: BodyDigest,
    /// Files that the body adds, if any.
    pub files: Option<FilesRoot>,
    /// Name of the operation, such as `WRITE`: printable ASCII, words parted by single spaces.
    pub operation: String,
}

impl Leaf {
    /// The statement's text, each line ended by a newline.
    pub fn text(&self) -> String {
        let dash = || "-".to_owned();
        let parent = self.parent.map_or_else(dash, |hash| hash.to_string());
        let files = self.files.map_or_else(dash, |files| {
            format!("rfc6962-sha256:{} {}", files.root.to_hex(), files.count)
        });
        format!(
            "{HEADER}\norigin {}\nsubject {}\nsequence {}\nparent {parent}\nbody {}\nfiles {files}\noperation {}\n",
            self.origin, self.subject, self.sequence, self.body, self.operation
        )
    }

    /// Reads a statement's text.
    ///
    /// # Errors
    /// `Malformed` for anything but the one text that `text` gives.
    pub fn parse(statement: &str) -> Result<Leaf, Error> {
        let mut lines = Lines { rest: statement };
        if lines.next()? != HEADER {
            return Err(Error::malformed(WHAT, format!("the first line is not {HEADER}")));
        }
        let leaf = Leaf {
            origin: lines.value("origin")?.to_owned(),
            subject: lines.value("subject")?.parse()?,
            sequence: lines.read("sequence", text::decimal)?,
            parent: lines.read("parent", |value| optional(value, |value| value.parse().ok()))?,
            body: lines.read("body", body::read)?,
            files: lines.read("files", |value| optional(value, read_files))?,
            operation: lines.value("operation")?.to_owned(),
        };
        if !lines.rest.is_empty() {
            return Err(Error::malformed(WHAT, "more text follows the operation"));
        }
        leaf.check()?;
        Ok(leaf)
    }

    /// Checks that the fields fit the format: the text of a leaf that passes is read back as the same leaf.
    ///
    /// # Errors
    /// `Malformed`, naming the field.
    pub fn check(&self) -> Result<(), Error> {
        check_key_name(&self.origin)?;
        if (self.sequence == 0) != self.parent.is_none() {
            let reason = format!(
                "sequence {} {} a parent",
                self.sequence,
                if self.sequence == 0 { "has" } else { "lacks" }
            );
            return Err(Error::malformed(WHAT, reason));
        }
        if self.files.is_some_and(|files| files.count == 0) {
            return Err(Error::malformed(WHAT, "no files are written as -, not as a count of 0"));
        }
        let printable = self
            .operation
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let words = self.operation.split(' ').all(|word| !word.is_empty());
        if !printable || !words || self.operation.len() > OPERATION_BYTES_MAX {
            let reason = format!(
                "operation {:?} is not up to 64 characters of ASCII words",
                self.operation
            );
            return Err(Error::malformed(WHAT, reason));
        }
        Ok(())
    }
}

/// Takes a statement apart line by line.
struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, Error> {
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or_else(|| Error::malformed(WHAT, "a line is missing"))?;
        self.rest = rest;
        Ok(line)
    }

    fn value(&mut self, field: &str) -> Result<&'a str, Error> {
        let line = self.next()?;
        line.strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| Error::malformed(WHAT, format!("{line:?} stands where {field} should")))
    }

    fn read<T>(&mut self, field: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        let value = self.value(field)?;
        read(value).ok_or_else(|| Error::malformed(WHAT, format!("{field} {value:?} is not well formed")))
    }
}

fn optional<T>(value: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if value == "-" {
        Some(None)
    } else {
        read(value).map(Some)
    }
}

fn read_files(value: &str) -> Option<FilesRoot> {
    let (root, count) = value.strip_prefix("rfc6962-sha256:")?.split_once(' ')?;
    Some(FilesRoot {
        root: Hash::from_hex(root).ok()?,
        count: text::decimal(count)?,
    })
}

#[cfg(test)]
mod tests;
