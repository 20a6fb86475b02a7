//! Keys, origin and trust directory: made at the first start, read at every later one.
//!
//! ```text
//! private/log.key       signs checkpoints; its name is the ledger's origin
//! private/writer.key    signs this node's leaves; its name is <origin>/writer
//! trust/policy          whose checkpoints count: this log, quorum none
//! trust/writers         who may write which subjects: this node's writer, all of them; from the first change of the writers on
//!                       it follows the ledger, and `trust/changes` and `trust/epoch` come beside it
//! trust/ledger          where the public files are, relative to trust/
//!
//! with several replicas (`founding.rs`) also:
//! private/candidate     what this machine said of itself before the founding
//! private/members       who founded the ledger (`dab_proof::epoch`)
//! private/invited       for one that joined later: who were its members then, this one among them
//! private/cosigner.key  signs checkpoints that this replica has recomputed; its name is <origin>/<member>
//! private/peer.key      proves to the others which replica this is
//! private/begun         there once it has taken part: from then on its raft log must be there too
//! ```
//!
//! The files are made in this order, each durable before the next, and a start makes those that are missing. `log.key`
//! comes first and fixes the origin, so a first start that crashed anywhere goes on where it was. What an interrupted
//! first start cannot explain (a raft log without its key, a list of writers without the writer's key) is refused: a
//! new key would begin another ledger over the old one's files.

use std::path::{Path, PathBuf};

use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::trust::Trust;

use crate::Error;
use crate::config::NodeConfig;
use crate::durable::{self, Access};
use crate::epoch::{Epoch, writer_name, writers_text};
use crate::key_file::{make_key, read_key};
use crate::members::Member;
use crate::peer::PeerIdentity;
use crate::state_machine::Settings;

/// The directories of one ledger node.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
    pub(crate) trust: PathBuf,
}

/// Who this ledger is, and which of its replicas this node.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) log: SigningKey,
    pub(crate) writer: SigningKey,
    /// Absent where the node certifies alone.
    pub(crate) membership: Option<Membership>,
    pub(crate) trust: Trust,
    /// What a ledger begins with; where a node certifies alone, its present ones.
    pub(crate) settings: Settings,
}

/// This node's place among the replicas.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) own: Member,
    /// The epoch that the ledger began with.
    pub(crate) founded: Epoch,
    /// The epoch in which this replica joined.
    pub(crate) joined: Epoch,
    pub(crate) cosigner: SigningKey,
    pub(crate) peer: PeerIdentity,
}

impl Directories {
    pub(crate) fn of(config: &NodeConfig) -> Self {
        Self {
            private: config.private_dir.clone(),
            public: config.public_dir.clone(),
            trust: config.trust_dir.clone(),
        }
    }

    pub(crate) fn log_key(&self) -> PathBuf {
        self.private.join("log.key")
    }

    pub(crate) fn writer_key(&self) -> PathBuf {
        self.private.join("writer.key")
    }

    pub(crate) fn cosigner_key(&self) -> PathBuf {
        self.private.join("cosigner.key")
    }

    pub(crate) fn peer_key(&self) -> PathBuf {
        self.private.join("peer.key")
    }

    pub(crate) fn candidate(&self) -> PathBuf {
        self.private.join("candidate")
    }

    pub(crate) fn members(&self) -> PathBuf {
        self.private.join("members")
    }

    /// The changes of the members, for those who trust earlier ones.
    pub(crate) fn changes(&self) -> PathBuf {
        self.trust.join("changes")
    }

    pub(crate) fn invited(&self) -> PathBuf {
        self.private.join("invited")
    }

    /// There once a replica has taken part.
    pub(crate) fn begun(&self) -> PathBuf {
        self.private.join("begun")
    }

    pub(crate) fn raft_log(&self) -> PathBuf {
        self.private.join("raft")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.private.join("state.redb")
    }

    /// Where an auditor finds the public files, from the trust directory on.
    pub(crate) fn public_from_trust(&self) -> String {
        let name = self.public.file_name();
        match (self.public.parent() == self.trust.parent(), name) {
            (true, Some(name)) => format!("../{}", name.to_string_lossy()),
            _ => std::path::absolute(&self.public)
                .unwrap_or_else(|_| self.public.clone())
                .display()
                .to_string(),
        }
    }
}

impl Identity {
    /// Reads the identity. That of a node on its own is made where it is missing; that of a replica was made when it joined.
    pub(crate) fn open(dirs: &Directories, origin: Option<&str>) -> Result<Self, Error> {
        let identity = match read_text(&dirs.members())? {
            Some(members) => Self::open_replica(dirs, origin, &members)?,
            None if dirs.candidate().exists() => {
                let reason = "this directory is made for a ledger of several replicas: bring it the founding first";
                return Err(Error::setting(&dirs.candidate(), reason));
            }
            None => Self::open_alone(dirs, origin)?,
        };
        let (policy_path, writers_path) = (dirs.trust.join("policy"), dirs.trust.join("writers"));
        let (log, writer, trust) = (&identity.log, &identity.writer, &identity.trust);
        if !trust.policy.logs().iter().any(|listed| listed.key == *log.verifier()) {
            return Err(Error::setting(
                &policy_path,
                format!("it does not list this node's log {}", log.verifier()),
            ));
        }
        if trust.writers.find(writer.name(), writer.verifier().key_id()).is_none() {
            let writers = writers_path.display();
            tracing::warn!(%writers, "this node's own writer is not listed: it can write nothing");
        }
        match (&identity.membership, trust.policy.needs_no_cosigner()) {
            (None, false) if !trust.policy.is_met_by(|witness| witness.url.is_some()) => {
                let reason = "its quorum asks for cosigners that this node cannot ask: only witnesses with a URL can be, \
                              and without any it must be `quorum none`";
                Err(Error::setting(&policy_path, reason))
            }
            (Some(_), true) => {
                let reason =
                    "its quorum asks for nobody, but this ledger has several replicas: that of its founding does";
                Err(Error::setting(&policy_path, reason))
            }
            _ => Ok(identity),
        }
    }

    fn open_alone(dirs: &Directories, origin: Option<&str>) -> Result<Self, Error> {
        let log = open_log_key(dirs, origin)?;
        let writer = open_writer_key(dirs, log.name())?;
        durable::create_dir(&dirs.public, Access::Everyone)?;
        durable::create_dir(&dirs.trust, Access::Everyone)?;
        let policy = open_text(&dirs.trust.join("policy"), || {
            format!(
                "# whose checkpoints count; the node of this log certifies alone\nlog {}\nquorum none\n",
                log.verifier()
            )
        })?;
        let writers = open_text(&dirs.trust.join("writers"), || writers_text([writer.verifier()]))?;
        let ledger = open_text(&dirs.trust.join("ledger"), || format!("{}\n", dirs.public_from_trust()))?;
        let origin = log.name().to_owned();
        Ok(Self {
            log,
            writer,
            trust: trust(dirs, &policy, &writers, &ledger)?,
            settings: Settings {
                origin,
                writers,
                members: String::new(),
                changes_bytes: 0,
            },
            membership: None,
        })
    }

    fn open_replica(dirs: &Directories, origin: Option<&str>, members: &str) -> Result<Self, Error> {
        let epoch = |path: &Path, text: &str| {
            Epoch::parse(text.as_bytes()).map_err(|error| Error::setting(path, error.to_string()))
        };
        let founded = epoch(&dirs.members(), members)?;
        let joined = match read_text(&dirs.invited())? {
            Some(text) => epoch(&dirs.invited(), &text)?,
            None => founded.clone(),
        };
        let log = require_key(&dirs.log_key())?;
        check_same_origin(&dirs.log_key(), &log, origin)?;
        let (writer, cosigner) = (require_key(&dirs.writer_key())?, require_key(&dirs.cosigner_key())?);
        if !dirs.peer_key().exists() {
            return Err(missing(&dirs.peer_key()));
        }
        let peer = PeerIdentity::open(&dirs.peer_key())?;
        let own = joined
            .members
            .of_key(peer.key())
            .filter(|member| member.is.writer == *writer.verifier() && member.is.cosigner == *cosigner.verifier());
        let own = own.cloned().ok_or_else(|| {
            let reason = "none of the members has the keys of this directory";
            Error::setting(&dirs.members(), reason)
        })?;
        let text = |name: &str| {
            let path = dirs.trust.join(name);
            read_text(&path)?.ok_or_else(|| missing(&path))
        };
        let (policy, writers, ledger) = (text("policy")?, text("writers")?, text("ledger")?);
        let membership = Membership {
            own,
            founded,
            joined,
            cosigner,
            peer,
        };
        Ok(Self {
            log,
            writer,
            trust: trust(dirs, &policy, &writers, &ledger)?,
            settings: Settings::of(&membership.founded, 0),
            membership: Some(membership),
        })
    }
}

fn trust(dirs: &Directories, policy: &str, writers: &str, ledger: &str) -> Result<Trust, Error> {
    Trust::from_texts(policy, writers, Some(ledger)).map_err(|error| Error::setting(&dirs.trust, error.to_string()))
}

fn require_key(path: &Path) -> Result<SigningKey, Error> {
    read_key(path)?.ok_or_else(|| missing(path))
}

fn missing(path: &Path) -> Error {
    Error::setting(
        path,
        "it is missing, as after a join that was cut off: join once more, with the same founding",
    )
}

fn check_same_origin(path: &Path, key: &SigningKey, origin: Option<&str>) -> Result<(), Error> {
    match origin {
        Some(origin) if origin != key.name() => {
            let reason = format!(
                "this ledger's origin is {}, fixed at its first start, not {origin}",
                key.name()
            );
            Err(Error::setting(path, reason))
        }
        _ => Ok(()),
    }
}

fn open_log_key(dirs: &Directories, origin: Option<&str>) -> Result<SigningKey, Error> {
    let path = dirs.log_key();
    if let Some(key) = read_key(&path)? {
        check_same_origin(&path, &key, origin)?;
        return Ok(key);
    }
    for trace in [dirs.raft_log(), dirs.state(), dirs.public.join("checkpoint")] {
        if trace.exists() {
            let reason = format!(
                "the key is missing, but {} shows that this ledger has begun",
                trace.display()
            );
            return Err(Error::setting(&path, reason));
        }
    }
    let origin = origin.map_or_else(|| format!("dab/{}", uuid::Uuid::new_v4()), str::to_owned);
    check_origin(&origin).map_err(|reason| Error::setting(&path, reason))?;
    make_key(&path, &origin, SigningKey::generate)
}

/// Refuses an origin under which no leaf could be signed, before anything is made of it.
pub(crate) fn check_origin(origin: &str) -> Result<(), String> {
    let probe = || {
        let writer = SigningKey::generate(&writer_name(origin), &[1; 32])?;
        let leaf = Leaf {
            origin: origin.to_owned(),
            subject: Subject::catalog(),
            sequence: 0,
            parent: None,
            body: BodyDigest::of(b""),
            files: None,
            operation: "PROBE".to_owned(),
        };
        leaf.sign(&writer).map(drop)
    };
    probe().map_err(|error: dab_proof::Error| format!("{origin:?} cannot be an origin: {error}"))
}

fn open_writer_key(dirs: &Directories, origin: &str) -> Result<SigningKey, Error> {
    let path = dirs.writer_key();
    let name = writer_name(origin);
    match read_key(&path)? {
        Some(key) if key.name() == name => Ok(key),
        Some(key) => Err(Error::setting(
            &path,
            format!("the key is called {}, not {name}", key.name()),
        )),
        None if dirs.trust.join("writers").exists() => {
            let reason = "the key is missing, but trust/writers was written with it; restore the key, \
                          or remove trust/writers to have another made";
            Err(Error::setting(&path, reason))
        }
        None => make_key(&path, &name, SigningKey::generate),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, Error> {
    let text = durable::read(path)?.map(String::from_utf8).transpose();
    text.map_err(|_| Error::setting(path, "it is not UTF-8"))
}

fn open_text(path: &Path, make: impl FnOnce() -> String) -> Result<String, Error> {
    if let Some(text) = read_text(path)? {
        return Ok(text);
    }
    let text = make();
    durable::write(path, text.as_bytes(), Access::Everyone)?;
    Ok(text)
}
