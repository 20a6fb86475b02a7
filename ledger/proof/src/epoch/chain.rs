//! All changes of a ledger's members, one behind the other: the file `trust/changes`.

use super::{EpochChange, EpochText};
use crate::error::Error;
use crate::policy::{Certification, Policy};
use crate::tree::LeafIndex;
use crate::trust::Trust;
use crate::writers::check_succession;

/// Bytes of the largest file of changes.
pub const CHANGES_BYTES_MAX: usize = 16 << 20;

/// A change that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The epoch that it begins.
    pub epoch: u64,
    /// By whom it was certified.
    pub certification: Certification,
    /// Whom to trust from there on.
    pub text: EpochText,
}

/// Reads a file of changes.
///
/// # Errors
/// `TooLarge`, `Malformed`.
pub fn parse_changes(bytes: &[u8]) -> Result<Vec<EpochChange>, Error> {
    Error::check_size("file of changes", bytes.len(), CHANGES_BYTES_MAX)?;
    let (mut rest, mut changes) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (change, after) = EpochChange::parse(rest)?;
        changes.push(change);
        rest = after;
    }
    Ok(changes)
}

/// Follows the changes from the epoch of `policy` and `writers`: `epoch`, where the trust folder tells it; or else that whose
/// texts these are; or else the one that the ledger was founded with. None where the file has nothing newer.
///
/// Lines of writers are added, and revoked, and never taken away, so that earlier members' changes lead nobody back.
///
/// # Errors
/// Those of `Trust::from_texts` and `EpochChange::follow`; those of `check_succession`. Nothing is
/// believed of changes of which one does not hold.
pub fn follow_changes(
    policy: &[u8],
    writers: &[u8],
    epoch: Option<u64>,
    changes: &[EpochChange],
) -> Result<Vec<Step>, Error> {
    let is_theirs = |change: &EpochChange| {
        let text = change.text();
        // a node alone hands no policy over
        let is_policy = text.members.is_empty() || text.policy.as_bytes() == policy;
        is_policy && text.writers.as_bytes() == writers
    };
    let of_texts = || changes.iter().rposition(is_theirs).map_or(0, |last| last + 1);
    let first = epoch.map_or_else(of_texts, |epoch| usize::try_from(epoch).unwrap_or(usize::MAX));
    // whatever is not UTF-8 is no writers file, as the next line finds
    let mut before = String::from_utf8_lossy(writers).into_owned();
    let mut policy_text = String::from_utf8_lossy(policy).into_owned();
    let mut trust = Trust::from_texts(policy, writers, None)?;
    let mut steps = Vec::new();
    for (epoch, change) in (0..).zip(changes).skip(first) {
        let certification = Policy::verify(&trust.policy, &change.receipt.checkpoint)?;
        trust = change.follow(&trust, epoch)?;
        let mut text = change.text();
        match text.members.is_empty() {
            true => text.policy.clone_from(&policy_text),
            false => policy_text.clone_from(&text.policy),
        }
        let from = LeafIndex(change.receipt.index.0 + 1);
        check_succession(&before, &text.writers, from)?;
        before.clone_from(&text.writers);
        steps.push(Step {
            epoch: epoch + 1,
            certification,
            text,
        });
    }
    Ok(steps)
}
