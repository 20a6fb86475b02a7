//! All changes of a ledger's members, one behind the other: the file `trust/changes`.

use super::{EpochChange, EpochText};
use crate::error::Error;
use crate::policy::{Certification, Policy};
use crate::trust::Trust;

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

/// Follows the changes from the epoch of `policy` and `writers`: that whose texts these are, or else the one that the ledger
/// was founded with. None where they are of the last epoch already.
///
/// # Errors
/// Those of `Trust::from_texts` and `EpochChange::follow`; nothing is believed of changes of which one does not hold.
pub fn follow_changes(policy: &[u8], writers: &[u8], changes: &[EpochChange]) -> Result<Vec<Step>, Error> {
    let is_theirs = |change: &EpochChange| {
        let text = change.epoch.text();
        text.policy.as_bytes() == policy && text.writers.as_bytes() == writers
    };
    let first = changes.iter().rposition(is_theirs).map_or(0, |last| last + 1);
    let mut trust = Trust::from_texts(policy, writers, None)?;
    let mut steps = Vec::new();
    for (epoch, change) in (0..).zip(changes).skip(first) {
        let certification = Policy::verify(&trust.policy, &change.receipt.checkpoint)?;
        trust = change.follow(&trust, epoch)?;
        steps.push(Step {
            epoch: epoch + 1,
            certification,
            text: change.epoch.text().clone(),
        });
    }
    Ok(steps)
}
