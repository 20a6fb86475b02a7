//! How the members of a ledger agree to change who they are, before the ledger hears of it.
//!
//! ```text
//! one of them:   draft()                 -> a signed note: the epoch that would come next      (goes to the others)
//! the others:    approve()               -> the same note with one signature more
//! any of them:   apply_change()          -> the leaf, once a quorum has signed
//! ```
//!
//! A replica certifies by itself what the rules allow, so the rules ask for people: whoever operates a member signs with its
//! writer. One dishonest member, or one stolen key, changes nothing. A draft that was never applied can still be, for as long
//! as the members are those who signed it.

use dab_proof::epoch::{EPOCH_OPERATION, EpochNote, parse_changes};
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::{SignedNote, SigningKey};

use crate::Error;
use crate::durable;
use crate::epoch::{Epoch, MembersChange};
use crate::identity::{Directories, Identity};
use crate::members::{Member, Members};
use crate::node::NodeConfig;
use crate::notary::{Notary, Outcome, Proposal, Statement};
use crate::reader::LedgerReader;

/// A change on its way, as one member sees it.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The change, with the signatures that it has.
    pub change: EpochNote,
    /// Who goes.
    pub leaves: Vec<Member>,
    /// Who comes.
    pub joins: Vec<Member>,
    /// The members who have signed, by name.
    pub approved_by: Vec<String>,
    /// How many of them it takes.
    pub needed: usize,
    /// It has been applied: these are the members now.
    pub is_applied: bool,
}

/// Drafts a change of the members that the directory's replica knows, and signs it as that replica.
///
/// # Errors
///
/// [`Error::Setting`] when the directory is no replica's; [`Error::Founding`] when the change is none that may come next.
pub fn draft(config: &NodeConfig, change: &MembersChange) -> Result<Approval, Error> {
    let (now, identity) = look(config)?;
    let next = now.after(change).map_err(|error| refused(&error))?;
    let note = SignedNote::sign(&next.text.text(), &identity.writer)?;
    told(&now, note.try_into()?)
}

/// Reads a change on its way and signs it as the directory's replica, unless it has.
///
/// # Errors
///
/// As for [`draft`].
pub fn approve(config: &NodeConfig, bytes: &[u8]) -> Result<Approval, Error> {
    let (now, identity) = look(config)?;
    let change = told(&now, EpochNote::parse(bytes)?)?.change;
    let mut note = change.note().clone();
    let own = SignedNote::sign(note.text(), &identity.writer)?;
    for line in own.signatures() {
        if !note.signatures().contains(line) {
            note.add(line.clone())?;
        }
    }
    told(&now, note.try_into()?)
}

/// Reads a change on its way, and changes nothing.
///
/// # Errors
///
/// As for [`draft`].
pub fn review(config: &NodeConfig, bytes: &[u8]) -> Result<Approval, Error> {
    told(&look(config)?.0, EpochNote::parse(bytes)?)
}

/// The members that the directory's replica knows.
///
/// # Errors
///
/// [`Error::Setting`] when the directory is no replica's.
pub fn members(config: &NodeConfig) -> Result<Members, Error> {
    Ok(look(config)?.0.members)
}

/// Has the ledger's present members certify a change that enough of them have approved; returns once the new ones hold the
/// ledger together.
///
/// # Errors
///
/// [`Error::Refused`] when it is none that may come next, too few approve, or others have changed the members at the same
/// time; those of [`Notary::notarize`].
pub async fn apply_change(
    notary: &dyn Notary,
    reader: &dyn LedgerReader,
    writer: &SigningKey,
    change: &EpochNote,
) -> Result<(), Error> {
    let subject = Subject::members();
    let head = reader.head(&subject).await?;
    let body = change.to_bytes();
    let leaf = Leaf {
        origin: change.text().origin.clone(),
        subject: subject.clone(),
        sequence: head.map_or(0, |head| head.sequence + 1),
        parent: head.map(|head| head.leaf_hash),
        body: BodyDigest::of(&body),
        files: None,
        operation: EPOCH_OPERATION.to_owned(),
    };
    let statement = Statement {
        leaf: leaf.sign(writer)?,
        body: Some(body.into()),
    };
    let proposal = Proposal {
        statements: vec![statement],
    };
    match notary.notarize(proposal).await? {
        Outcome::Certified(_) => Ok(()),
        Outcome::Conflict(_) => Err(Error::refused(
            Some(&subject),
            "others have changed the members at the same time: look at them, and try again",
        )),
    }
}

/// The last epoch that the directory's replica has seen certified, and who it is.
fn look(config: &NodeConfig) -> Result<(Epoch, Identity), Error> {
    let dirs = Directories::of(config);
    let identity = Identity::open(&dirs, None)?;
    let Some(membership) = &identity.membership else {
        return Err(Error::setting(
            &dirs.private,
            "this node certifies alone, and has no members",
        ));
    };
    let path = dirs.changes();
    let changes = durable::read(&path)?.unwrap_or_default();
    let epoch = match parse_changes(&changes)?.pop() {
        Some(last) => {
            let epoch = Epoch::read(last.epoch.text().clone());
            epoch.map_err(|error| Error::setting(&path, error.to_string()))?
        }
        None => membership.joined.clone(),
    };
    Ok((epoch, identity))
}

fn told(now: &Epoch, change: EpochNote) -> Result<Approval, Error> {
    let next = Epoch::read(change.text().clone()).map_err(|error| refused(&error))?;
    if next.text == now.text {
        return Ok(Approval {
            leaves: Vec::new(),
            joins: now.last_joined().cloned().into_iter().collect(),
            approved_by: Vec::new(),
            needed: 0,
            is_applied: true,
            change,
        });
    }
    now.check_next(&next).map_err(|error| refused(&error))?;
    let approved_by = now.approving(&change).map_err(|error| refused(&error))?;
    Ok(Approval {
        leaves: now.members.without(&next.members),
        joins: next.members.without(&now.members),
        approved_by: approved_by.into_iter().map(str::to_owned).collect(),
        needed: now.members.quorum(),
        is_applied: false,
        change,
    })
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::Founding {
        reason: error.to_string(),
    }
}
