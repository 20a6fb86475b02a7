//! How machines become the replicas of one ledger.
//!
//! ```text
//! each machine:  candidate()  -> keys, and a line that says who it is     (the lines go to the founder)
//! the founder:   Founding     -> the ledger's key, and who its members are (goes to every machine, in secret)
//! each machine:  join()       -> a directory that a node starts in
//! ```
//!
//! The founding is a text:
//!
//! ```text
//! dab/founding/v1
//! PRIVATE+KEY+<origin>+...         the ledger's key, which every replica holds
//! witness <name> <vkey> <url>      one for each witness outside; any one of them has to cosign too
//! <members>                        see `members.rs`
//! ```
//!
//! The ledger's key names it and certifies nothing where there are several: whoever steals it can sign a checkpoint, but
//! not cosign one. It is a secret all the same, for with it one can make evidence of a fork that never was.
//!
//! `join` marks the directory first, with `private/members`, so that after a crash in the middle no node starts that
//! would take it for a ledger of its own; joining again with the same founding goes on.

use std::fs;
use std::path::{Path, PathBuf};

use dab_proof::leaf::BodyDigest;
use dab_proof::note::{SigningKey, VerifierKey};
use dab_proof::trust::Trust;

use crate::Error;
use crate::durable::{self, Access, io};
use crate::identity::{Directories, check_origin, writers_text};
use crate::key_file::{Generate, draw_seed, make_key, read_key};
use crate::members::{Candidate, Member, Members, NotMembers, check_address, check_name};
use crate::node::NodeConfig;
use crate::peer::PeerIdentity;

/// The first line of a founding.
const FOUNDING_V1: &str = "dab/founding/v1";
/// Bytes of a founding's fingerprint: nobody finds a second one with it.
const FINGERPRINT_BYTES: usize = 16;
/// What a witness's line begins with, here as in a policy.
const WITNESS: &str = "witness ";
/// What a witness's name begins with. No member's does: a dot is none of its characters.
const OUTSIDE: &str = "outside.";

/// The beginning of a ledger with several replicas. Its text is a secret.
#[derive(Clone, Debug)]
pub struct Founding {
    log: SigningKey,
    witnesses: Vec<WitnessAt>,
    members: Members,
}

/// A witness outside, and where to ask it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAt {
    /// The key of its cosignatures.
    pub key: VerifierKey,
    /// Its submission prefix (C2SP tlog-witness).
    pub url: String,
}

impl Founding {
    /// Draws the key of a ledger that these candidates hold together, and whose checkpoints one of these witnesses, if
    /// there are any, has to cosign as well.
    ///
    /// # Errors
    ///
    /// [`Error::Founding`] when they cannot be its members or witnesses; [`Error::Randomness`].
    pub fn new(origin: &str, candidates: Vec<Candidate>, witnesses: Vec<WitnessAt>) -> Result<Self, Error> {
        check_origin(origin).map_err(refused)?;
        let members = Members::of_founders(candidates).map_err(|error| refused(error.to_string()))?;
        if members.count() < 2 {
            return Err(refused(
                "a ledger of one replica needs no founding: start a node".to_owned(),
            ));
        }
        let log = SigningKey::generate(origin, &draw_seed()?)?;
        Self::checked(log, witnesses, members)
    }

    /// What every replica is going to be told has to hold together.
    fn checked(log: SigningKey, witnesses: Vec<WitnessAt>, members: Members) -> Result<Self, Error> {
        let founding = Self {
            log,
            witnesses,
            members,
        };
        let origin = founding.origin();
        for Member { is, .. } in founding.members.iter() {
            let is_for_it = is.cosigner.name() == cosigner_name(origin, &is.name)
                && is.writer.name() == member_writer_name(origin, &is.name);
            if !is_for_it {
                return Err(refused(format!(
                    "{} has made its keys for another ledger than {origin}",
                    is.name
                )));
            }
        }
        let trust = Trust::from_texts(founding.policy(), founding.writers(), None);
        trust.map(|_| founding).map_err(|error| refused(error.to_string()))
    }

    /// Reads a founding.
    ///
    /// # Errors
    ///
    /// [`Error::Founding`] with the reason, which never quotes the key.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let body = text.strip_prefix(FOUNDING_V1).and_then(|rest| rest.strip_prefix('\n'));
        let Some((key, mut rest)) = body.and_then(|body| body.split_once('\n')) else {
            return Err(refused(format!("it does not begin with {FOUNDING_V1} and a key")));
        };
        let mut witnesses = Vec::new();
        while rest.starts_with(WITNESS) {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            witnesses.push(read_witness(line)?);
            rest = after;
        }
        let log = SigningKey::from_text(key)
            .map_err(|_| refused("its second line is no signing key (PRIVATE+KEY+...)".to_owned()))?;
        let members = rest
            .parse()
            .map_err(|error: NotMembers| refused(format!("its members: {error}")))?;
        Self::checked(log, witnesses, members)
    }

    /// The text, to be given to every member and to nobody else.
    pub fn to_text(&self) -> String {
        let (log, witnesses) = (self.log.to_text(), self.witness_lines());
        format!("{FOUNDING_V1}\n{log}\n{witnesses}{}", self.members)
    }

    /// The ledger's origin.
    pub fn origin(&self) -> &str {
        self.log.name()
    }

    /// Its members.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// As founding and policy have them; named by their place.
    fn witness_lines(&self) -> String {
        let line = |(number, witness): (usize, &WitnessAt)| {
            format!("{WITNESS}{OUTSIDE}{} {} {}\n", number + 1, witness.key, witness.url)
        };
        self.witnesses.iter().enumerate().map(line).collect()
    }

    /// What people compare, so that all have taken in the same: of the policy and the members, without the secret.
    pub fn fingerprint(&self) -> String {
        let text = format!("{}{}", self.policy(), self.members);
        hex::encode(&BodyDigest::of(text.as_bytes()).sha256[..FINGERPRINT_BYTES])
    }

    /// The text of `trust/policy`: the ledger's log, cosigned by a quorum of its replicas, and by a witness outside where
    /// there are any.
    fn policy(&self) -> String {
        let (log, members) = (self.log.verifier(), &self.members);
        let mut text = format!(
            "# whose checkpoints count: this log's, cosigned by {} of its {} replicas\nlog {log}\n",
            members.quorum(),
            members.count()
        );
        for member in members.iter() {
            text += &format!("witness {} {}\n", member.is.name, member.is.cosigner);
        }
        let names: Vec<_> = members.iter().map(|member| member.is.name.as_str()).collect();
        text += &format!("group replicas {} {}\n", members.quorum(), names.join(" "));
        if self.witnesses.is_empty() {
            return text + "quorum replicas\n";
        }
        let outside: Vec<_> = (1..=self.witnesses.len())
            .map(|number| format!("{OUTSIDE}{number}"))
            .collect();
        text += &self.witness_lines();
        text + &format!(
            "group outside any {}\ngroup both all replicas outside\nquorum both\n",
            outside.join(" ")
        )
    }

    /// The text of `trust/writers`.
    fn writers(&self) -> String {
        writers_text(self.members.iter().map(|member| &member.is.writer))
    }
}

/// Makes the keys of a machine that is to hold the ledger `origin` with others, and says who it is. Once more with the
/// same words says the same; `name` and `address` are how the others will know it.
///
/// # Errors
///
/// [`Error::Setting`] when the directory has a ledger already, or was made for another one; [`Error::Founding`] when the
/// name or the address is none.
pub fn candidate(config: &NodeConfig, origin: &str, name: &str, address: &str) -> Result<Candidate, Error> {
    check_name(name)
        .and(check_address(address))
        .map_err(|error| refused(error.to_string()))?;
    check_origin(origin).map_err(refused)?;
    let dirs = Directories::of(config);
    durable::create_private_dir(&dirs.private)?;
    let line = dirs.candidate();
    if let Some(known) = read_candidate(&line)? {
        let same =
            known.name == name && known.address == address && known.cosigner.name() == cosigner_name(origin, name);
        return match same {
            true => Ok(known),
            false => Err(Error::setting(
                &line,
                format!("this directory is already that of {known}"),
            )),
        };
    }
    for trace in [dirs.members(), dirs.log_key(), dirs.state()] {
        if trace.exists() {
            let reason = "this directory has a ledger already; a replica begins in one of its own";
            return Err(Error::setting(&trace, reason));
        }
    }
    // a crash on the way leaves keys that nobody knows; they are taken when it is tried again
    let candidate = Candidate {
        name: name.to_owned(),
        address: address.to_owned(),
        peer_key: PeerIdentity::open(&dirs.peer_key())?.key(),
        cosigner: kept_or_made(
            &dirs.cosigner_key(),
            &cosigner_name(origin, name),
            SigningKey::generate_cosigner,
        )?,
        writer: kept_or_made(
            &dirs.writer_key(),
            &member_writer_name(origin, name),
            SigningKey::generate,
        )?,
    };
    durable::write(&line, format!("{candidate}\n").as_bytes(), Access::Owner)?;
    Ok(candidate)
}

/// Makes the candidate's directory that of a replica: the next start of a node there joins the others.
///
/// # Errors
///
/// [`Error::Setting`] when the founding does not name this candidate, or the directory belongs to another ledger.
pub fn join(config: &NodeConfig, founding: &Founding) -> Result<Member, Error> {
    let dirs = Directories::of(config);
    let line = dirs.candidate();
    let candidate = read_candidate(&line)?
        .ok_or_else(|| Error::setting(&line, "this directory is no candidate's: make its keys first"))?;
    let member = founding
        .members
        .of_key(candidate.peer_key)
        .filter(|member| member.is == candidate);
    let member = member.ok_or_else(|| Error::setting(&line, "the founding does not name this candidate"))?;
    let log = format!("{}\n", founding.log.to_text());
    let trust_ledger = format!("{}\n", dirs.public_from_trust());
    durable::create_dir(&dirs.public, Access::Everyone)?;
    durable::create_dir(&dirs.trust, Access::Everyone)?;
    for (path, text, access) in [
        // first: from here on the directory is a replica's, and one that lacks the rest is refused
        (dirs.members(), founding.members.to_string(), Access::Owner),
        (dirs.log_key(), log, Access::Owner),
        (dirs.trust.join("policy"), founding.policy(), Access::Everyone),
        (dirs.trust.join("writers"), founding.writers(), Access::Everyone),
        (dirs.trust.join("ledger"), trust_ledger, Access::Everyone),
    ] {
        match durable::read(&path)? {
            Some(found) if found == text.as_bytes() => {}
            Some(_) => {
                return Err(Error::setting(
                    &path,
                    "it is there already, and not what this founding says",
                ));
            }
            None => durable::write(&path, text.as_bytes(), access)?,
        }
    }
    Ok(member.clone())
}

/// Whether the directory is made for a ledger of several replicas, whether it has joined or not.
pub fn is_replica(config: &NodeConfig) -> bool {
    let dirs = Directories::of(config);
    dirs.members().exists() || dirs.candidate().exists()
}

fn cosigner_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}")
}

fn member_writer_name(origin: &str, name: &str) -> String {
    format!("{origin}/{name}/writer")
}

fn kept_or_made(path: &Path, name: &str, generate: Generate) -> Result<VerifierKey, Error> {
    let key = match read_key(path)? {
        Some(key) if key.name() == name => key,
        Some(key) => {
            let reason = format!("the key is called {}, not {name}", key.name());
            return Err(Error::setting(path, reason));
        }
        None => make_key(path, name, generate)?,
    };
    Ok(key.verifier().clone())
}

fn read_candidate(path: &PathBuf) -> Result<Option<Candidate>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", path)(error)),
    };
    let candidate = text.trim_end().parse();
    candidate
        .map(Some)
        .map_err(|error: NotMembers| Error::setting(path, error.to_string()))
}

fn read_witness(line: &str) -> Result<WitnessAt, Error> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, _, key, url] = words[..] else {
        return Err(refused("a witness is its name, its key and its URL".to_owned()));
    };
    let key = key
        .parse()
        .map_err(|error: dab_proof::Error| refused(format!("a witness: {error}")))?;
    let url = url.to_owned();
    Ok(WitnessAt { key, url })
}

fn refused(reason: String) -> Error {
    Error::Founding { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(dir: &Path, count: usize) -> Vec<(NodeConfig, Candidate)> {
        let made = (1..=count).map(|n| {
            let config = NodeConfig::in_dir(dir.join(format!("n{n}")));
            let candidate = candidate(
                &config,
                "dab/test",
                &format!("n{n}"),
                &format!("127.0.0.1:{}", 4000 + n),
            )
            .unwrap();
            (config, candidate)
        });
        made.collect()
    }

    fn found(candidates: &[(NodeConfig, Candidate)]) -> Founding {
        let candidates = candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
        Founding::new("dab/test", candidates, Vec::new()).unwrap()
    }

    #[test]
    fn every_member_gets_the_same_trust_and_knows_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let candidates = candidates(dir.path(), 4);
        let founding = Founding::from_text(&found(&candidates).to_text()).unwrap();
        for (at, (config, candidate)) in (1..).zip(&candidates) {
            let member = join(config, &founding).unwrap();
            assert_eq!((member.id.0, &member.is), (at, candidate));
            // and once more, as after a crash
            assert_eq!(join(config, &founding).unwrap(), member);
            for name in ["policy", "writers"] {
                let read = |config: &NodeConfig| fs::read_to_string(config.trust_dir.join(name)).unwrap();
                assert_eq!(read(config), read(&candidates[0].0), "{name}");
            }
        }
        let policy = fs::read_to_string(candidates[0].0.trust_dir.join("policy")).unwrap();
        assert!(
            policy.contains("group replicas 3 n1 n2 n3 n4\nquorum replicas\n"),
            "{policy}"
        );
    }

    #[test]
    fn a_policy_with_witnesses_asks_for_the_replicas_and_one_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let candidates = candidates(dir.path(), 4);
        let named = || candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
        let witness = |seed| WitnessAt {
            key: SigningKey::generate_cosigner(&format!("w/{seed}"), &[seed; 32])
                .unwrap()
                .verifier()
                .clone(),
            url: format!("https://w{seed}.example.org/"),
        };
        let founding = Founding::new("dab/test", named(), vec![witness(1), witness(2)]).unwrap();
        let text = founding.to_text();
        assert_eq!(Founding::from_text(&text).unwrap().to_text(), text);
        join(&candidates[0].0, &founding).unwrap();
        let policy = fs::read_to_string(candidates[0].0.trust_dir.join("policy")).unwrap();
        let policy = dab_proof::policy::Policy::parse(policy).unwrap();
        let is_met = |names: &[&str]| policy.is_met_by(|witness| names.contains(&witness.name.as_str()));
        assert!(is_met(&["n1", "n2", "n4", "outside.2"]));
        assert!(!is_met(&["n1", "n2", "n3", "n4"]) && !is_met(&["n1", "n2", "outside.1", "outside.2"]));
        // one key has one role
        let replica = WitnessAt {
            key: candidates[1].1.cosigner.clone(),
            ..witness(1)
        };
        let refused = Founding::new("dab/test", named(), vec![replica]);
        assert!(matches!(refused, Err(Error::Founding { .. })), "{refused:?}");
    }

    /// A crash in the middle leaves any number of the files, the first ones first.
    #[test]
    fn a_join_that_was_cut_off_starts_no_node_and_goes_on_when_it_is_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let candidates = candidates(dir.path(), 2);
        let (config, founding) = (&candidates[0].0, found(&candidates));
        let dirs = Directories::of(config);
        let trust = |name: &str| dirs.trust.join(name);
        let written = [
            dirs.members(),
            dirs.log_key(),
            trust("policy"),
            trust("writers"),
            trust("ledger"),
        ];
        for cut in 0..written.len() {
            join(config, &founding).unwrap();
            written[cut..].iter().for_each(|path| fs::remove_file(path).unwrap());
            let told = crate::node::Node::start(config.clone()).unwrap_err().to_string();
            let reason = match cut {
                0 => "bring it the founding first",
                _ => "join once more",
            };
            assert!(told.contains(reason), "after {cut} files: {told}");
            assert!(!dirs.begun().exists(), "it has taken part");
        }
        join(config, &founding).unwrap();
        crate::node::Node::start(config.clone()).unwrap();
    }

    #[test]
    fn a_directory_is_made_for_one_ledger_and_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let candidates = candidates(dir.path(), 2);
        let (config, first) = &candidates[0];
        let again = |origin, name, address| candidate(config, origin, name, address);
        assert_eq!(&again("dab/test", "n1", "127.0.0.1:4001").unwrap(), first);
        for other in [
            again("dab/other", "n1", "127.0.0.1:4001"),
            again("dab/test", "n2", "127.0.0.1:4001"),
            again("dab/test", "n1", "127.0.0.1:4002"),
        ] {
            assert!(matches!(other, Err(Error::Setting { .. })), "{other:?}");
        }
        join(config, &found(&candidates)).unwrap();
        // the same machines, another key
        let other = join(config, &found(&candidates)).unwrap_err().to_string();
        assert!(
            other.contains("log.key") && other.contains("not what this founding says"),
            "{other}"
        );
        let alone = NodeConfig::in_dir(dir.path().join("alone"));
        crate::node::Node::start(alone.clone()).unwrap();
        let taken = candidate(&alone, "dab/test", "n3", "127.0.0.1:4003")
            .unwrap_err()
            .to_string();
        assert!(taken.contains("has a ledger already"), "{taken}");
    }

    #[test]
    fn a_founding_that_is_none_is_refused_without_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let candidates = candidates(dir.path(), 2);
        let founding = found(&candidates);
        let text = founding.to_text();
        let secret = founding.log.to_text();
        for (wrong, reason) in [
            (text.replace("/v1", "/v2"), "does not begin with"),
            (text.replace("PRIVATE", "PUBLIC"), "no signing key"),
            (text.replace("127.0.0.1", "127 0.0.1"), "its members: line 1"),
            (String::new(), "does not begin with"),
        ] {
            let told = Founding::from_text(&wrong).unwrap_err().to_string();
            assert!(told.contains(reason), "{told}");
            assert!(!told.contains(&secret), "{told}");
        }
        let stranger = NodeConfig::in_dir(dir.path().join("n3"));
        let told = join(&stranger, &founding).unwrap_err().to_string();
        assert!(told.contains("no candidate's"), "{told}");
        candidate(&stranger, "dab/test", "n3", "127.0.0.1:4003").unwrap();
        let told = join(&stranger, &founding).unwrap_err().to_string();
        assert!(told.contains("does not name this candidate"), "{told}");
        let elsewhere = candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
        let told = Founding::new("dab/other", elsewhere, Vec::new())
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("n1 has made its keys for another ledger than dab/other"),
            "{told}"
        );
        let one = Founding::new("dab/test", vec![candidates[0].1.clone()], Vec::new())
            .unwrap_err()
            .to_string();
        assert!(one.contains("needs no founding"), "{one}");
    }
}
