//! Leaves that change the ledger's members: which of them a replica takes.

use bytes::Bytes;
use dab_proof::epoch::EpochNote;
use dab_proof::leaf::{SignedLeaf, Subject};

use super::check::Refusal;
use super::entry::Settings;
use crate::epoch::Epoch;

/// Judges a change whose form is right and which follows on the last one; gives the epoch that it begins.
pub(super) fn judge(settings: &Settings, leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<Epoch, Refusal> {
    let refused = |reason: String| Refusal {
        subject: Some(Subject::members()),
        reason,
    };
    let now = settings
        .epoch()
        .map_err(|error| refused(format!("the members that are there: {error}")))?;
    let now = now.ok_or_else(|| refused("this ledger has one node, and no members to change".to_owned()))?;
    let note = read_epoch(leaf, body).map_err(refused)?;
    let next = Epoch::read(note.text().clone()).map_err(|error| refused(error.to_string()))?;
    let judged = now.check_next(&next).and_then(|()| now.check_approved(&note));
    judged.map(|()| next).map_err(|error| refused(error.to_string()))
}

/// The body of such a leaf, which has to come with it.
pub(super) fn read_epoch(leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<EpochNote, String> {
    let body = body.ok_or_else(|| "a change of the members comes with its body".to_owned())?;
    let epoch = EpochNote::parse(body).map_err(|error| error.to_string())?;
    epoch.check(leaf.leaf()).map_err(|error| error.to_string())?;
    Ok(epoch)
}
