//! The walk over all entries of a ledger, bundle by bundle, from leaf zero to the checkpoint.
//!
//! The root is derived from the entries alone. When it is the certified one, every entry that was passed on is exactly
//! what was certified: tiles are not needed for that.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::error::Error;
use crate::hash::{Hash, leaf_hash};
use crate::report::{Finding, Report, count};
use crate::source::Source;
use crate::tile::{new_bundles, read_bundle};
use crate::tree::{Frontier, LeafIndex, TreeSize};
use crate::trust::Trust;

/// One entry on the walk.
pub(super) struct Entry<'a> {
    pub(super) index: LeafIndex,
    pub(super) bytes: &'a [u8],
    pub(super) hash: Hash,
    /// The tree with this entry as its last leaf.
    pub(super) tree: &'a Frontier,
}

/// Reads `checkpoint` and accepts it under the policy. A failure is noted in the report.
pub(super) fn read_checkpoint(source: &dyn Source, trust: &Trust, report: &mut Report) -> Option<Checkpoint> {
    const FILE: &str = "checkpoint";
    let bytes = match source.read(FILE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            report.doubt(Finding::new("there is no ledger here: the file is missing").file(FILE));
            return None;
        }
        Err(error) => {
            report.error(&error, Finding::default().file(FILE));
            return None;
        }
    };
    let signed = match SignedCheckpoint::parse(&bytes) {
        Ok(signed) => signed,
        Err(error) => {
            report.error(&error, Finding::default().file(FILE));
            return None;
        }
    };
    match trust.policy.verify(&signed) {
        Ok(certification) => {
            let checkpoint = signed.checkpoint().clone();
            report.fact("ledger", checkpoint.origin.as_str());
            report.fact("leaves", checkpoint.size.to_string());
            report.fact("root", checkpoint.root.to_string());
            report.check(format!(
                "signatures of the checkpoint of {}, against the policy",
                count(checkpoint.size.0, ["leaf", "leaves"])
            ));
            report.certified(certification, checkpoint.size.0);
            Some(checkpoint)
        }
        Err(error) => {
            report.error(&error, Finding::default().file(FILE));
            None
        }
    }
}

/// Passes every entry to `visit`, then compares the root. Returns whether the walk came to its end and the root is the
/// certified one; else the report says why not.
pub(super) fn walk(
    source: &dyn Source,
    checkpoint: &Checkpoint,
    report: &mut Report,
    visit: &mut dyn FnMut(&mut Report, Entry<'_>),
) -> bool {
    let mut tree = Frontier::new();
    for path in new_bundles(TreeSize(0), checkpoint.size) {
        let entries = match read_bundle(source, path) {
            Ok(entries) => entries,
            Err(error) => {
                note_unread(report, path.to_string(), &error);
                report.leave_out(format!("leaves {} to {}", tree.size(), checkpoint.size.0 - 1));
                return false;
            }
        };
        for bytes in &entries {
            let (index, hash) = (LeafIndex(tree.size().0), leaf_hash(bytes));
            tree.push(hash);
            visit(
                report,
                Entry {
                    index,
                    bytes,
                    hash,
                    tree: &tree,
                },
            );
        }
    }
    if tree.root() != checkpoint.root {
        let message = format!(
            "the leaves lead to root {}, not to the certified {}",
            tree.root(),
            checkpoint.root
        );
        report.fail(Finding::new(message).file("tile/entries"));
        return false;
    }
    report.check(format!(
        "{}, from the first on: they lead to the certified root",
        count(checkpoint.size.0, ["leaf", "leaves"])
    ));
    true
}

/// Notes a public file that is missing, malformed or unreadable.
pub(super) fn note_unread(report: &mut Report, file: String, error: &Error) {
    let message = match error {
        Error::Missing { .. } => Finding::new("it is missing, though the checkpoint needs it"),
        Error::Unavailable { reason, .. } => Finding::new(format!("it cannot be read: {reason}")),
        other => Finding::new(other.to_string()),
    };
    let finding = message.file(file);
    if error.is_undecided() {
        report.doubt(finding)
    } else {
        report.fail(finding)
    }
}
