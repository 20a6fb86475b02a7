//! How the members of a ledger agree to change who they are and who writes, before the ledger hears of it.
//!
//! ```text
//! one of them:   draft()                 -> a signed note: the epoch that would come next      (goes to the others)
//! the others:    approve()               -> the same note with one signature more
//! any of them:   apply_change()          -> the leaf, once a quorum has signed
//! ```
//!
//! A node that certifies alone has nobody to ask: its own signature is enough.
//!
//! A replica certifies by itself what the rules allow, so the rules ask for people: whoever operates a member signs with its
//! writer. One dishonest member, or one stolen key, changes nothing. A draft that was never applied can still be, for as long
//! as the members are those who signed it.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::epoch::{EPOCH_OPERATION, EpochChange, EpochNote, parse_changes};
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::{SignedNote, SigningKey, VerifierKey};
use dab_proof::policy::Policy;
use dab_proof::receipt::Receipt;
use dab_proof::tree::LeafIndex;
use dab_proof::writers::Writers;

use crate::Error;
use crate::config::NodeConfig;
use crate::durable;
use crate::epoch::{Change, Epoch, NewWriter, WitnessAt};
use crate::identity::{Directories, Identity};
use crate::members::{Member, Members, NotMembers};
use crate::notary::{Notary, Outcome, Proposal, Statement};
use crate::reader::LedgerReader;

/// A change on its way, as one member sees it.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The change, with the signatures that it has.
    pub change: EpochNote,
    /// Who goes.
    pub leaves: Option<Member>,
    /// Who comes.
    pub joins: Option<Member>,
    /// The key that may write from then on.
    pub registers: Option<NewWriter>,
    /// The key that may write no more.
    pub revokes: Option<VerifierKey>,
    /// The witness outside that is asked from then on.
    pub engages: Option<WitnessAt>,
    /// The key of the witness outside that is asked no more.
    pub dismisses: Option<VerifierKey>,
    /// How many witnesses outside there are then.
    pub witnesses: usize,
    /// The members who have signed, by name; of a node that certifies alone, its key.
    pub approved_by: Vec<String>,
    /// How many of them it takes.
    pub needed: usize,
    /// The leaf by which it is applied, as far as this machine has heard: then this is how things are now.
    pub applied_by: Option<LeafIndex>,
}

impl Approval {
    /// Whether enough have signed.
    pub fn is_approved(&self) -> bool {
        self.approved_by.len() >= self.needed
    }
}

/// What a directory knows of its ledger.
struct Known {
    identity: Identity,
    /// The last epoch that is certified.
    now: Epoch,
    /// The change that began it, and the epoch before; a node that certifies alone has kept no word of its first one.
    last: Option<(EpochChange, Option<Epoch>)>,
}

/// Drafts a change of the epoch that the directory's node knows, and signs it as that node.
///
/// # Errors
///
/// [`Error::Setting`] when the directory has no ledger; [`Error::Founding`] when the change is none that may come next.
pub fn draft(config: &NodeConfig, change: &Change) -> Result<Approval, Error> {
    let known = look(config)?;
    let next = known.now.after(change).map_err(|error| refused(&error))?;
    let note = SignedNote::sign(&next.text(), &known.identity.writer)?;
    told(&known, note.try_into()?)
}

/// Reads a change on its way and signs it as the directory's node, unless it has.
///
/// # Errors
///
/// As for [`draft`].
pub fn approve(config: &NodeConfig, bytes: &[u8]) -> Result<Approval, Error> {
    let known = look(config)?;
    let change = told(&known, EpochNote::parse(bytes)?)?.change;
    let mut note = change.note().clone();
    let own = SignedNote::sign(note.text(), &known.identity.writer)?;
    for line in own.signatures() {
        if !note.signatures().contains(line) {
            note.add(line.clone())?;
        }
    }
    told(&known, note.try_into()?)
}

/// Reads a change on its way, and changes nothing.
///
/// # Errors
///
/// As for [`draft`].
pub fn review(config: &NodeConfig, bytes: &[u8]) -> Result<Approval, Error> {
    told(&look(config)?, EpochNote::parse(bytes)?)
}

/// The members that the directory's replica knows.
///
/// # Errors
///
/// [`Error::Setting`] when the directory is no replica's.
pub fn members(config: &NodeConfig) -> Result<Members, Error> {
    let Known { identity, now, .. } = look(config)?;
    match identity.membership {
        Some(_) => Ok(now.members),
        None => Err(Error::setting(
            &config.private_dir,
            "this node certifies alone, and has no members",
        )),
    }
}

/// The witnesses outside that the directory's replica knows.
///
/// # Errors
///
/// [`Error::Setting`] when the directory is no replica's.
pub fn witnesses(config: &NodeConfig) -> Result<Vec<WitnessAt>, Error> {
    let Known { identity, now, .. } = look(config)?;
    match identity.membership {
        Some(_) => Ok(now.witnesses()),
        None => Err(Error::setting(
            &config.trust_dir.join("policy"),
            "this node certifies alone: whom it asks besides is what its operator writes here",
        )),
    }
}

/// The writers that the directory's node knows, members' and revoked ones included.
///
/// # Errors
///
/// [`Error::Setting`] when the directory has no ledger.
pub fn writers(config: &NodeConfig) -> Result<Writers, Error> {
    Ok(look(config)?.now.trust.writers)
}

/// Has the ledger certify a change that enough of its members have approved; returns the receipt of its leaf once it holds.
///
/// Where the change brings a witness, without whom nothing that follows is certified, it goes on to a first tree that this
/// witness has cosigned too: until there is one, whoever trusts the new epoch has no checkpoint to believe.
///
/// # Errors
///
/// [`Error::Refused`] when it is none that may come next, too few approve, or others have changed the epoch at the same
/// time. [`Error::Unfollowed`] when it is certified and nothing behind it is. Those of [`Notary::notarize`].
pub async fn apply_change(
    notary: &dyn Notary,
    reader: &dyn LedgerReader,
    writer: &SigningKey,
    change: &EpochNote,
) -> Result<Receipt, Error> {
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
    let others = "another change came at the same time: look at how things are now, and try again";
    let receipt = match notary.notarize(proposal).await? {
        Outcome::Certified(receipts) => receipts.into_iter().next().expect("a receipt for each statement"),
        Outcome::Conflict(_) => return Err(Error::refused(Some(&subject), others)),
    };
    if lacks_witness(&Policy::parse(&change.text().policy)?, &receipt.checkpoint) {
        // which has a heads leaf written, the first behind the change
        let first = reader.head_proof(&subject).await;
        first.map_err(|error| Error::Unfollowed {
            leaf_index: receipt.index.0,
            reason: error.to_string(),
        })?;
    }
    Ok(receipt)
}

/// Whether all that a checkpoint lacks under a policy is the cosignature of a witness outside.
fn lacks_witness(policy: &Policy, signed: &SignedCheckpoint) -> bool {
    let lines = signed.note().signatures();
    let cosigned = |key: &VerifierKey| {
        let mut lines = lines.iter();
        lines.any(|line| line.name == key.name() && line.key_id == key.key_id())
    };
    !policy.is_met_by(|witness| witness.url.is_none() || cosigned(&witness.key))
}

/// The last epoch that the directory's node has seen certified, and who it is.
fn look(config: &NodeConfig) -> Result<Known, Error> {
    let dirs = Directories::of(config);
    if !dirs.log_key().exists() && !dirs.candidate().exists() {
        return Err(Error::setting(&dirs.private, "there is no ledger here"));
    }
    let identity = Identity::open(&dirs, None)?;
    let path = dirs.changes();
    let unreadable = |error: NotMembers| Error::setting(&path, error.to_string());
    let mut changes = parse_changes(&durable::read(&path)?.unwrap_or_default())?;
    let Some(change) = changes.pop() else {
        let now = match &identity.membership {
            // one that was invited has been told of later members than the founders
            Some(membership) => membership.joined.clone(),
            None => alone(&dirs, &identity, &identity.settings.writers)?,
        };
        return Ok(Known {
            identity,
            now,
            last: None,
        });
    };
    let before = match changes.last() {
        Some(before) => Some(Epoch::of(before).map_err(unreadable)?),
        None => identity
            .membership
            .as_ref()
            .map(|membership| membership.founded.clone()),
    };
    let now = match &identity.membership {
        Some(_) => Epoch::of(&change).map_err(unreadable)?,
        None => alone(&dirs, &identity, &change.text().writers)?,
    };
    Ok(Known {
        identity,
        now,
        last: Some((change, before)),
    })
}

/// The epoch of a node that certifies alone, under the policy that its operator has written.
fn alone(dirs: &Directories, identity: &Identity, writers: &str) -> Result<Epoch, Error> {
    let path = dirs.trust.join("policy");
    let policy = durable::read(&path)?.unwrap_or_default();
    let policy = String::from_utf8_lossy(&policy);
    let epoch = Epoch::alone(&identity.settings.origin, &policy, writers);
    epoch.map_err(|error| Error::setting(&dirs.trust, error.to_string()))
}

fn told(known: &Known, note: EpochNote) -> Result<Approval, Error> {
    let Known { now, last, .. } = known;
    let applied = last.as_ref().filter(|(change, _)| change.epoch.text() == note.text());
    let applied_by = applied.map(|(change, _)| change.receipt.index);
    let Some(from) = applied.map_or(Some(now), |(_, before)| before.as_ref()) else {
        return Ok(Approval {
            leaves: None,
            joins: None,
            registers: None,
            revokes: None,
            engages: None,
            dismisses: None,
            witnesses: now.witnesses().len(),
            approved_by: Vec::new(),
            needed: now.needed(),
            applied_by,
            change: note,
        });
    };
    // the policy of a node alone is its operator's affair, who may have changed it since
    let under_its_policy = match from.is_alone() {
        true => {
            let then = Epoch::alone(&from.text.origin, &note.text().policy, &from.text.writers);
            Some(then.map_err(|error| refused(&error))?)
        }
        false => None,
    };
    let from = under_its_policy.as_ref().unwrap_or(from);
    let change = from.change_to(note.text()).map_err(|error| refused(&error))?;
    let approved_by = from.approving(&note).map_err(|error| refused(&error))?;
    Epoch::check_signers(&note, &approved_by).map_err(|error| refused(&error))?;
    let next = Epoch::begun(note.text(), LeafIndex(0)).map_err(|error| refused(&error))?;
    Ok(Approval {
        leaves: from.members.without(&next.members).pop(),
        joins: next.members.without(&from.members).pop(),
        registers: change.registers,
        revokes: change.revokes,
        engages: change.engages,
        dismisses: change.dismisses,
        witnesses: next.witnesses().len(),
        approved_by: approved_by.into_iter().map(str::to_owned).collect(),
        needed: from.needed(),
        applied_by,
        change: note,
    })
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::Founding {
        reason: error.to_string(),
    }
}
