//! Keys, origin and trust directory: made at the first start, read at every later one.
//!
//! ```text
//! private/log.key       signs checkpoints; its name is the ledger's origin
//! private/writer.key    signs this node's leaves; its name is <origin>/writer
//! trust/policy          whose checkpoints count: this log, quorum none
//! trust/writers         who may write which subjects: this node's writer, all of them
//! trust/ledger          where the public files are, relative to trust/
//! ```
//!
//! The files are made in this order, each durable before the next, and a start makes those that are missing. `log.key`
//! comes first and fixes the origin, so a first start that crashed anywhere goes on where it was. What an interrupted
//! first start cannot explain (a raft log without its key, a list of writers without the writer's key) is refused: a
//! new key would begin another ledger over the old one's files.

use std::fs;
use std::path::{Path, PathBuf};

use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::trust::Trust;

use crate::Error;
use crate::durable::{self, Access, io};

/// Bytes of the longest key file that is read.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// The directories of one ledger node.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
    pub(crate) trust: PathBuf,
}

/// Who this ledger is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) log: SigningKey,
    pub(crate) writer: SigningKey,
    pub(crate) trust: Trust,
    /// The text of `trust/writers`.
    pub(crate) writers: String,
}

impl Directories {
    pub(crate) fn raft_log(&self) -> PathBuf {
        self.private.join("raft")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.private.join("state.redb")
    }
}

impl Identity {
    /// Reads the identity, making what a first start has not made yet.
    pub(crate) fn open(dirs: &Directories, origin: Option<&str>) -> Result<Self, Error> {
        let log = open_log_key(dirs, origin)?;
        let writer = open_writer_key(dirs, log.name())?;
        durable::create_dir(&dirs.public, Access::Everyone)?;
        durable::create_dir(&dirs.trust, Access::Everyone)?;
        let policy_path = dirs.trust.join("policy");
        let policy = open_text(&policy_path, || {
            format!(
                "# whose checkpoints count; the node of this log certifies alone\nlog {}\nquorum none\n",
                log.verifier()
            )
        })?;
        let writers_path = dirs.trust.join("writers");
        let writers = open_text(&writers_path, || {
            format!(
                "# who may write which subjects: <key> <subject, * at its end for all that begin so>...\n{} *\n",
                writer.verifier()
            )
        })?;
        let ledger = open_text(&dirs.trust.join("ledger"), || format!("{}\n", public_from_trust(dirs)))?;
        let trust = Trust::from_texts(&policy, &writers, Some(&ledger))
            .map_err(|error| Error::setting(&dirs.trust, error.to_string()))?;
        if !trust.policy.logs().iter().any(|listed| listed.key == *log.verifier()) {
            return Err(Error::setting(
                &policy_path,
                format!("it does not list this node's log {}", log.verifier()),
            ));
        }
        if !trust.policy.needs_no_cosigner() {
            let reason =
                "its quorum asks for cosigners, but this node has none; with one node it must be `quorum none`";
            return Err(Error::setting(&policy_path, reason));
        }
        if trust.writers.find(writer.name(), writer.verifier().key_id()).is_none() {
            let writers = writers_path.display();
            tracing::warn!(%writers, "this node's own writer is not listed: it can write nothing");
        }
        Ok(Self {
            log,
            writer,
            trust,
            writers,
        })
    }
}

fn open_log_key(dirs: &Directories, origin: Option<&str>) -> Result<SigningKey, Error> {
    let path = dirs.private.join("log.key");
    if let Some(key) = read_key(&path)? {
        return match origin {
            Some(origin) if origin != key.name() => {
                let reason = format!(
                    "this ledger's origin is {}, fixed at its first start, not {origin}",
                    key.name()
                );
                Err(Error::setting(&path, reason))
            }
            _ => Ok(key),
        };
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
    check_origin(&path, &origin)?;
    make_key(&path, &origin, SigningKey::generate)
}

/// Refuses an origin under which no leaf could be signed, before anything is made of it.
fn check_origin(path: &Path, origin: &str) -> Result<(), Error> {
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
    probe().map_err(|error: dab_proof::Error| Error::setting(path, format!("{origin:?} cannot be an origin: {error}")))
}

fn writer_name(origin: &str) -> String {
    format!("{origin}/writer")
}

fn open_writer_key(dirs: &Directories, origin: &str) -> Result<SigningKey, Error> {
    let path = dirs.private.join("writer.key");
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

/// What makes a key of one kind from a name and a seed.
type Generate = fn(&str, &[u8; 32]) -> Result<SigningKey, dab_proof::Error>;

/// Draws a key and writes it, durably and for its owner alone.
pub(crate) fn make_key(path: &Path, name: &str, generate: Generate) -> Result<SigningKey, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::Randomness {
        reason: error.to_string(),
    })?;
    let key = generate(name, &seed).map_err(|error| Error::setting(path, error.to_string()))?;
    durable::write(path, format!("{}\n", key.to_text()).as_bytes(), Access::Owner)?;
    Ok(key)
}

/// Reads a key file; `None` when there is none. A key that others can read is no longer a secret, so it is refused.
pub(crate) fn read_key(path: &Path) -> Result<Option<SigningKey>, Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("look at", path)(error)),
    };
    durable::require_owner_only(path)?;
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(Error::setting(path, "it is too long for a key"));
    }
    let text = fs::read_to_string(path).map_err(io("read", path))?;
    // the parser's words might quote the secret
    let key = SigningKey::from_text(text.strip_suffix('\n').unwrap_or(&text))
        .map_err(|_| Error::setting(path, "it does not hold a signing key (PRIVATE+KEY+...)"))?;
    Ok(Some(key))
}

fn open_text(path: &Path, make: impl FnOnce() -> String) -> Result<String, Error> {
    if let Some(bytes) = durable::read(path)? {
        return String::from_utf8(bytes).map_err(|_| Error::setting(path, "it is not UTF-8"));
    }
    let text = make();
    durable::write(path, text.as_bytes(), Access::Everyone)?;
    Ok(text)
}

fn public_from_trust(dirs: &Directories) -> String {
    let name = dirs.public.file_name();
    match (dirs.public.parent() == dirs.trust.parent(), name) {
        (true, Some(name)) => format!("../{}", name.to_string_lossy()),
        _ => std::path::absolute(&dirs.public)
            .unwrap_or_else(|_| dirs.public.clone())
            .display()
            .to_string(),
    }
}
