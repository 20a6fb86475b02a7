//! The file `checkpoint`: the last certified one, for everybody to read.
//!
//! What an earlier run left is compared with the tree that the raft log replays to, before anything new is signed. On one
//! node that is what guards the rule of one root per size: the tree is a function of the raft log, so what breaks the rule
//! is a log, a state or a public directory restored from an old copy. Hence the last checkpoint is kept in two places, the
//! public file (replaced whenever a new one is certified) and the state database (at every flush).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::policy::{Policy, Witness};
use dab_proof::tree::TreeSize;

use crate::Error;
use crate::disk::Disk;
use crate::durable;
use crate::planted::planted;
use crate::policies::Policies;
use crate::reader::IssuedCheckpoint;
use crate::tile_store::TileStore;

/// The public checkpoint of one node.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    temporary: PathBuf,
    /// Checkpoints of earlier runs, smallest first.
    known: Vec<Known>,
    written: bool,
}

/// A checkpoint of an earlier run.
#[derive(Debug)]
pub(crate) struct Known {
    place: String,
    pub(crate) signed: SignedCheckpoint,
    /// When it was issued, where that is known.
    unix_ms: Option<u64>,
}

impl CheckpointFile {
    /// Reads the checkpoints that earlier runs left, `in_state` being the one that the state database holds.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        public_dir: &Path,
        policies: &Policies,
        in_state: &[u8],
    ) -> Result<Self, Error> {
        let path = public_dir.join("checkpoint");
        let in_file = disk.read(&path)?.unwrap_or_default();
        let stored = [
            ("the state database".to_owned(), in_state, None),
            (
                path.display().to_string(),
                in_file.as_slice(),
                disk.modified_unix_ms(&path),
            ),
        ];
        let mut known = Vec::new();
        for (place, bytes, unix_ms) in stored {
            if is_torn(bytes) && !(planted("a torn checkpoint is believed") && bytes.iter().any(|byte| *byte != 0)) {
                continue;
            }
            let unusable = |error: dab_proof::Error| Error::Inconsistent {
                reason: format!("the checkpoint in {place} is not one that this ledger issued: {error}"),
            };
            let signed = SignedCheckpoint::parse(bytes).map_err(unusable)?;
            let policy = policies.at(signed.checkpoint().size);
            if let Err(error) = policy.verify(&signed) {
                match lacks_lines(&signed, policy) {
                    true => continue,
                    false => return Err(unusable(error)),
                }
            }
            known.push(Known { place, signed, unix_ms });
        }
        known.sort_by_key(|known| known.signed.checkpoint().size);
        let temporary = public_dir.join(".writing");
        Ok(Self {
            disk,
            path,
            temporary,
            written: !known.is_empty(),
            known,
        })
    }

    /// Sizes of the checkpoints that earlier runs left in the file, until they are taken.
    pub(crate) fn known_sizes(&self) -> impl Iterator<Item = TreeSize> {
        self.known.iter().map(|known| known.signed.checkpoint().size)
    }

    /// The checkpoints of earlier runs, smallest first; each once.
    pub(crate) fn take_known(&mut self) -> Vec<Known> {
        std::mem::take(&mut self.known)
    }

    /// Replaces the file. Every tile that the checkpoint needs is written already.
    pub(crate) fn replace(&mut self, signed: &SignedCheckpoint) -> Result<(), Error> {
        self.disk
            .replace_unsynced(&self.path, &self.temporary, &signed.to_bytes())?;
        self.written = true;
        Ok(())
    }

    /// Makes the file durable, where there is one.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        if !self.written {
            return Ok(());
        }
        self.disk.sync_file(&self.path)?;
        self.disk.sync_dir(durable::parent(&self.path))
    }
}

/// Whether these bytes are what a power cut may leave of a note, whose bytes are not synced when it is replaced: nothing,
/// zeros, or its beginning.
fn is_torn(bytes: &[u8]) -> bool {
    bytes.last().is_none_or(|last| *last != b'\n') || bytes.contains(&0)
}

/// Whether the note was torn between two lines: this log signed it, and too few cosignatures are left to certify it.
fn lacks_lines(signed: &SignedCheckpoint, policy: &Policy) -> bool {
    let logs = policy.logs().iter().map(|log| &log.key);
    let by_log = signed
        .note()
        .verify("checkpoint", logs)
        .is_ok_and(|lines| !lines.is_empty());
    let cosigned = |witness: &Witness| {
        let lines = signed.note().signatures();
        lines
            .iter()
            .any(|line| line.name == witness.key.name() && line.key_id == witness.key.key_id())
    };
    by_log && !policy.is_met_by(cosigned)
}

impl Known {
    /// Compares it with the tree that the raft log replays to.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] names the checkpoint and the tree, when one is not a prefix of the other.
    pub(crate) fn check(&self, tiles: &TileStore) -> Result<(), Error> {
        let Checkpoint { size, root, .. } = self.signed.checkpoint();
        let place = &self.place;
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
        Ok(())
    }

    /// How it is listed, if it is known when it was issued.
    pub(crate) fn issued(&self) -> Option<IssuedCheckpoint> {
        let Checkpoint { size, root, .. } = *self.signed.checkpoint();
        self.unix_ms.map(|unix_ms| IssuedCheckpoint { size, root, unix_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Access;
    use crate::testing::sim_disk::SimDisk;
    use dab_proof::leaf::Subject;
    use dab_proof::testing::TinyLedger;

    fn opened(bytes: &[u8], policy: &Policy) -> Result<CheckpointFile, Error> {
        let disk = SimDisk::default();
        disk.write_through(Path::new("public/checkpoint"), bytes, Access::Everyone)?;
        let policies = Policies::new(policy.clone());
        CheckpointFile::open(Arc::new(disk), Path::new("public"), &policies, &[])
    }

    fn ledger() -> TinyLedger {
        let mut ledger = TinyLedger::with_cosigners(3);
        ledger.append(&Subject::catalog(), b"body", None, "TEST");
        ledger
    }

    /// A note with three cosignatures is longer than a sector, so a power cut may leave its beginning. The replica then
    /// refused to start.
    #[test]
    fn whatever_a_power_cut_leaves_of_the_file_is_passed_over() {
        let (ledger, policy) = (ledger(), ledger().trust().policy);
        let whole = ledger.checkpoint().to_bytes();
        assert_eq!(opened(&whole, &policy).unwrap().take_known().len(), 1);
        let text = ledger.checkpoint().checkpoint().text().len();
        for kept in (0..whole.len()).filter(|kept| *kept == 0 || *kept > text + 1) {
            let zeros = vec![0; whole.len() - kept];
            for torn in [whole[..kept].to_vec(), [&whole[..kept], &zeros].concat()] {
                let known = opened(&torn, &policy).unwrap().take_known();
                assert!(known.is_empty(), "{kept} bytes of {}", whole.len());
            }
        }
    }

    #[test]
    fn a_file_that_this_ledger_did_not_issue_is_refused() {
        let (ledger, policy) = (ledger(), ledger().trust().policy);
        let whole = String::from_utf8(ledger.checkpoint().to_bytes()).unwrap();
        let other = whole.replacen("\n1\n", "\n2\n", 1);
        assert!(matches!(
            opened(other.as_bytes(), &policy),
            Err(Error::Inconsistent { .. })
        ));
        assert!(matches!(
            opened(b"something else\n", &policy),
            Err(Error::Inconsistent { .. })
        ));
    }
}
