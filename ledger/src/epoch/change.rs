//! Changes: what may become of an epoch, and how its text follows.

use dab_proof::epoch::{EPOCH_BYTES_MAX, EpochText};
use dab_proof::leaf::Subject;
use dab_proof::note::VerifierKey;
use dab_proof::writers::{Writer, Writers, revoke};

use super::{ANY_LEAF, Epoch, WitnessAt, check_foreign_name, check_keys, policy_text};
use crate::members::{Candidate, Member, Members, NotMembers, refuse};
use crate::peer::ReplicaId;

/// Bytes that the lines of all writers may come to, each revoked, when another key is registered. They stay for ever, so this
/// is how many keys there can ever be; what else an epoch's text has room for is kept for members and for revoking.
pub const REGISTRATION_BYTES_MAX: usize = 40 << 10;

/// What a line grows by when its key is revoked, at most: the word, a number of 20 digits, two spaces.
const REVOKED_BYTES_MAX: usize = "revoked ".len() + 21;

/// A change of who certifies and who writes: at most one member goes and one comes, at most one witness outside goes and one
/// comes, at most one key is registered and one revoked. The key of a member who goes is revoked with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Who goes.
    pub leaves: Option<ReplicaId>,
    /// Who comes.
    pub joins: Option<Candidate>,
    /// The key that may write from now on.
    pub registers: Option<NewWriter>,
    /// The key that may write no more.
    pub revokes: Option<VerifierKey>,
    /// The witness outside that is asked from now on.
    pub engages: Option<WitnessAt>,
    /// The key of the witness outside that is asked no more.
    pub dismisses: Option<VerifierKey>,
}

/// A key that is no member's, and the subjects that it is to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWriter {
    /// The key.
    pub key: VerifierKey,
    /// The subjects, as `trust/writers` has them.
    pub globs: Vec<String>,
}

impl Change {
    /// Whether nobody comes, no key and no witness.
    pub(crate) fn only_takes_away(&self) -> bool {
        self.joins.is_none() && self.registers.is_none() && self.engages.is_none()
    }
}

impl NewWriter {
    fn line(&self) -> String {
        format!("{} {}\n", self.key, self.globs.join(" "))
    }
}

impl Epoch {
    /// The text after a change, as it is signed: without the leaf index from which on a key is revoked.
    pub(crate) fn after(&self, change: &Change) -> Result<EpochText, NotMembers> {
        if *change == Change::default() {
            return refuse(
                "nobody leaves and nobody joins, no key is registered or revoked, and no witness comes or goes",
            );
        }
        let mut writers = self.text.writers.clone();
        let members = self.members_after(change, &mut writers)?;
        if let Some(key) = &change.revokes {
            self.check_revocation(key)?;
            writers = revoked(&writers, key)?;
        }
        if let Some(new) = &change.registers {
            self.check_registration(new, change.revokes.as_ref())?;
            writers += &new.line();
            check_room(&writers)?;
        }
        let witnesses = self.witnesses_after(change)?;
        let next = EpochText {
            origin: self.text.origin.clone(),
            members: members.to_string(),
            policy: match self.is_alone() {
                true => self.text.policy.clone(),
                false => policy_text(self.log(), &members, &witnesses),
            },
            writers,
        };
        let mut longest = next.begun_by(ANY_LEAF).text().len();
        if !change.only_takes_away() {
            // who comes shall not take the room in which keys are revoked
            longest += next.writers.lines().count() * REVOKED_BYTES_MAX;
        }
        if longest > EPOCH_BYTES_MAX {
            return refuse(format!(
                "an epoch's text has at most {EPOCH_BYTES_MAX} bytes (members, policy, and every key that ever wrote, each \
                 revoked where somebody comes), and this one would have {longest}"
            ));
        }
        Self::begun(&next, ANY_LEAF).map(|_| next)
    }

    /// The change that leads from this epoch to `next`; `Err` says why none does.
    pub(crate) fn change_to(&self, next: &EpochText) -> Result<Change, NotMembers> {
        let read = Self::begun(next, ANY_LEAF)?;
        let (left, joined) = (self.members.without(&read.members), read.members.without(&self.members));
        let is_of = |members: &[Member], key: &VerifierKey| members.iter().any(|member| member.is.writer == *key);
        let (new, known) = read
            .writers()
            .iter()
            .partition::<Vec<_>, _>(|writer| self.listed(writer).is_none());
        let registered: Vec<_> = new.into_iter().filter(|writer| !is_of(&joined, writer.key())).collect();
        let may_write = |writer: &Writer| writer.revoked_from().is_none();
        let revoked: Vec<_> = known
            .into_iter()
            .filter(|writer| !may_write(writer) && self.listed(writer).is_some_and(may_write))
            .filter(|writer| !is_of(&left, writer.key()))
            .collect();
        let (dismissed, engaged) = self.witnesses_until(&read);
        let counts = [left.len(), joined.len(), registered.len(), revoked.len()];
        if counts
            .into_iter()
            .chain([dismissed.len(), engaged.len()])
            .any(|count| count > 1)
        {
            return refuse(
                "more than one leaves or joins, more than one key is registered or revoked, or more than one witness comes or goes",
            );
        }
        let change = Change {
            leaves: left.first().map(|member| member.id),
            joins: joined.into_iter().next().map(|member| member.is),
            registers: registered.first().map(|writer| NewWriter {
                key: writer.key().clone(),
                globs: writer.globs().to_vec(),
            }),
            revokes: revoked.first().map(|writer| writer.key().clone()),
            engages: engaged.into_iter().next(),
            dismisses: dismissed.into_iter().next().map(|witness| witness.key),
        };
        if change == Change::default() {
            return refuse("it changes nothing, or takes back what came since it was drafted: draft it anew");
        }
        match self.after(&change)? == *next {
            true => Ok(change),
            false => refuse(
                "it changes more than who leaves and joins, which keys are registered or revoked and which witness comes or \
                 goes, or was drafted before another change: draft it anew",
            ),
        }
    }

    fn listed(&self, writer: &Writer) -> Option<&Writer> {
        let mut writers = self.writers().iter();
        writers.find(|listed| listed.key().public_key() == writer.key().public_key())
    }

    fn members_after(&self, change: &Change, writers: &mut String) -> Result<Members, NotMembers> {
        if change.leaves.is_none() && change.joins.is_none() {
            return Ok(self.members.clone());
        }
        if self.is_alone() {
            return refuse("this node certifies alone, and has no members");
        }
        let mut members: Vec<Member> = self.members.iter().cloned().collect();
        if let Some(id) = change.leaves {
            let Some(at) = members.iter().position(|member| member.id == id) else {
                return refuse(format!("there is no replica {id}"));
            };
            // whoever is a member no more writes no more
            *writers = revoked(writers, &members.remove(at).is.writer)?;
        }
        if let Some(candidate) = &change.joins {
            *writers += &format!("{} *\n", candidate.writer);
            members.push(candidate.clone().with_id(self.next_id()));
        }
        if members.len() < 2 {
            return refuse("a ledger of several replicas keeps two of them at least");
        }
        let members = Members::new(members)?;
        check_keys(&self.text.origin, &members)?;
        Ok(members)
    }

    fn check_registration(&self, new: &NewWriter, revokes: Option<&VerifierKey>) -> Result<(), NotMembers> {
        let name = new.key.name();
        let line = Writers::parse(new.line().as_bytes()).map_err(NotMembers::because)?;
        let Some(writer) = line.iter().next().filter(|writer| writer.globs() == new.globs) else {
            return refuse(format!("{:?} are no subjects that {name} could write", new.globs));
        };
        check_foreign_name(&self.text.origin, name)?;
        for own in [Subject::members(), Subject::heads()] {
            if writer.allows(&own) {
                return refuse(format!(
                    "{} covers the subject {own}, which only the ledger's own keys write: name narrower ones",
                    new.globs.join(" ")
                ));
            }
        }
        if let Some(listed) = self.listed(writer) {
            return refuse(&match listed.revoked_from() {
                Some(from) => format!("the key of {name} is revoked from leaf {from} on, for ever: make another"),
                None => format!("the key of {name} is registered already"),
            });
        }
        let is_called_so = |listed: &&Writer| listed.name().eq_ignore_ascii_case(name);
        for listed in self.writers().iter().filter(is_called_so) {
            let stays = listed.revoked_from().is_none() && revokes != Some(listed.key());
            if stays || listed.key().key_id() == new.key.key_id() {
                return refuse(format!(
                    "there is a writer {} already: give the new key another name",
                    listed.name()
                ));
            }
        }
        Ok(())
    }

    fn check_revocation(&self, key: &VerifierKey) -> Result<(), NotMembers> {
        let name = key.name();
        if let Some(member) = self.members.iter().find(|member| member.is.writer == *key) {
            let member = &member.is.name;
            return refuse(format!(
                "{name} is the key of the member {member}, and goes with it: dab node remove {member}"
            ));
        }
        let is_own = |writer: &Writer| writer.key() == key;
        let others = self
            .own_writers()
            .filter(|writer| !is_own(writer) && writer.allows(&Subject::members()));
        if self.is_alone() && self.own_writers().any(is_own) && others.count() == 0 {
            return refuse(format!(
                "{name} is the node's own key, which signs everything that is written through it and approves of changes"
            ));
        }
        Ok(())
    }
}

fn revoked(writers: &str, key: &VerifierKey) -> Result<String, NotMembers> {
    let revoked = revoke(writers, key);
    revoked.ok_or_else(|| NotMembers::because(format!("{} is no key that may write now", key.name())))
}

/// Whether every key could still be revoked behind a registration.
fn check_room(writers: &str) -> Result<(), NotMembers> {
    let bytes = writers.len() + writers.lines().count() * REVOKED_BYTES_MAX;
    match bytes <= REGISTRATION_BYTES_MAX {
        true => Ok(()),
        false => refuse(format!(
            "no more keys can be registered: the lines of all writers, which stay for ever, come to {bytes} bytes, and the limit \
             is {REGISTRATION_BYTES_MAX}"
        )),
    }
}
