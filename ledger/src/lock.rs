//! One process at a time in a directory: two raft logs under one key would sign two histories, and so would two witnesses.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::durable::io;

/// How often a start looks whether the lock is free, and the pause between.
const LOOKS_MAX: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Locks `dir`, which exists, for as long as the file is held.
///
/// # Errors
///
/// [`Error::Locked`] when another process holds it; [`Error::Io`].
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(io("open", &path))?;
    let mut looked = 0;
    loop {
        looked += 1;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // whoever asks whether a node runs holds the lock for an instant
            Err(TryLockError::WouldBlock) if looked < LOOKS_MAX => std::thread::sleep(LOOK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
        }
    }
}

/// Whether a node uses this private directory at the moment.
///
/// # Errors
///
/// [`Error::Io`] where the lock cannot be looked at.
pub fn is_running(private_dir: &Path) -> Result<bool, Error> {
    let path = private_dir.join("lock");
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(io("open", &path))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}
