//! Leaves that change who certifies or who writes: which of them a replica takes.

use bytes::Bytes;
use dab_proof::epoch::{CHANGES_BYTES_MAX, EpochNote};
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

/// Bytes of a change's proof at most, but for its cosignatures: the leaf, the checkpoint and the path.
const PROOF_BYTES_MAX: usize = 6 << 10;
/// Bytes of a cosignature's line at most, but for its name.
const COSIGNATURE_BYTES_MAX: usize = 128;
/// Of what all changes may come to, the part that is kept for those by which somebody leaves or a key is revoked.
const CHANGES_RESERVED_BYTES: u64 = 1 << 20;

/// An epoch that begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) epoch: Epoch,
    /// What all changes come to with its own.
    pub(super) changes_bytes: u64,
}

/// Judges a change whose form is right and which follows on the last one, as the leaf at `index`; gives the epoch that it
/// begins.
pub(super) fn judge(
    settings: &Settings,
    leaf: &SignedLeaf,
    body: Option<&Bytes>,
    index: LeafIndex,
) -> Result<Begun, Refusal> {
    let refused = |reason: String| Refusal {
        subject: Some(Subject::members()),
        reason,
    };
    let note = read_epoch(leaf, body).map_err(refused)?;
    let next = note.text();
    let now = settings
        .epoch_before(next)
        .map_err(|error| refused(error.to_string()))?;
    let change = now.change_to(next).map_err(|error| refused(error.to_string()))?;
    now.check_approved(&note).map_err(|error| refused(error.to_string()))?;
    let epoch = Epoch::begun(next, index).map_err(|error| refused(error.to_string()))?;
    let changes_bytes = settings.changes_bytes + change_bytes_max(&now, body);
    // whoever follows the ledger from its beginning reads all of them, and so does a replica that catches up
    let reserved = if change.only_takes_away() {
        0
    } else {
        CHANGES_RESERVED_BYTES
    };
    if changes_bytes + reserved > CHANGES_BYTES_MAX as u64 {
        return Err(refused(format!(
            "the changes that a ledger can have come to at most {CHANGES_BYTES_MAX} bytes, with {reserved} of them kept for members \
             who leave and keys that are revoked; with this one they would come to {changes_bytes}"
        )));
    }
    Ok(Begun { epoch, changes_bytes })
}

/// Bytes of a change with the proof that those who certify now make.
fn change_bytes_max(now: &Epoch, body: Option<&Bytes>) -> u64 {
    let cosigners = now.policy().witnesses().iter();
    let cosignatures = cosigners.map(|cosigner| cosigner.key.name().len() + COSIGNATURE_BYTES_MAX);
    (body.map_or(0, Bytes::len) + PROOF_BYTES_MAX + cosignatures.sum::<usize>()) as u64
}

/// The body of such a leaf, which has to come with it.
pub(super) fn read_epoch(leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<EpochNote, String> {
    let body = body.ok_or_else(|| "a change of the members comes with its body".to_owned())?;
    let epoch = EpochNote::parse(body).map_err(|error| error.to_string())?;
    epoch.check(leaf.leaf()).map_err(|error| error.to_string())?;
    Ok(epoch)
}
