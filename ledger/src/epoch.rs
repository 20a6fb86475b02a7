//! Who holds the ledger together and who writes, from one change to the next: the rule by which replicas take a change.
//!
//! `dab_proof::epoch` has the text, and how those outside follow a change. Everything in a text follows from the epoch
//! before and from the change; so a change is checked by making it once more. A node that certifies alone has epochs too, once
//! it has registered or revoked a writer: without members, and approved by its own key.

mod change;
mod outside;
mod policy;
mod writers;

use dab_proof::epoch::{EpochChange, EpochNote, EpochText};
use dab_proof::leaf::Subject;
use dab_proof::note::VerifierKey;
use dab_proof::policy::Policy;
use dab_proof::tree::{LeafIndex, TREE_SIZE_MAX};
use dab_proof::trust::Trust;
use dab_proof::writers::{Writer, Writers};

pub use change::{Change, NewWriter, REGISTRATION_BYTES_MAX};
pub(crate) use outside::check_witness;
pub use outside::{WITNESS_URL_BYTES_MAX, WITNESSES_MAX, WitnessAt};
pub(crate) use policy::{WITNESS, witness_lines};
pub(crate) use writers::{writer_name, writers_text};

use crate::members::{Member, Members, NotMembers, check_name};
use crate::peer::ReplicaId;
use policy::policy_text;

/// Behind which leaf an epoch is read whose leaf nobody knows yet: the largest number takes the most room.
const ANY_LEAF: LeafIndex = LeafIndex(TREE_SIZE_MAX - 2);

/// One epoch, read.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) text: EpochText,
    /// None where a node certifies alone.
    pub(crate) members: Members,
    pub(crate) trust: Trust,
}

impl Epoch {
    /// The epoch that a ledger of several replicas begins with.
    pub(crate) fn first(log: &VerifierKey, members: &Members, witnesses: &[WitnessAt]) -> Result<Self, NotMembers> {
        check_keys(log.name(), members)?;
        Self::read(EpochText {
            origin: log.name().to_owned(),
            members: members.to_string(),
            policy: policy_text(log, members, witnesses),
            writers: writers_text(members.iter().map(|member| &member.is.writer)),
        })
    }

    /// The epoch of a node that certifies alone. Its policy is what its operator has written; no change speaks of that.
    pub(crate) fn alone(origin: &str, policy: &str, writers: &str) -> Result<Self, NotMembers> {
        Self::read(EpochText {
            origin: origin.to_owned(),
            members: String::new(),
            policy: policy.to_owned(),
            writers: writers.to_owned(),
        })
    }

    /// Reads an epoch's text.
    pub(crate) fn read(text: EpochText) -> Result<Self, NotMembers> {
        let trust = Trust::from_texts(&text.policy, &text.writers, None).map_err(NotMembers::because)?;
        let members = match text.members.as_str() {
            "" => Members::none(),
            lines => lines.parse()?,
        };
        let has_log = trust.policy.logs().iter().any(|log| log.key.name() == text.origin);
        match has_log {
            true => Ok(Self { text, members, trust }),
            false => Err(NotMembers::because(format!("its policy lists no log {}", text.origin))),
        }
    }

    /// Reads an epoch's text as it stands in a file or in the settings.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, NotMembers> {
        Self::read(EpochText::parse(text).map_err(NotMembers::because)?)
    }

    /// The epoch that begins with the leaf at `index`, whose body says `text`.
    pub(crate) fn begun(text: &EpochText, index: LeafIndex) -> Result<Self, NotMembers> {
        Self::read(text.begun_by(index))
    }

    /// The epoch that a certified change begins.
    pub(crate) fn of(change: &EpochChange) -> Result<Self, NotMembers> {
        Self::read(change.text())
    }

    /// Whether this is a node's that certifies alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.members.count() == 0
    }

    /// How many have to approve of a change: as many members as certify, so that no few of them, nor whoever has stolen a few
    /// of their keys, can take the ledger over.
    pub(crate) fn needed(&self) -> usize {
        match self.is_alone() {
            true => 1,
            false => self.members.quorum(),
        }
    }

    /// Those who have signed a change, by name, of those who may approve of it.
    pub(crate) fn approving(&self, note: &EpochNote) -> Result<Vec<&str>, NotMembers> {
        let mut names = Vec::new();
        for (name, writer) in self.approvers() {
            let signed = note.note().verify("a change of the epoch", [writer]);
            // a line of a known key that is wrong makes the whole worth nothing
            if !signed.map_err(NotMembers::because)?.is_empty() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Refuses lines of others beside those that approve: they would stay in the ledger for ever, and take the room of later
    /// changes.
    pub(crate) fn check_signers(note: &EpochNote, approving: &[&str]) -> Result<(), NotMembers> {
        match note.note().signatures().len() == approving.len() {
            true => Ok(()),
            false => Err(NotMembers::because(
                "it is signed by others than those who may approve of it: draft it anew",
            )),
        }
    }

    /// Whether enough approve of a change.
    pub(crate) fn check_approved(&self, note: &EpochNote) -> Result<(), NotMembers> {
        let (names, needed) = (self.approving(note)?, self.needed());
        if names.len() >= needed {
            return Self::check_signers(note, &names);
        }
        let they = match names.is_empty() {
            true => "nobody".to_owned(),
            false => names.join(", "),
        };
        Err(NotMembers::because(match self.is_alone() {
            true => "the node's own key has to approve, and does not".to_owned(),
            false => format!(
                "{needed} of {} members have to approve, and these do: {they}",
                self.members.count()
            ),
        }))
    }

    /// The keys that approve, each with a name for people.
    fn approvers(&self) -> Vec<(&str, &VerifierKey)> {
        let members = self.members.iter();
        let members = members.map(|member| (member.is.name.as_str(), &member.is.writer));
        let own = self.own_writers().map(|writer| (writer.name(), writer.key()));
        match self.is_alone() {
            true => own.collect(),
            false => members.collect(),
        }
    }

    /// The keys of a node that certifies alone, as far as they may write; more than one where an operator has added one.
    fn own_writers(&self) -> impl Iterator<Item = &Writer> {
        let name = writer_name(&self.text.origin);
        let writers = self.trust.writers.iter();
        let may_approve = |writer: &&Writer| writer.revoked_from().is_none() && writer.allows(&Subject::members());
        writers.filter(move |writer| writer.name() == name && may_approve(writer))
    }

    /// The id of whoever joins next. Ids are given one after another, and so are the lines of members' writers, which stay:
    /// those of other keys are not called so.
    fn next_id(&self) -> ReplicaId {
        let writers = self.trust.writers.iter();
        let members = writers.filter(|writer| is_member_writer_name(&self.text.origin, writer.name()));
        ReplicaId(members.count() as u64 + 1)
    }

    fn log(&self) -> &VerifierKey {
        &self.trust.policy.logs()[0].key
    }

    /// The policy alone.
    pub(crate) fn policy(&self) -> &Policy {
        &self.trust.policy
    }

    /// The writers alone.
    pub(crate) fn writers(&self) -> &Writers {
        &self.trust.writers
    }
}

/// Refuses members who have made their keys for another ledger.
fn check_keys(origin: &str, members: &Members) -> Result<(), NotMembers> {
    for Member { is, .. } in members.iter() {
        let is_for_it = is.cosigner.name() == cosigner_name(origin, &is.name)
            && is.writer.name() == member_writer_name(origin, &is.name);
        if !is_for_it {
            let name = &is.name;
            return Err(NotMembers::because(format!(
                "{name} has made its keys for another ledger than {origin}"
            )));
        }
    }
    Ok(())
}

/// Refuses a name, of a key that is not the ledger's, which people could take for one that is: they do not look at its case.
fn check_foreign_name(origin: &str, name: &str) -> Result<(), NotMembers> {
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = format!("the name {name:?} has other than visible ASCII characters");
        return Err(NotMembers::because(reason));
    }
    let lower = name.to_ascii_lowercase();
    let rest = lower.strip_prefix(&origin.to_ascii_lowercase());
    match rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        false => Ok(()),
        true => Err(NotMembers::because(format!(
            "the name {name} would look like one of the ledger's own keys, which begin with {origin}"
        ))),
    }
}

/// The name of a member's cosigner.
pub(crate) fn cosigner_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}")
}

/// The name of a member's writer.
pub(crate) fn member_writer_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}/writer")
}

/// Whether a key is called as a member's writer is, whoever that was.
fn is_member_writer_name(origin: &str, key: &str) -> bool {
    let member = key.strip_prefix(origin).and_then(|rest| rest.strip_prefix('/'));
    let member = member.and_then(|rest| rest.strip_suffix("/writer"));
    member.is_some_and(|name| check_name(name).is_ok())
}

#[cfg(test)]
mod tests;
