//! The audit of a whole ledger.

use super::chain::{Chain, read_leaf};
use super::heads::HeadMaps;
use super::tiles::Tiles;
use super::walk::{read_checkpoint, walk};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{Hash, empty_root};
use crate::report::{Finding, Report, count};
use crate::source::Source;
use crate::trust::Trust;

/// Derives a ledger again from leaf zero: the checkpoint's signatures and quorum, every entry, every tile of hashes (the
/// full ones and the partial ones of the checkpoint's size), the root, each leaf's form, signature, writer and origin,
/// and for every subject that sequences count up from zero and each leaf names its predecessor; of each heads leaf, that it
/// binds the head map of leaves before it.
///
/// `since` is an older checkpoint that the auditor kept: it must be certified by the same policy, and the root that the
/// entries give at its size must be its root, which proves that the ledger has only been appended to.
///
/// One entry bundle and, of each subject, the head and its part of the head map are held in memory. A ledger without
/// `checkpoint`, or one that cannot be read, gives an undecided report.
pub fn audit_ledger(source: &dyn Source, trust: &Trust, since: Option<&[u8]>) -> Report {
    let mut report = Report::new("audit of a ledger");
    let Some(checkpoint) = read_checkpoint(source, trust, &mut report) else {
        return report;
    };
    report.title = format!("audit of ledger {}", checkpoint.origin);
    if !trust.policy.needs_no_cosigner() {
        report.fact("witnesses outside", trust.policy.outside_in_words());
    }
    let since = match since.map(|bytes| read_since(&mut report, trust, &checkpoint, bytes)) {
        Some(None) => return report,
        Some(older) => older,
        None => {
            report.leave_out("that nothing was rewritten since an earlier audit: give --since an older checkpoint");
            None
        }
    };
    let mut chain = Chain::new(&checkpoint.origin, trust);
    let mut heads = HeadMaps::new(&checkpoint.origin);
    let mut tiles = Tiles::new(source, checkpoint.size);
    let mut since_root = since.as_ref().filter(|older| older.size.0 == 0).map(|_| empty_root());
    let (mut leaves_hold, mut changes) = (true, Vec::new());
    let whole = walk(source, &checkpoint, &mut report, &mut |report, entry| {
        let failed = report.failed();
        let leaf = read_leaf(report, &entry);
        if let Some(leaf) = &leaf {
            chain.follow(report, &entry, leaf);
            if leaf.leaf().subject.is_members() {
                changes.push(entry.index);
            }
        }
        heads.follow(report, &entry, leaf.as_ref());
        leaves_hold &= report.failed() == failed;
        tiles.push(report, entry.hash);
        if since.as_ref().is_some_and(|older| older.size == entry.tree.size()) {
            since_root = Some(entry.tree.root());
        }
    });
    if leaves_hold && whole {
        report.check("form, origin, signature and writer of every leaf");
        report.check(format!(
            "sequence and parent of every leaf, in {}",
            count(chain.subjects() as u64, ["subject", "subjects"])
        ));
    }
    if let Some(last) = changes.last() {
        let leaves = count(changes.len() as u64, ["leaf", "leaves"]);
        report.leave_out(format!(
            "what each change of who certifies, who writes and which witness is asked says ({leaves}, the last is {last}): \
             dab-verify follow tells it"
        ));
    }
    if whole {
        heads.finish(&mut report);
        tiles.finish(&mut report);
    }
    for (writer, leaves) in chain.written() {
        report.written(writer.as_str(), count(*leaves, ["leaf", "leaves"]));
    }
    if let (Some(older), Some(root)) = (since, since_root) {
        compare_since(&mut report, &older, root, &checkpoint);
    }
    report.leave_out("bodies: a leaf binds their digests (audit a table for its commit files)");
    report
}

/// Reads and accepts the older checkpoint; it must not be ahead of the ledger.
fn read_since(report: &mut Report, trust: &Trust, checkpoint: &Checkpoint, bytes: &[u8]) -> Option<Checkpoint> {
    let verified = SignedCheckpoint::parse(bytes).and_then(|signed| trust.policy.verify(&signed).map(|_| signed));
    let older = match verified {
        Ok(signed) => signed.checkpoint().clone(),
        Err(error) => {
            report.doubt(Finding::new(format!("the older checkpoint cannot be used: {error}")));
            return None;
        }
    };
    if older.origin != checkpoint.origin {
        let message = format!(
            "the older checkpoint is of ledger {}, this one is {}",
            older.origin, checkpoint.origin
        );
        report.doubt(Finding::new(message));
        return None;
    }
    if older.size > checkpoint.size {
        let message = format!(
            "the ledger shrank: size {} was certified, now it is {}",
            older.size, checkpoint.size
        );
        report.fail(Finding::new(message).file("checkpoint"));
        return None;
    }
    Some(older)
}

fn compare_since(report: &mut Report, older: &Checkpoint, root: Hash, checkpoint: &Checkpoint) {
    if older.root == root {
        let (old, new) = (older.size, checkpoint.size);
        report.check(format!(
            "append-only since the older checkpoint: from size {old} to {new}"
        ));
    } else {
        let message = format!(
            "history was rewritten: at size {} the root was certified as {}, the leaves now give {root}; keep both \
             checkpoints as evidence",
            older.size, older.root
        );
        report.fail(Finding::new(message).file("checkpoint"));
    }
}
