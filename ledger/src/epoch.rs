//! Who holds the ledger together from one change of its members to the next: the rule by which replicas take a change.
//!
//! `dab_proof::epoch` has the text, and how those outside follow a change. Everything in a text follows from the epoch
//! before, and from who leaves and who comes; so a change is checked by making it once more.

use dab_proof::epoch::{EpochNote, EpochText};
use dab_proof::note::VerifierKey;
use dab_proof::policy::Policy;
use dab_proof::trust::Trust;
use dab_proof::writers::Writers;

use crate::founding::WitnessAt;
use crate::identity::writers_text;
use crate::members::{Candidate, Member, Members, NotMembers};
use crate::peer::ReplicaId;

/// What a witness's line begins with, here as in a policy.
pub(crate) const WITNESS: &str = "witness ";
/// What a witness's name begins with. No member's does: a dot is none of its characters.
const OUTSIDE: &str = "outside.";

/// A change of the members: at most one goes, at most one comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersChange {
    /// Who goes.
    pub leaves: Option<ReplicaId>,
    /// Who comes.
    pub joins: Option<Candidate>,
}

/// One epoch, read.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) text: EpochText,
    pub(crate) members: Members,
    pub(crate) trust: Trust,
}

impl Epoch {
    /// The epoch that a ledger begins with.
    pub(crate) fn first(log: &VerifierKey, members: &Members, witnesses: &[WitnessAt]) -> Result<Self, NotMembers> {
        let writers = writers_text(members.iter().map(|member| &member.is.writer));
        Self::of(log, members, witnesses, writers)
    }

    /// Reads an epoch's text.
    pub(crate) fn read(text: EpochText) -> Result<Self, NotMembers> {
        let trust =
            Trust::from_texts(&text.policy, &text.writers, None).map_err(|error| NotMembers::because(&error))?;
        let members = text.members.parse()?;
        Ok(Self { text, members, trust })
    }

    /// Reads an epoch's text as it stands in a leaf, in a file or in the settings.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, NotMembers> {
        Self::read(EpochText::parse(text).map_err(|error| NotMembers::because(&error))?)
    }

    fn of(log: &VerifierKey, members: &Members, witnesses: &[WitnessAt], writers: String) -> Result<Self, NotMembers> {
        for Member { is, .. } in members.iter() {
            let is_for_it = is.cosigner.name() == cosigner_name(log.name(), &is.name)
                && is.writer.name() == member_writer_name(log.name(), &is.name);
            if !is_for_it {
                let (name, origin) = (&is.name, log.name());
                return Err(NotMembers::because(&format!(
                    "{name} has made its keys for another ledger than {origin}"
                )));
            }
        }
        Self::read(EpochText {
            origin: log.name().to_owned(),
            members: members.to_string(),
            policy: policy_text(log, members, witnesses),
            writers,
        })
    }

    /// The epoch after a change.
    pub(crate) fn after(&self, change: &MembersChange) -> Result<Self, NotMembers> {
        let refuse = |reason: &str| Err(NotMembers::because(&reason));
        if change.leaves.is_none() && change.joins.is_none() {
            return refuse("nobody leaves and nobody joins");
        }
        let mut members: Vec<Member> = self.members.iter().cloned().collect();
        if let Some(id) = change.leaves {
            members.retain(|member| member.id != id);
            if members.len() == self.members.count() {
                return Err(NotMembers::because(&format!("there is no replica {id}")));
            }
        }
        let mut writers = self.text.writers.clone();
        if let Some(candidate) = &change.joins {
            // ids are given one after another, and so are lines of writers, which stay
            let id = ReplicaId(self.trust.writers.iter().count() as u64 + 1);
            writers += &format!("{} *\n", candidate.writer);
            members.push(candidate.clone().with_id(id));
        }
        if members.len() < 2 {
            return refuse("a ledger of several replicas keeps two of them at least");
        }
        Self::of(self.log(), &Members::new(members)?, &self.witnesses(), writers)
    }

    /// Whether `next` is an epoch that may come after this one; `Err` says why not.
    pub(crate) fn check_next(&self, next: &Self) -> Result<(), NotMembers> {
        let (left, joined) = (self.members.without(&next.members), next.members.without(&self.members));
        if left.len() > 1 || joined.len() > 1 {
            return Err(NotMembers::because(&"more than one leaves, or more than one joins"));
        }
        let change = MembersChange {
            leaves: left.first().map(|member| member.id),
            joins: joined.into_iter().next().map(|member| member.is),
        };
        match self.after(&change)?.text == next.text {
            true => Ok(()),
            false => Err(NotMembers::because(&"it changes more than who leaves and who joins")),
        }
    }

    /// The members whose writers have signed a change, by name.
    pub(crate) fn approving(&self, note: &EpochNote) -> Result<Vec<&str>, NotMembers> {
        let mut names = Vec::new();
        for member in self.members.iter() {
            let signed = note.note().verify("a change of the members", [&member.is.writer]);
            // a line of a known key that is wrong makes the whole worth nothing
            if !signed.map_err(|error| NotMembers::because(&error))?.is_empty() {
                names.push(member.is.name.as_str());
            }
        }
        Ok(names)
    }

    /// Whether enough of the members approve of a change: as many as certify, so that no few of them, nor whoever has stolen
    /// a few of their keys, can take the ledger over.
    pub(crate) fn check_approved(&self, note: &EpochNote) -> Result<(), NotMembers> {
        let (names, needed) = (self.approving(note)?, self.members.quorum());
        match names.len() >= needed {
            true => Ok(()),
            false => Err(NotMembers::because(&format!(
                "{needed} of {} members have to approve, and these do: {}",
                self.members.count(),
                if names.is_empty() {
                    "nobody".to_owned()
                } else {
                    names.join(", ")
                }
            ))),
        }
    }

    /// The member who came last, unless that one has gone again.
    pub(crate) fn last_joined(&self) -> Option<&Member> {
        // ids are given one after another, and so are lines of writers, which stay
        self.members.get(ReplicaId(self.trust.writers.iter().count() as u64))
    }

    fn log(&self) -> &VerifierKey {
        &self.trust.policy.logs()[0].key
    }

    pub(crate) fn witnesses(&self) -> Vec<WitnessAt> {
        let outside = self
            .trust
            .policy
            .witnesses()
            .iter()
            .filter(|witness| witness.name.starts_with(OUTSIDE));
        outside
            .map(|witness| WitnessAt {
                key: witness.key.clone(),
                url: witness.url.clone().unwrap_or_default(),
            })
            .collect()
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

/// The text of `trust/policy`: the ledger's log, cosigned by a quorum of its replicas, and by a witness outside where there
/// are any.
fn policy_text(log: &VerifierKey, members: &Members, witnesses: &[WitnessAt]) -> String {
    let mut text = format!(
        "# whose checkpoints count: this log's, cosigned by {} of its {} replicas\nlog {log}\n",
        members.quorum(),
        members.count()
    );
    for member in members.iter() {
        text += &format!("{WITNESS}{} {}\n", member.is.name, member.is.cosigner);
    }
    let names: Vec<_> = members.iter().map(|member| member.is.name.as_str()).collect();
    text += &format!("group replicas {} {}\n", members.quorum(), names.join(" "));
    if witnesses.is_empty() {
        return text + "quorum replicas\n";
    }
    let outside: Vec<_> = (1..=witnesses.len())
        .map(|number| format!("{OUTSIDE}{number}"))
        .collect();
    text += &witness_lines(witnesses);
    text + &format!(
        "group outside any {}\ngroup both all replicas outside\nquorum both\n",
        outside.join(" ")
    )
}

/// As founding and policy have them; named by their place.
pub(crate) fn witness_lines(witnesses: &[WitnessAt]) -> String {
    let line = |(number, witness): (usize, &WitnessAt)| {
        format!("{WITNESS}{OUTSIDE}{} {} {}\n", number + 1, witness.key, witness.url)
    };
    witnesses.iter().enumerate().map(line).collect()
}

/// The name of a member's cosigner.
pub(crate) fn cosigner_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}")
}

/// The name of a member's writer.
pub(crate) fn member_writer_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}/writer")
}
