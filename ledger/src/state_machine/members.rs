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

/// Bytes that all changes of a ledger come to at most, each with its proof: a raft snapshot has them in one message, and the
/// transport takes 4 MiB.
pub(super) const CHANGES_BYTES_MAX: u64 = 7 << 19;
/// Of these, the part that is kept for changes by which somebody leaves or a key is revoked.
pub(super) const CHANGES_RESERVED_BYTES: u64 = 1 << 19;
/// Bytes of a change's proof at most, but for its leaf, its path and its cosignatures.
const CHECKPOINT_BYTES_MAX: usize = 1 << 10;
/// Bytes of a line of the path.
const PATH_LINE_BYTES: usize = 45;
/// Bytes of a cosignature's line at most, but for its name.
const COSIGNATURE_BYTES_MAX: usize = 128;

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
    let head = view.head(&Subject::members())?;
    let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
    if leaf.leaf().sequence != sequence || leaf.leaf().parent != parent {
        return Ok(Ok(()));
    }
    let index = LeafIndex(view.tree_size());
    Ok(judge(settings, leaf, statement.body.as_ref(), index).map(|_| ()))
}

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
    let changes_bytes = settings.changes_bytes + change_bytes_max(&now, leaf, body, index);
    let limit = match change.only_takes_away() {
        true => CHANGES_BYTES_MAX,
        false => CHANGES_BYTES_MAX - CHANGES_RESERVED_BYTES,
    };
    if changes_bytes > limit {
        return Err(refused(format!(
            "all changes of a ledger come to at most {CHANGES_BYTES_MAX} bytes, the last {CHANGES_RESERVED_BYTES} of them for members \
             and witnesses who leave and keys that are revoked; with this one they would come to {changes_bytes}"
        )));
    }
    Ok(Begun { epoch, changes_bytes })
}

/// Bytes of a change as the leaf at `index`, with the proof that those who certify now make, at most.
fn change_bytes_max(now: &Epoch, leaf: &SignedLeaf, body: Option<&Bytes>, index: LeafIndex) -> u64 {
    let cosigners = now.policy().witnesses().iter();
    let cosignatures = cosigners.map(|cosigner| cosigner.key.name().len() + COSIGNATURE_BYTES_MAX);
    // its checkpoint is that of the tree that ends with it
    let path = (u64::BITS - index.0.leading_zeros()) as usize * PATH_LINE_BYTES;
    let proof = CHECKPOINT_BYTES_MAX + leaf.bytes().len() + path + cosignatures.sum::<usize>();
    (body.map_or(0, Bytes::len) + proof) as u64
}

/// The body of such a leaf, which has to come with it.
pub(super) fn read_epoch(leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<EpochNote, String> {
    let body = body.ok_or_else(|| "a change of the members comes with its body".to_owned())?;
    let epoch = EpochNote::parse(body).map_err(|error| error.to_string())?;
    epoch.check(leaf.leaf()).map_err(|error| error.to_string())?;
    Ok(epoch)
}
