//! Leaves that change who certifies or who writes: which of them a replica takes.

use bytes::Bytes;
use dab_proof::epoch::EpochNote;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::tree::LeafIndex;

use super::check::Refusal;
use super::entry::Settings;
use crate::epoch::Epoch;

/// Judges a change whose form is right and which follows on the last one, as the leaf at `index`; gives the epoch that it
/// begins.
pub(super) fn judge(
    settings: &Settings,
    leaf: &SignedLeaf,
    body: Option<&Bytes>,
    index: LeafIndex,
) -> Result<Epoch, Refusal> {
    let refused = |reason: String| Refusal {
        subject: Some(Subject::members()),
        reason,
    };
    let note = read_epoch(leaf, body).map_err(refused)?;
    let next = note.text();
    let now = settings
        .epoch_before(next)
        .map_err(|error| refused(error.to_string()))?;
    let judged = now.change_to(next).and_then(|_| now.check_approved(&note));
    let begun = judged.and_then(|()| Epoch::begun(next, index));
    begun.map_err(|error| refused(error.to_string()))
}

/// The body of such a leaf, which has to come with it.
pub(super) fn read_epoch(leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<EpochNote, String> {
    let body = body.ok_or_else(|| "a change of the members comes with its body".to_owned())?;
    let epoch = EpochNote::parse(body).map_err(|error| error.to_string())?;
    epoch.check(leaf.leaf()).map_err(|error| error.to_string())?;
    Ok(epoch)
}
