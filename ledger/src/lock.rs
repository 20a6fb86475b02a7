//! One process at a time in a state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::Error;
use crate::durable::io;

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
        .open(&path)
        .map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}
