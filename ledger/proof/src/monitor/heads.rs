//! The last leaf of each subject, in memory and as a text:
//!
//! ```text
//! dab/heads/v1
//! root <base64: the root of the tree that they belong to>
//! complete <yes, or no when there are subjects beyond HEADS_MAX>
//! <subject> <sequence> <base64: leaf hash>
//! ```

use std::collections::BTreeMap;

use crate::audit::chain::{Head, breaks};
use crate::error::Error;
use crate::hash::Hash;
use crate::leaf::{SignedLeaf, Subject};
use crate::text;

/// Subjects whose chain is followed; leaves of further ones are checked for everything else.
pub const HEADS_MAX: usize = 100_000;

const WHAT: &str = "heads file";
const HEADER: &str = "dab/heads/v1";

/// The last leaf of each subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    heads: BTreeMap<Subject, Head>,
    complete: bool,
}

impl Default for Heads {
    /// Those of the empty tree.
    fn default() -> Heads {
        let heads = BTreeMap::new();
        Heads { heads, complete: true }
    }
}

impl Heads {
    /// Takes the next leaf; returns where it does not follow on the last one of its subject.
    pub(super) fn follow(&mut self, leaf: &SignedLeaf) -> Option<String> {
        let statement = leaf.leaf();
        let head = self.heads.get(&statement.subject);
        let found = match head {
            // an unknown subject may be one of those beyond the limit
            None if !self.complete => None,
            head => breaks(head, statement).next(),
        };
        let known = head.is_some();
        if !known && self.heads.len() >= HEADS_MAX {
            self.complete = false;
            return found;
        }
        let (sequence, hash) = (statement.sequence, leaf.hash());
        self.heads.insert(statement.subject.clone(), Head { sequence, hash });
        found
    }

    /// Number of subjects.
    pub fn subjects(&self) -> usize {
        self.heads.len()
    }

    /// Whether the chain of every subject is followed: not with more than `HEADS_MAX` of them.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The text, for the tree that has this root.
    pub fn to_text(&self, root: &Hash) -> String {
        let complete = if self.complete { "yes" } else { "no" };
        let mut text = format!("{HEADER}\nroot {root}\ncomplete {complete}\n");
        for (subject, Head { sequence, hash }) in &self.heads {
            text += &format!("{subject} {sequence} {hash}\n");
        }
        text
    }

    /// Reads the text; `None` when it belongs to another tree than that with this root.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8], root: &Hash) -> Result<Option<Heads>, Error> {
        let malformed = || Error::malformed(WHAT, "it is not one that a monitor wrote");
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed());
        }
        let of: Hash = lines
            .next()
            .and_then(|line| line.strip_prefix("root "))
            .ok_or_else(malformed)?
            .parse()?;
        let complete = match lines.next() {
            Some("complete yes") => true,
            Some("complete no") => false,
            _ => return Err(malformed()),
        };
        let head = |line: &str| {
            let mut words = line.split(' ');
            let (subject, sequence, hash) = (words.next()?, words.next()?, words.next()?);
            let head = Head {
                sequence: text::decimal(sequence)?,
                hash: hash.parse().ok()?,
            };
            words.next().is_none().then_some((subject.parse().ok()?, head))
        };
        let heads = lines
            .map(|line| head(line).ok_or_else(malformed))
            .collect::<Result<_, _>>()?;
        Ok((of == *root).then_some(Heads { heads, complete }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TinyLedger;

    /// Leaf `sequence` of a subject.
    fn leaf(subject: &str, sequence: u64) -> SignedLeaf {
        let (mut ledger, subject) = (TinyLedger::new(), subject.parse().unwrap());
        let indexes: Vec<_> = (0..=sequence)
            .map(|_| ledger.append(&subject, b"body", None, "WRITE"))
            .collect();
        ledger.receipt(indexes[sequence as usize]).leaf
    }

    #[test]
    fn a_subject_that_is_not_known_has_to_begin_unless_there_are_more_than_are_followed() {
        for complete in [true, false] {
            let mut heads = Heads {
                complete,
                ..Heads::default()
            };
            assert_eq!(heads.follow(&leaf("table/a", 1)).is_some(), complete);
            // from now on it is known
            assert_eq!(heads.follow(&leaf("table/a", 2)), None);
            assert!(heads.follow(&leaf("table/a", 2)).is_some());
        }
    }

    #[test]
    fn so_many_subjects_are_followed_and_no_more() {
        let head = Head {
            sequence: 0,
            hash: crate::hash::empty_root(),
        };
        let subjects = (1..HEADS_MAX).map(|number| (Subject::table(&number.to_string()).unwrap(), head));
        let mut heads = Heads {
            heads: subjects.collect(),
            complete: true,
        };
        assert_eq!(heads.follow(&leaf("table/a", 0)), None);
        assert_eq!((heads.subjects(), heads.is_complete()), (HEADS_MAX, true));
        // those that are known are followed on
        assert_eq!(heads.follow(&leaf("table/a", 1)), None);
        assert!(heads.is_complete());
        assert_eq!(heads.follow(&leaf("table/b", 0)), None);
        assert_eq!((heads.subjects(), heads.is_complete()), (HEADS_MAX, false));
        assert!(heads.follow(&leaf("table/a", 3)).is_some());
    }
}
