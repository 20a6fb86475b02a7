//! A monitor on disk: the checkpoint that it accepted last, and the evidence of what it did not accept. What it looks for
//! is `dab_proof::monitor`.
//!
//! ```text
//! STATE/lock                     held by the one process that monitors into this directory
//! STATE/checkpoint               the last checkpoint accepted, as it came: any other tool can read it
//! STATE/accepted-under           the policy under which it was accepted: one that is trusted later may not know who certified it
//! STATE/policy                   the policy that the operator knows of: where another one is trusted since, that is told
//! STATE/pending/<n>              checkpoints that were certified and could not be followed to yet
//! STATE/heads                    the last leaf of each subject in its tree; derived, and read again where it is lost
//! STATE/evidence/<kind>-<digest>/...    what raised an alarm
//! ```
//!
//! The heads are written first, then `accepted-under`, then the checkpoint that both belong to. A crash before the checkpoint
//! leaves heads of another tree: they are not used, and the next look derives them again from leaf zero. It may leave a policy
//! under which the checkpoint before does not count: then it counts under `policy`, unless its operator was told of another since.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::monitor::{Alarm, AlarmKind, Heads, Known, PENDING_MAX, Pending, Seen};
use dab_proof::note::VerifierKey;
use dab_proof::policy::{Certification, Policy};

use crate::Error;
use crate::clock::AHEAD_S_MAX;
use crate::durable::{self, Access, io};
use crate::{evidence, lock};

/// The state directory, locked and closed to others: what a server answered may be meant for nobody else.
#[derive(Debug)]
pub struct MonitorState {
    dir: PathBuf,
    _lock: File,
}

/// When a ledger last showed that it lives, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastSign {
    /// The time at which a quorum had cosigned, by the cosigners' clocks.
    Cosigned(u64),
    /// When it was last seen to have grown, by our clock: a log's own signature bears no time.
    Grown(u64),
}

impl MonitorState {
    /// Locks the directory, making it where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process uses it; [`Error::Io`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        durable::create_private_dir(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock::lock(dir)?,
        })
    }

    /// What was accepted last; `None` before the first look. It counts under the policy of now, or under that of the look which
    /// accepted it, where the ledger has changed since who certifies and is still the same.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the stored checkpoint counts under neither.
    pub fn load(&self, policy: &Policy) -> Result<Option<Known>, Error> {
        let path = self.checkpoint();
        let Some(bytes) = durable::read(&path)? else {
            return Ok(None);
        };
        let signed = self.read_counting(&path, &bytes, policy, "what was accepted last")?;
        let root = &signed.checkpoint().root;
        let heads = durable::read(&self.dir.join("heads"))?;
        // damaged heads are like lost ones: the ledger has them all
        let heads = heads.and_then(|bytes| Heads::parse(&bytes, root).ok().flatten());
        Ok(Some(Known { signed, heads }))
    }

    /// The policy that the operator was told of last; `None` before the first look that found all good.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a file that is no policy.
    pub fn policy_before(&self) -> Result<Option<Policy>, Error> {
        read_policy(&self.policy())
    }

    /// Makes durable that a look found all good under this policy, and that whoever has to know has been told of it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn keep_policy(&self, text: &[u8]) -> Result<(), Error> {
        replace(&self.policy(), text)
    }

    /// Reads a stored checkpoint, which has to count.
    fn read_counting(&self, path: &Path, bytes: &[u8], policy: &Policy, what: &str) -> Result<SignedCheckpoint, Error> {
        let refused = |error: dab_proof::Error| {
            let reason = format!("{what} does not count under this policy: {error}");
            Error::setting(path, reason)
        };
        let signed = SignedCheckpoint::parse(bytes).map_err(refused)?;
        self.certification(&signed, policy).map_err(|error| match error {
            Error::Proof(error) => refused(error),
            error => error,
        })?;
        Ok(signed)
    }

    /// What a checkpoint amounts to under the policy of now, or else under one before, of the same log; with that policy.
    fn certification(&self, signed: &SignedCheckpoint, policy: &Policy) -> Result<(Certification, Policy), Error> {
        let refused = match policy.verify(signed) {
            Ok(certification) => return Ok((certification, policy.clone())),
            Err(error) => error,
        };
        let is_log = |policy: &Policy, key: &VerifierKey| policy.logs().iter().any(|log| log.key == *key);
        for path in [self.accepted_under(), self.policy()] {
            let before = read_policy(&path)?.filter(|before| {
                let mut logs = before.logs().iter().map(|log| &log.key);
                logs.any(|key| key.name() == signed.checkpoint().origin && is_log(policy, key))
            });
            if let Some((Ok(certification), before)) = before.map(|before| (before.verify(signed), before)) {
                return Ok((certification, before));
            }
        }
        Err(refused.into())
    }

    /// What was shown and could not be followed to.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a file that is no checkpoint that counts under this policy.
    pub fn load_pending(&self, policy: &Policy) -> Result<Pending, Error> {
        let mut shown = Vec::new();
        for place in 0..PENDING_MAX {
            let path = self.pending(place);
            let Some(bytes) = durable::read(&path)? else {
                break;
            };
            shown.push(self.read_counting(&path, &bytes, policy, "what was shown")?);
        }
        Ok(Pending::new(shown))
    }

    /// Makes durable what could not be followed to, in place of what there was.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn store_pending(&self, pending: &Pending) -> Result<(), Error> {
        let shown = pending.shown();
        for (place, signed) in shown.iter().enumerate() {
            let (path, bytes) = (self.pending(place), signed.to_bytes());
            if durable::read(&path)?.as_deref() != Some(&bytes) {
                durable::write(&path, &bytes, Access::Owner)?;
            }
        }
        // from the end, so that a crash leaves no gap
        for place in (shown.len()..PENDING_MAX).rev() {
            let path = self.pending(place);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("remove", &path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes what was seen durable as what was accepted last, under the policy `text`. `before` is what was there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the old or the new checkpoint then stands.
    pub fn store(&self, before: Option<&Known>, seen: &Seen, policy: &Policy, text: &[u8]) -> Result<(), Error> {
        let grown = before.is_none_or(|before| before.signed.checkpoint() != seen.signed.checkpoint());
        if grown || before.is_some_and(|before| before.heads.is_none()) {
            let heads = seen.heads.to_text(&seen.signed.checkpoint().root);
            durable::write(&self.dir.join("heads"), heads.as_bytes(), Access::Owner)?;
        }
        // Without cosigners nothing but growth may touch the file: its time says when that was.
        let signed_anew = !policy.needs_no_cosigner() && before.is_some_and(|before| before.signed != seen.signed);
        if grown || signed_anew {
            replace(&self.accepted_under(), text)?;
            durable::write(&self.checkpoint(), &seen.signed.to_bytes(), Access::Owner)?;
        }
        Ok(())
    }

    /// The last sign of life of the ledger in what was accepted; `None` before the first look.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn last_sign(&self, known: &Known, policy: &Policy) -> Result<LastSign, Error> {
        let (certification, policy) = self.certification(&known.signed, policy)?;
        if let Some(time) = policy.quorum_time_unix_s(&certification) {
            return Ok(LastSign::Cosigned(time));
        }
        let path = self.checkpoint();
        let modified = std::fs::metadata(&path)
            .and_then(|metadata| metadata.modified())
            .map_err(io("look at", &path))?;
        Ok(LastSign::Grown(
            modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        ))
    }

    /// Keeps an alarm's evidence; gives its folder, or `None` when there is none, or enough of the kind is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn keep(&self, alarm: &Alarm) -> Result<Option<PathBuf>, Error> {
        if alarm.files.is_empty() {
            return Ok(None);
        }
        let files: Vec<_> = alarm
            .files
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
            .collect();
        let dir = self.dir.join("evidence");
        durable::create_dir(&dir, Access::Owner)?;
        let piece = evidence::keep(&dir, alarm.kind.word(), &files, Access::Owner)?;
        Ok(piece.map(|piece| piece.folder))
    }

    fn policy(&self) -> PathBuf {
        self.dir.join("policy")
    }

    fn accepted_under(&self) -> PathBuf {
        self.dir.join("accepted-under")
    }

    fn pending(&self, place: usize) -> PathBuf {
        self.dir.join("pending").join(place.to_string())
    }

    fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }
}

fn read_policy(path: &Path) -> Result<Option<Policy>, Error> {
    let policy = durable::read(path)?.map(Policy::parse).transpose();
    policy.map_err(|error| Error::setting(path, error.to_string()))
}

/// Writes a file where it says something else.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    match durable::read(path)? {
        Some(kept) if kept == bytes => Ok(()),
        _ => durable::write(path, bytes, Access::Owner),
    }
}

impl LastSign {
    /// The alarm when this was more than `stall_s` seconds before `now_unix_s`. A time of the future is an alarm too: it would
    /// keep a dead ledger alive until then. `unread` says why nothing newer could be read, if so.
    pub fn stalled(self, known: &Known, now_unix_s: u64, stall_s: u64, unread: Option<&str>) -> Option<Alarm> {
        let (time, what) = match self {
            LastSign::Cosigned(time) => (time, "has no cosignatures of its quorum newer than"),
            LastSign::Grown(time) => (time, "has not grown for"),
        };
        let size = known.signed.checkpoint().size;
        if matches!(self, LastSign::Cosigned(_)) && time > now_unix_s.saturating_add(AHEAD_S_MAX) {
            let ahead_s = time - now_unix_s;
            let reason = format!(
                "the cosignatures under the ledger of {size} leaves are {ahead_s} s in the future, which is no sign of life"
            );
            return Some(Alarm::new(AlarmKind::Stalled, reason).file("first", known.signed.to_bytes()));
        }
        let silent_s = now_unix_s.saturating_sub(time);
        if silent_s <= stall_s {
            return None;
        }
        let unread = unread
            .map(|reason| format!("; it could not be read: {reason}"))
            .unwrap_or_default();
        let reason = format!("the ledger of {size} leaves {what} {silent_s} s, {stall_s} are allowed{unread}");
        Some(Alarm::new(AlarmKind::Stalled, reason).file("first", known.signed.to_bytes()))
    }
}
