//! Who holds the ledger together: its replicas, where each listens, and by which keys the others know it.
//!
//! ```text
//! <id> <name> <host:port> <peer key> <cosigner> <writer>
//! ```
//!
//! A line for each, in a file of at most [`MEMBERS_MAX`]; `#` begins a comment line. The peer key is what the replica
//! proves in TLS, the cosigner signs checkpoints it has recomputed, the writer signs the leaves of its users. A line
//! without its id is a *candidate*: what a machine says of itself before a ledger takes it in.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use dab_proof::note::{SignatureType, VerifierKey};

use crate::peer::{Peer, PeerKey, ReplicaId};

/// The most members of a ledger: every replica checks every leaf, so more of them make it safer and slower.
pub const MEMBERS_MAX: usize = 31;

/// Bytes of a member's name.
const NAME_BYTES_MAX: usize = 32;
/// Bytes of an address.
const ADDRESS_BYTES_MAX: usize = 260;
/// Bytes of a list of members, comments included.
const MEMBERS_BYTES_MAX: usize = 64 << 10;

/// What a replica says of itself: everything but its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// A short name, for policies and people.
    pub name: String,
    /// Where it listens for the others, `host:port`.
    pub address: String,
    /// What it proves to them.
    pub peer_key: PeerKey,
    /// Signs the checkpoints that it has recomputed.
    pub cosigner: VerifierKey,
    /// Signs the leaves of its users.
    pub writer: VerifierKey,
}

/// A replica of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its raft id, never given again.
    pub id: ReplicaId,
    /// Everything else.
    pub is: Candidate,
}

/// The replicas of a ledger, by id; none where a node certifies alone. No two share an id, a name, an address or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members(Vec<Member>);

/// A text that names no members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotMembers(String);

impl Candidate {
    /// Gives the candidate its id.
    pub fn with_id(self, id: ReplicaId) -> Member {
        Member { id, is: self }
    }

    fn check(&self) -> Result<(), NotMembers> {
        let Self {
            name, cosigner, writer, ..
        } = self;
        check_name(name)?;
        check_address(&self.address)?;
        if cosigner.kind() != SignatureType::CosignatureV1 {
            return refuse(format!("{name}: {cosigner} is no cosigner's key: those have type 0x04"));
        }
        if writer.kind() != SignatureType::Ed25519 {
            return refuse(format!("{name}: {writer} is no writer's key: those have type 0x01"));
        }
        Ok(())
    }
}

/// A member's name: it stands in policies, key names and folders.
pub(crate) fn check_name(name: &str) -> Result<(), NotMembers> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) {
        true => Ok(()),
        false => refuse(format!(
            "{name:?} is no member's name: that is 1 to {NAME_BYTES_MAX} of a-z, 0-9 and -"
        )),
    }
}

/// Where a member listens. A name is looked up at every attempt to connect.
pub(crate) fn check_address(address: &str) -> Result<(), NotMembers> {
    let parts = address.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| {
        let graphic = host.bytes().all(|byte| byte.is_ascii_graphic());
        !host.is_empty() && graphic && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match fits && address.len() <= ADDRESS_BYTES_MAX {
        true => Ok(()),
        false => refuse(format!("{address:?} is no address: that is HOST:PORT")),
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            address,
            peer_key,
            cosigner,
            writer,
        } = self;
        write!(f, "{name} {address} {peer_key} {cosigner} {writer}")
    }
}

impl FromStr for Candidate {
    type Err = NotMembers;

    fn from_str(line: &str) -> Result<Self, NotMembers> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, address, peer_key, cosigner, writer] = words[..] else {
            return refuse(format!(
                "a member is 5 words (name, address, peer key, cosigner, writer), not {}",
                words.len()
            ));
        };
        let wrong = |what: &str, reason: String| NotMembers(format!("{name}: its {what}: {reason}"));
        let key = |what, text: &str| {
            text.parse::<VerifierKey>()
                .map_err(|error| wrong(what, error.to_string()))
        };
        let candidate = Self {
            name: name.to_owned(),
            address: address.to_owned(),
            peer_key: peer_key
                .parse()
                .map_err(|error: crate::peer::NotAPeerKey| wrong("peer key", error.to_string()))?,
            cosigner: key("cosigner", cosigner)?,
            writer: key("writer", writer)?,
        };
        candidate.check()?;
        Ok(candidate)
    }
}

impl Member {
    /// As the transport knows it.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            id: self.id,
            address: self.is.address.clone(),
            key: self.is.peer_key,
        }
    }
}

impl Members {
    /// Checks what a list of members must be.
    ///
    /// # Errors
    ///
    /// The first member that is none, or that shares something with another.
    pub fn new(mut members: Vec<Member>) -> Result<Self, NotMembers> {
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return refuse(format!(
                "a ledger has 1 to {MEMBERS_MAX} members, not {}",
                members.len()
            ));
        }
        members.sort_by_key(|member| member.id);
        let mut taken = BTreeSet::new();
        for member in &members {
            member.is.check()?;
            if member.id.0 == 0 {
                return refuse(format!("{}: ids begin at 1", member.is.name));
            }
            let own = [
                format!("id {}", member.id),
                format!("name {}", member.is.name),
                format!("address {}", member.is.address),
                format!("peer key {}", member.is.peer_key),
                format!("key {}", hex::encode(member.is.cosigner.public_key())),
                format!("key {}", hex::encode(member.is.writer.public_key())),
            ];
            for thing in own {
                if let Some(shared) = taken.replace(thing) {
                    return refuse(format!("{} has the {shared} of another member", member.is.name));
                }
            }
        }
        Ok(Self(members))
    }

    /// Those of a ledger whose node certifies alone.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Founders, with the ids from 1 on, in the order given.
    ///
    /// # Errors
    ///
    /// Those of [`Members::new`].
    pub fn of_founders(candidates: Vec<Candidate>) -> Result<Self, NotMembers> {
        let numbered = (1..).zip(candidates);
        Self::new(
            numbered
                .map(|(id, candidate)| candidate.with_id(ReplicaId(id)))
                .collect(),
        )
    }

    /// The members, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    /// Those who are not among others, by their ids.
    pub fn without(&self, others: &Self) -> Vec<Member> {
        let is_missing = |member: &&Member| others.get(member.id).is_none();
        self.iter().filter(is_missing).cloned().collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The member of that id.
    pub fn get(&self, id: ReplicaId) -> Option<&Member> {
        self.0.iter().find(|member| member.id == id)
    }

    /// The member that proves this key.
    pub fn of_key(&self, key: PeerKey) -> Option<&Member> {
        self.0.iter().find(|member| member.is.peer_key == key)
    }

    /// Members whose word may be false without two histories being certified: a third of all, less than that.
    pub fn faulty_max(&self) -> usize {
        (self.count() - 1) / 3
    }

    /// Members that must cosign a checkpoint: any two such sets share more members than may be faulty, so that an honest
    /// one is in both and signs one history. 3 of 4, 5 of 7; 2 of 3, which bears no faulty one.
    pub fn quorum(&self) -> usize {
        (self.count() + self.faulty_max()) / 2 + 1
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|member| writeln!(f, "{} {}", member.id, member.is))
    }
}

impl FromStr for Members {
    type Err = NotMembers;

    fn from_str(text: &str) -> Result<Self, NotMembers> {
        if text.len() > MEMBERS_BYTES_MAX {
            return refuse(format!(
                "a list of members has at most {MEMBERS_BYTES_MAX} bytes, not {}",
                text.len()
            ));
        }
        let mut members = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let in_line = |reason: String| NotMembers(format!("line {number}: {reason}"));
            let (id, rest) = line
                .split_once(' ')
                .ok_or_else(|| in_line("a member begins with its id".to_owned()))?;
            let id = id.parse().map_err(|_| in_line(format!("{id:?} is no id")))?;
            let candidate: Candidate = rest.parse().map_err(|NotMembers(reason)| in_line(reason))?;
            members.push(candidate.with_id(ReplicaId(id)));
        }
        Self::new(members)
    }
}

impl NotMembers {
    pub(crate) fn because(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Fails for that reason.
pub(crate) fn refuse<T>(reason: impl fmt::Display) -> Result<T, NotMembers> {
    Err(NotMembers::because(reason))
}

#[cfg(test)]
mod tests {
    use dab_proof::note::SigningKey;

    use super::*;

    fn candidate(n: u8) -> Candidate {
        let key = |seed, make: fn(&str, &[u8; 32]) -> Result<SigningKey, dab_proof::Error>| {
            make(&format!("dab/test/n{n}"), &[seed; 32]).unwrap().verifier().clone()
        };
        Candidate {
            name: format!("n{n}"),
            address: format!("127.0.0.1:{}", 4000 + u16::from(n)),
            peer_key: PeerKey::of(&[n]),
            cosigner: key(2 * n, SigningKey::generate_cosigner),
            writer: key(2 * n + 1, SigningKey::generate),
        }
    }

    fn founders(count: u8) -> Members {
        Members::of_founders((1..=count).map(candidate).collect()).unwrap()
    }

    #[test]
    fn members_are_read_as_they_are_written() {
        let members = founders(4);
        assert_eq!(members.to_string().parse(), Ok(members.clone()));
        assert_eq!(format!("# who\n\n{members}").parse(), Ok(members));
    }

    /// Two quorums share more than the faulty ones, and the others are still a quorum when as many are gone.
    #[test]
    fn a_quorum_is_safe_with_the_faulty_and_reached_without_them() {
        for count in 1..=MEMBERS_MAX as u8 {
            let members = founders(count);
            let (n, f, q) = (members.count(), members.faulty_max(), members.quorum());
            assert!(
                2 * q - n > f,
                "{n}: two quorums of {q} share at most the {f} faulty ones"
            );
            assert!(n - f >= q, "{n}: {f} that keep silent stop it");
            // no smaller one would do
            assert!(2 * (q - 1) <= n + f, "{n}: {q} is more than it takes");
        }
        assert_eq!([3, 4, 7].map(|n| founders(n).quorum()), [2, 3, 5]);
    }

    #[test]
    fn what_is_no_list_of_members_is_refused_with_the_line_and_the_reason() {
        let one = founders(1).to_string();
        let two = founders(2).to_string();
        let cases = [
            (String::new(), "1 to 31 members"),
            ("x".to_owned(), "line 1: a member begins with its id"),
            ("x n1".to_owned(), "line 1: \"x\" is no id"),
            ("1 n1".to_owned(), "5 words"),
            (one.replace("1 n1", "0 n1"), "ids begin at 1"),
            (one.replace(" n1 ", " N1 "), "no member's name"),
            (one.replace(":4001", ""), "no address"),
            (one.replace(":4001", ":0"), "no address"),
            (one.replace("sha256:", "sha1:"), "n1: its peer key"),
            (two.replace("2 n2", "1 n2"), "n2 has the id 1 of another member"),
            (two.replace(" n2 ", " n1 "), "has the name n1"),
            (two.replace(":4002", ":4001"), "has the address 127.0.0.1:4001"),
        ];
        for (text, reason) in cases {
            let told = text.parse::<Members>().unwrap_err().to_string();
            assert!(told.contains(reason), "{text}: {told}");
        }
        let swapped = Candidate {
            cosigner: candidate(1).writer,
            ..candidate(2)
        };
        let told = Members::of_founders(vec![swapped]).unwrap_err().to_string();
        assert!(told.contains("no cosigner's key"), "{told}");
        let shared = Candidate {
            writer: candidate(1).writer,
            ..candidate(2)
        };
        let told = Members::of_founders(vec![candidate(1), shared])
            .unwrap_err()
            .to_string();
        assert!(told.contains("of another member"), "{told}");
    }
}
