//! Signs and issues checkpoints: never two different roots for one size.
//!
//! What guards that rule on one node is that the tree is a function of the raft log, which is durable before anything
//! is signed: a crash after issuing a checkpoint replays to the same root. What breaks it is a log, a state or a public
//! directory restored from an old copy. So the last checkpoint is kept in two places, the public file (replaced at
//! every issue) and the state database (at every flush), and a start compares both with the replayed tree before the
//! key signs anything.

use std::path::{Path, PathBuf};

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::note::SigningKey;
use dab_proof::policy::{Certification, Policy};
use dab_proof::tree::TreeSize;

use crate::Error;
use crate::durable;
use crate::reader::IssuedCheckpoint;
use crate::tile_store::TileStore;

/// Issues the checkpoints of one ledger.
#[derive(Debug)]
pub(crate) struct Issuer {
    key: SigningKey,
    policy: Policy,
    /// Checkpoints that this ledger is known to have issued, to be compared at start.
    known: Vec<Known>,
    last: Option<SignedCheckpoint>,
    path: PathBuf,
    temporary: PathBuf,
}

/// A checkpoint of an earlier run.
#[derive(Debug)]
struct Known {
    place: String,
    signed: SignedCheckpoint,
    /// When it was issued, where that is known.
    unix_ms: Option<u64>,
}

impl Issuer {
    /// Reads the checkpoints that earlier runs left, `in_state` being the one that the state database holds.
    pub(crate) fn open(public_dir: &Path, key: SigningKey, policy: Policy, in_state: &[u8]) -> Result<Self, Error> {
        let path = public_dir.join("checkpoint");
        let in_file = durable::read(&path)?.unwrap_or_default();
        let stored = [
            (path.display().to_string(), in_file.as_slice(), modified_unix_ms(&path)),
            ("the state database".to_owned(), in_state, None),
        ];
        let mut known = Vec::new();
        for (place, bytes, unix_ms) in stored {
            // a power cut may leave the file empty or zeroed, since its bytes are not synced when it is replaced
            if bytes.iter().all(|&byte| byte == 0) {
                continue;
            }
            let unusable = |error: dab_proof::Error| Error::Inconsistent {
                reason: format!("the checkpoint in {place} is not one that this ledger issued: {error}"),
            };
            let signed = SignedCheckpoint::parse(bytes).map_err(unusable)?;
            policy.verify(&signed).map_err(unusable)?;
            known.push(Known { place, signed, unix_ms });
        }
        let temporary = public_dir.join(".writing");
        Ok(Self {
            key,
            policy,
            known,
            last: None,
            path,
            temporary,
        })
    }

    /// Compares the checkpoints of earlier runs with the tree that the raft log replays to; gives the latest of them,
    /// if it is known when it was issued.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] names the checkpoint and the tree, when one is not a prefix of the other.
    pub(crate) fn check(&mut self, tiles: &TileStore) -> Result<Option<IssuedCheckpoint>, Error> {
        for Known { place, signed, .. } in &self.known {
            let Checkpoint { size, root, .. } = signed.checkpoint();
            let differs = |found: String| Error::Inconsistent {
                reason: format!("the checkpoint in {place} has {size} leaves and root {root}, but {found}"),
            };
            if *size > tiles.size() {
                let found = format!(
                    "the raft log replays to {} leaves and root {}",
                    tiles.size(),
                    tiles.root()
                );
                return Err(differs(found));
            }
            let replayed = tiles.root_at(*size)?;
            if replayed != *root {
                return Err(differs(format!("the replayed tree has root {replayed} at that size")));
            }
        }
        let Some(latest) = self.known.drain(..).max_by_key(|known| known.signed.checkpoint().size) else {
            return Ok(None);
        };
        let Checkpoint { size, root, .. } = *latest.signed.checkpoint();
        self.last = Some(latest.signed);
        Ok(latest.unix_ms.map(|unix_ms| IssuedCheckpoint { size, root, unix_ms }))
    }

    /// Signs the tree as it stands and replaces the public checkpoint; every tile that it needs is written already.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] rather than a second root for a size, or a size below one that was signed.
    pub(crate) fn issue(&mut self, tiles: &TileStore) -> Result<(SignedCheckpoint, Certification), Error> {
        let checkpoint = Checkpoint {
            origin: self.key.name().to_owned(),
            size: tiles.size(),
            root: tiles.root(),
        };
        if let Some(last) = self.last.as_ref().map(SignedCheckpoint::checkpoint)
            && (checkpoint.size < last.size || (checkpoint.size == last.size && checkpoint.root != last.root))
        {
            let reason = format!(
                "refusing to sign root {} for {} leaves after root {} for {}",
                checkpoint.root, checkpoint.size, last.root, last.size
            );
            return Err(Error::Inconsistent { reason });
        }
        // Ed25519 is deterministic: signing the same size again after a restart gives the same bytes
        let signed = checkpoint.sign(&self.key)?;
        let certification = self.policy.verify(&signed)?;
        durable::replace_unsynced(&self.path, &self.temporary, &signed.to_bytes())?;
        self.last = Some(signed.clone());
        Ok((signed, certification))
    }

    /// Makes the public checkpoint durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        durable::sync_file(&self.path)?;
        durable::sync_dir(durable::parent(&self.path))
    }

    /// Sizes of the checkpoints that may stand in the public file: those that earlier runs left, and the last one issued.
    pub(crate) fn public_sizes(&self) -> impl Iterator<Item = TreeSize> {
        let known = self.known.iter().map(|known| &known.signed);
        known.chain(&self.last).map(|signed| signed.checkpoint().size)
    }

    /// The last checkpoint issued.
    pub(crate) fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }
}

fn modified_unix_ms(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
