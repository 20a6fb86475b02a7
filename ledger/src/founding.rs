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

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use dab_proof::epoch::EpochText;
use dab_proof::leaf::BodyDigest;
use dab_proof::note::{SigningKey, VerifierKey};

use crate::Error;
use crate::config::NodeConfig;
use crate::durable::{self, Access, io};
use crate::epoch::{Epoch, WITNESS, WitnessAt, check_witness, cosigner_name, member_writer_name, witness_lines};
use crate::identity::{Directories, check_origin};
use crate::key_file::{Generate, draw_seed, make_key, read_key};
use crate::members::{Candidate, Member, Members, NotMembers, check_address, check_name};
use crate::peer::PeerIdentity;

/// The first line of a founding.
const FOUNDING_V1: &str = "dab/founding/v1";
/// Bytes of a founding's fingerprint: nobody finds a second one with it.
const FINGERPRINT_BYTES: usize = 16;

/// The beginning of a ledger with several replicas. Its text is a secret.
#[derive(Clone, Debug)]
pub struct Founding {
    log: SigningKey,
    witnesses: Vec<WitnessAt>,
    members: Members,
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
        for (count, witness) in witnesses.iter().enumerate() {
            check_witness(origin, witness, &witnesses[..count]).map_err(|error| refused(error.to_string()))?;
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
        founding.epoch().map(|_| founding)
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
        let (log, witnesses) = (self.log.to_text(), witness_lines(&self.witnesses));
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

    /// The witnesses outside, of which one has to cosign what its members agree on; none where there are none.
    pub fn witnesses(&self) -> &[WitnessAt] {
        &self.witnesses
    }

    /// That of a ledger that has begun, from its key and its first epoch.
    pub(crate) fn of(log: SigningKey, first: &Epoch) -> Self {
        Self {
            log,
            witnesses: first.witnesses(),
            members: first.members.clone(),
        }
    }

    /// What people compare, so that all have taken in the same: of the policy and the members, without the secret.
    pub fn fingerprint(&self) -> String {
        let policy = self.epoch().map(|epoch| epoch.text.policy).unwrap_or_default();
        let text = format!("{policy}{}", self.members);
        hex::encode(&BodyDigest::of(text.as_bytes()).sha256[..FINGERPRINT_BYTES])
    }

    /// The epoch that the ledger begins with.
    fn epoch(&self) -> Result<Epoch, Error> {
        let epoch = Epoch::first(self.log.verifier(), &self.members, &self.witnesses);
        epoch.map_err(|error| refused(error.to_string()))
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
    write_replica(&dirs, founding, None)?;
    Ok(member.clone())
}

/// Writes what makes a candidate's directory a replica's; `invited` is the epoch that it has been invited to.
pub(crate) fn write_replica(dirs: &Directories, founding: &Founding, invited: Option<&EpochText>) -> Result<(), Error> {
    let log = format!("{}\n", founding.log.to_text());
    let ledger = format!("{}\n", dirs.public_from_trust());
    let epoch = founding.epoch()?.text;
    durable::create_dir(&dirs.public, Access::Everyone)?;
    durable::create_dir(&dirs.trust, Access::Everyone)?;
    let now = invited.unwrap_or(&epoch);
    let mut files = vec![
        // first: from here on the directory is a replica's, and one that lacks the rest is refused
        (dirs.members(), epoch.text(), Access::Owner),
        (dirs.log_key(), log, Access::Owner),
        (dirs.trust.join("policy"), now.policy.clone(), Access::Everyone),
        (dirs.trust.join("writers"), now.writers.clone(), Access::Everyone),
        (dirs.trust.join("ledger"), ledger, Access::Everyone),
    ];
    if let Some(invited) = invited {
        files.insert(0, (dirs.invited(), invited.text(), Access::Owner));
    }
    for (path, text, access) in files {
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
    Ok(())
}

/// Whether the directory is made for a ledger of several replicas, whether it has joined or not.
pub fn is_replica(config: &NodeConfig) -> bool {
    let dirs = Directories::of(config);
    dirs.members().exists() || dirs.candidate().exists()
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

pub(crate) fn read_candidate(path: &PathBuf) -> Result<Option<Candidate>, Error> {
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
