//! How a machine becomes a replica of a ledger that has begun.
//!
//! ```text
//! the new machine:  candidate()            -> keys, and a line that says who it is   (goes to a replica's operator)
//! the members:      approval.rs            -> a change that a quorum of them approves
//! a replica:        apply_change()         -> it is certified
//!                   Invitation::of()       -> what the new machine needs              (goes to it, in secret)
//! the new machine:  accept()               -> a directory that a node starts in
//! ```
//!
//! The invitation is a text:
//!
//! ```text
//! dab/invitation/v1
//! replica <id>
//! founding <lines>
//! <the founding, `founding.rs`: with the ledger's key>
//! <the epoch that the new replica is a member of, `dab_proof::epoch`>
//! ```
//!
//! A replica begins where the ledger began and follows its changes leaf by leaf, so it has to know the founding. The epoch
//! tells it who is there to follow now.

use std::path::PathBuf;

use dab_proof::epoch::EpochNote;
use dab_proof::tree::LeafIndex;

use crate::Error;
use crate::config::NodeConfig;
use crate::epoch::Epoch;
use crate::founding::{Founding, read_candidate, write_replica};
use crate::identity::{Directories, Identity};
use crate::members::{Member, Members};
use crate::peer::ReplicaId;

const INVITATION_V1: &str = "dab/invitation/v1";

/// What a new replica is given. Its text is a secret.
#[derive(Clone, Debug)]
pub struct Invitation {
    id: ReplicaId,
    founding: Founding,
    epoch: Epoch,
}

impl Invitation {
    /// For a member who joins with this change, which is the leaf at `index`; from the directory of any replica.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the directory is no replica's; [`Error::Founding`] when the change does not have the member.
    pub fn of(config: &NodeConfig, change: &EpochNote, index: LeafIndex, joins: &Member) -> Result<Self, Error> {
        let dirs = Directories::of(config);
        let identity = Identity::open(&dirs, None)?;
        let founding = identity
            .membership
            .map(|membership| Founding::of(identity.log, &membership.founded))
            .ok_or_else(|| Error::setting(&dirs.private, "this node certifies alone, and can invite nobody"))?;
        let epoch = Epoch::begun(change.text(), index).map_err(|error| refused(error.to_string()))?;
        match epoch.members.get(joins.id) == Some(joins) {
            true => Ok(Self {
                id: joins.id,
                founding,
                epoch,
            }),
            false => Err(refused(format!("{} does not join with this change", joins.is.name))),
        }
    }

    /// Reads an invitation.
    ///
    /// # Errors
    ///
    /// [`Error::Founding`] with the reason, which never quotes the key.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let malformed = || refused(format!("it is no text of the form {INVITATION_V1}"));
        let rest = text.strip_prefix(INVITATION_V1).ok_or_else(malformed)?;
        let rest = rest.strip_prefix("\nreplica ").ok_or_else(malformed)?;
        let (id, rest) = rest.split_once("\nfounding ").ok_or_else(malformed)?;
        let id = ReplicaId(id.parse().map_err(|_| malformed())?);
        let (lines, rest) = rest.split_once('\n').ok_or_else(malformed)?;
        let lines: usize = lines.parse().map_err(|_| malformed())?;
        let last = rest
            .match_indices('\n')
            .nth(lines.wrapping_sub(1))
            .ok_or_else(malformed)?;
        let (founding, epoch) = rest.split_at(last.0 + 1);
        let founding = Founding::from_text(founding)?;
        let epoch = Epoch::parse(epoch.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let is_whole = epoch.text.origin == founding.origin() && epoch.members.get(id).is_some();
        match is_whole {
            true => Ok(Self { id, founding, epoch }),
            false => Err(refused(
                "its epoch is another ledger's, or does not have its replica".to_owned(),
            )),
        }
    }

    /// The text, for the new member and nobody else.
    pub fn to_text(&self) -> String {
        let founding = self.founding.to_text();
        let (id, lines) = (self.id, founding.matches('\n').count());
        format!(
            "{INVITATION_V1}\nreplica {id}\nfounding {lines}\n{founding}{}",
            self.epoch.text.text()
        )
    }

    /// Who is invited.
    pub fn member(&self) -> &Member {
        self.epoch.members.get(self.id).expect("the epoch has its replica")
    }

    /// Who is there, the new member included.
    pub fn members(&self) -> &Members {
        &self.epoch.members
    }

    /// The ledger's origin.
    pub fn origin(&self) -> &str {
        self.founding.origin()
    }
}

/// Whether the text is an invitation rather than a founding, by its first line.
pub fn is_invitation(text: &str) -> bool {
    text.lines().next() == Some(INVITATION_V1)
}

/// Makes the candidate's directory that of a replica: the next start of a node there joins the others.
///
/// # Errors
///
/// [`Error::Setting`] when the invitation is another candidate's, or the directory belongs to another ledger.
pub fn accept(config: &NodeConfig, invitation: &Invitation) -> Result<Member, Error> {
    let dirs = Directories::of(config);
    let line: PathBuf = dirs.candidate();
    let candidate = read_candidate(&line)?
        .ok_or_else(|| Error::setting(&line, "this directory is no candidate's: make its keys first"))?;
    if invitation.member().is != candidate {
        return Err(Error::setting(&line, "the invitation is another candidate's"));
    }
    write_replica(&dirs, &invitation.founding, Some(&invitation.epoch.text))?;
    Ok(invitation.member().clone())
}

fn refused(reason: String) -> Error {
    Error::Founding { reason }
}
