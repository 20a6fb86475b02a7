//! Leaves that change who certifies or who writes: which of them a replica takes.

use bytes::Bytes;
use dab_proof::epoch::EpochNote;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::tree::LeafIndex;

use super::check::Refusal;
use super::entry::{ProposalBytes, Settings};
use super::view::StateView;
use crate::Error;
use crate::epoch::Epoch;

/// Judges a well-formed proposal before it enters the raft log, where it is a change: nothing but the change before it has a say
/// in whether it is taken, so that one which will be refused need not cost everybody an entry. All else may enter, and so may
/// what follows on a change that is not applied here, or stands in the ledger already.
///
/// # Errors
///
/// Only when the state cannot be read.
pub(crate) fn may_enter(
    view: &dyn StateView,
    leaves: &[SignedLeaf],
    proposal: &ProposalBytes,
) -> Result<Result<(), Refusal>, Error> {
    let ([leaf], [statement], Some(settings)) = (leaves, &proposal.statements[..], view.settings()) else {
        return Ok(Ok(()));
    };
    if !leaf.leaf().subject.is_members() {
        return Ok(Ok(()));
    }
    let follows_on = view.head(&Subject::members())?.map_or(0, |head| head.sequence + 1);
    if leaf.leaf().sequence != follows_on {
        return Ok(Ok(()));
    }
    let index = LeafIndex(view.tree_size());
    Ok(judge(settings, leaf, statement.body.as_ref(), index).map(|_| ()))
}

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
