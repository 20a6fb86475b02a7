//! The one rule that the ledger knows: within a subject, sequences count up from zero and each leaf names its
//! predecessor. One leaf after the other is held against it.

use std::collections::BTreeMap;

use super::walk::Entry;
use crate::hash::Hash;
use crate::leaf::{Leaf, SignedLeaf, Subject};
use crate::report::{Finding, Report};
use crate::trust::Trust;

/// The last leaf of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

/// Where a statement does not follow on the last leaf of its subject.
pub(crate) fn breaks(head: Option<&Head>, statement: &Leaf) -> impl Iterator<Item = String> {
    let subject = &statement.subject;
    let due = head.map_or(0, |head| head.sequence.saturating_add(1));
    let sequence = (statement.sequence != due).then(|| {
        let sequence = statement.sequence;
        format!("subject {subject} has sequence {sequence} here, {due} is due")
    });
    let parent = (statement.parent != head.map(|head| head.hash))
        .then(|| format!("its parent is not the previous leaf of subject {subject}"));
    sequence.into_iter().chain(parent)
}

/// The heads of all subjects so far, and who wrote how much.
pub(super) struct Chain<'t> {
    origin: String,
    trust: &'t Trust,
    heads: BTreeMap<Subject, Head>,
    /// Leaves by writer.
    written: BTreeMap<String, u64>,
}

impl<'t> Chain<'t> {
    pub(super) fn new(origin: &str, trust: &'t Trust) -> Chain<'t> {
        Chain {
            origin: origin.to_owned(),
            trust,
            heads: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }

    pub(super) fn subjects(&self) -> usize {
        self.heads.len()
    }

    /// Leaves by name of their writer.
    pub(super) fn written(&self) -> &BTreeMap<String, u64> {
        &self.written
    }

    /// Checks an entry: it is a leaf for this ledger, signed by a writer who may write its subject, and follows its
    /// predecessor. Returns it unless it is no leaf at all.
    pub(super) fn follow(&mut self, report: &mut Report, entry: &Entry<'_>, leaf: &SignedLeaf) {
        let statement = leaf.leaf();
        let place = |message: String| {
            let finding = Finding::new(message).leaf(entry.index.0);
            if statement.subject.table_id().is_some() {
                finding.version(statement.sequence)
            } else {
                finding
            }
        };
        if statement.origin != self.origin {
            report.fail(place(format!(
                "it is meant for ledger {}, not for {}",
                statement.origin, self.origin
            )));
        }
        match leaf.verify(&self.trust.writers, entry.index) {
            Ok(writer) => *self.written.entry(writer.name().to_owned()).or_default() += 1,
            Err(error) => report.fail(place(error.to_string())),
        }
        for message in breaks(self.heads.get(&statement.subject), statement) {
            report.fail(place(message));
        }
        self.heads.insert(
            statement.subject.clone(),
            Head {
                sequence: statement.sequence,
                hash: entry.hash,
            },
        );
    }
}

/// Reads an entry as a leaf; notes it when it is none.
pub(super) fn read_leaf(report: &mut Report, entry: &Entry<'_>) -> Option<SignedLeaf> {
    match SignedLeaf::from_bytes(entry.bytes) {
        Ok(leaf) => Some(leaf),
        Err(error) => {
            report.fail(Finding::new(error.to_string()).leaf(entry.index.0));
            None
        }
    }
}
