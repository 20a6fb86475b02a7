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

/// Follows the changes from the epoch of `policy` and `writers`: `epoch`, where the trust folder tells it; or else that whose
/// texts these are; or else the one that the ledger was founded with. None where the file has nothing newer.
///
/// Lines of writers are added and never taken away, so that earlier members' changes lead nobody back.
///
/// # Errors
/// Those of `Trust::from_texts` and `EpochChange::follow`; `ProofRejected` for a change that takes writers away. Nothing is
/// believed of changes of which one does not hold.
pub fn follow_changes(
    policy: &[u8],
    writers: &[u8],
    epoch: Option<u64>,
    changes: &[EpochChange],
) -> Result<Vec<Step>, Error> {
    let is_theirs = |change: &EpochChange| {
        let text = change.epoch.text();
        text.policy.as_bytes() == policy && text.writers.as_bytes() == writers
    };
    let of_texts = || changes.iter().rposition(is_theirs).map_or(0, |last| last + 1);
    let first = epoch.map_or_else(of_texts, |epoch| usize::try_from(epoch).unwrap_or(usize::MAX));
    let mut before = writers.to_vec();
    let mut trust = Trust::from_texts(policy, writers, None)?;
    let mut steps = Vec::new();
    for (epoch, change) in (0..).zip(changes).skip(first) {
        let certification = Policy::verify(&trust.policy, &change.receipt.checkpoint)?;
        trust = change.follow(&trust, epoch)?;
        let after = change.epoch.text().writers.as_bytes();
        if !after.starts_with(&before) {
            let reason = format!("the change to epoch {} takes writers away", epoch + 1);
            return Err(Error::ProofRejected {
                what: super::CHANGE,
                reason,
            });
        }
        before = after.to_vec();
        steps.push(Step {
            epoch: epoch + 1,
            certification,
            text: change.epoch.text().clone(),
        });
    }
    Ok(steps)
}
