//! A witness on disk:
//!
//! ```text
//! STATE/lock                       held by the one process that witnesses with this key
//! STATE/cosigner.key               its key, mode 0600
//! STATE/logs/<sha256 of origin>/checkpoint    the last checkpoint cosigned, with the log's line and our own
//! STATE/evidence/<sha256 of origin>/<kind>-<digest>/...   what contradicts it
//! STATE/rolled-back                there once this state was found to be older than what the key has signed
//! ```
//!
//! The checkpoint is replaced in one rename and synced before anybody gets the cosignature, so a crash leaves the old one
//! or the new one, and in either case one that covers every cosignature that was given out.

use std::fs::File;
use std::path::{Path, PathBuf};

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::note::{SignatureType, SigningKey};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::durable::{self, Access};
use crate::evidence::{self, Piece};
use crate::key_file::{make_key, read_key};
use crate::lock;

/// The state directory, locked.
#[derive(Debug)]
pub(super) struct StateDir {
    dir: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Locks the directory, making it where it is missing; refuses one that was rolled back.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        durable::create_private_dir(dir)?;
        let state = Self {
            dir: dir.to_owned(),
            _lock: lock::lock(dir)?,
        };
        let marker = state.rolled_back();
        match marker.exists() {
            true => Err(Error::setting(
                &marker,
                "this key has cosigned a later checkpoint than its state knew: an old copy was restored. \
                 Nobody can believe the key any more: begin with another state directory, and take the key from the \
                 policies",
            )),
            false => Ok(state),
        }
    }

    /// The witness's key, made at the first start. `name` is for the first start, and must not be another later.
    pub(super) fn key(&self, name: Option<&str>) -> Result<SigningKey, Error> {
        let path = self.dir.join("cosigner.key");
        let Some(key) = read_key(&path)? else {
            let logs = self.dir.join("logs");
            if logs.exists() {
                let reason = format!("the key is missing, but {} shows that it has cosigned", logs.display());
                return Err(Error::setting(&path, reason));
            }
            let drawn = || format!("witness/{}", uuid::Uuid::new_v4());
            let name = name.map_or_else(drawn, str::to_owned);
            return make_key(&path, &name, SigningKey::generate_cosigner);
        };
        if key.verifier().kind() != SignatureType::CosignatureV1 {
            return Err(Error::setting(&path, "it is no cosigner's key: those have type 0x04"));
        }
        match name {
            Some(name) if name != key.name() => {
                let reason = format!(
                    "this witness is called {}, fixed at its first start, not {name}",
                    key.name()
                );
                Err(Error::setting(&path, reason))
            }
            _ => Ok(key),
        }
    }

    /// The last checkpoint that `key` cosigned for this ledger.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the file is not one that this witness wrote.
    pub(super) fn last(&self, origin: &str, key: &SigningKey) -> Result<Option<SignedCheckpoint>, Error> {
        let path = self.checkpoint(origin);
        let Some(bytes) = durable::read(&path)? else {
            return Ok(None);
        };
        let corrupt = |reason: String| Error::corrupt(&path, 0, &reason);
        let signed = SignedCheckpoint::parse(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if signed.checkpoint().origin != origin {
            return Err(corrupt(format!(
                "it is of ledger {}, not of {origin}",
                signed.checkpoint().origin
            )));
        }
        match super::cosigner::own_time_unix_s(&signed, key.verifier()) {
            Some(_) => Ok(Some(signed)),
            None => Err(corrupt("it does not carry this witness's own cosignature".to_owned())),
        }
    }

    /// Makes the checkpoint durable as the last one.
    pub(super) fn store(&self, signed: &SignedCheckpoint) -> Result<(), Error> {
        let path = self.checkpoint(&signed.checkpoint().origin);
        durable::create_dir(&self.dir.join("logs"), Access::Owner)?;
        durable::write(&path, &signed.to_bytes(), Access::Owner)
    }

    /// Keeps two notes that do not go together.
    pub(super) fn keep(&self, origin: &str, kind: &str, files: &[(&str, &[u8])]) -> Result<Option<Piece>, Error> {
        let dir = self.dir.join("evidence");
        durable::create_dir(&dir, Access::Owner)?;
        let folder = dir.join(folder_of(origin));
        evidence::keep(&folder, kind, files, Access::Owner)
    }

    /// Marks the state as older than what its key has signed.
    pub(super) fn mark_rolled_back(&self, seen: &SignedCheckpoint) -> Result<(), Error> {
        durable::write(&self.rolled_back(), &seen.to_bytes(), Access::Owner)
    }

    fn checkpoint(&self, origin: &str) -> PathBuf {
        self.dir.join("logs").join(folder_of(origin)).join("checkpoint")
    }

    fn rolled_back(&self) -> PathBuf {
        self.dir.join("rolled-back")
    }
}

/// What a ledger is called in URLs and folders: the SHA-256 of its origin in hexadecimal digits.
pub(super) fn folder_of(origin: &str) -> String {
    Hash::from_bytes(Sha256::digest(origin).into()).to_hex()
}
