//! The files of a replica: the seam between the ledger and its disk.
//!
//! What is durable when, is what crash safety rests on, so the trait speaks of nothing else: bytes may be written and not
//! be durable, a name may be given and not be durable. The local file system is one implementation; the simulator has
//! another, which loses what was not synced.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;
use crate::durable::{self, Access, io};

/// A file system that says what is durable.
///
/// Every error names what was tried and where, and leaves the old bytes or the new ones, or, after a failed sync, nobody
/// knows which: whoever asked must not go on as if nothing had happened.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// All bytes of a file; `None` when there is none.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error>;

    /// Bytes of a file; `None` when there is none.
    fn length(&self, path: &Path) -> Option<u64>;

    /// Whether there is such a file.
    fn exists(&self, path: &Path) -> bool;

    /// Whether there is such a directory.
    fn is_dir(&self, dir: &Path) -> bool;

    /// The names in a directory, in order; none when there is no directory.
    fn list(&self, dir: &Path) -> Result<Vec<String>, Error>;

    /// Makes a directory and those above it; their names are durable on return.
    fn create_dir(&self, dir: &Path, access: Access) -> Result<(), Error>;

    /// Writes a file whose bytes are durable on return. Its name is durable after [`Self::sync_dir`].
    fn write_through(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error>;

    /// Replaces a file at once for readers, through `temporary`, making directories as needed. Nothing is durable: after
    /// a crash there are the old bytes, the new ones, or zeros. Safe only for what a replay writes again.
    fn replace_unsynced(&self, path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(), Error>;

    /// Gives a file another name, in place of what had it. Durable after [`Self::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error>;

    /// Removes a file. Durable after [`Self::sync_dir`].
    fn remove_file(&self, path: &Path) -> Result<(), Error>;

    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> Result<(), Error>;

    /// Makes a file's bytes durable.
    fn sync_file(&self, path: &Path) -> Result<(), Error>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> Result<(), Error>;

    /// Opens a file that exists, to read and write at offsets.
    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, Error>;

    /// When a file was last written, in milliseconds since 1970, where the disk tells.
    fn modified_unix_ms(&self, path: &Path) -> Option<u64>;

    /// Bytes that are free where `path` lies, where the disk tells.
    fn free_bytes(&self, path: &Path) -> Option<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync + std::fmt::Debug {
    /// Bytes of the file.
    fn length(&self) -> std::io::Result<u64>;

    /// Fills `buffer` from `offset` on; an error where the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()>;

    /// Writes all bytes; durable after [`Self::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()>;

    /// Cuts the file, or lengthens it by zeros.
    fn set_length(&self, length: u64) -> std::io::Result<()>;

    /// Makes bytes and length durable.
    fn sync(&self) -> std::io::Result<()>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        durable::read(path)
    }

    fn length(&self, path: &Path) -> Option<u64> {
        fs::metadata(path).ok().map(|metadata| metadata.len())
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_dir(&self, dir: &Path) -> bool {
        dir.is_dir()
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, Error> {
        let found = match fs::read_dir(dir) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            found => found.map_err(io("list", dir))?,
        };
        let mut names = Vec::new();
        for entry in found {
            let name = entry.map_err(io("list", dir))?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path, access: Access) -> Result<(), Error> {
        durable::create_dir(dir, access)
    }

    fn write_through(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
        durable::write_through(path, bytes, access)
    }

    fn replace_unsynced(&self, path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(), Error> {
        durable::replace_unsynced(path, temporary, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(io("rename to", to))
    }

    fn remove_file(&self, path: &Path) -> Result<(), Error> {
        fs::remove_file(path).map_err(io("remove", path))
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), Error> {
        fs::remove_dir(dir).map_err(io("remove", dir))
    }

    fn sync_file(&self, path: &Path) -> Result<(), Error> {
        durable::sync_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), Error> {
        durable::sync_dir(dir)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(io("open", path))?;
        Ok(Box::new(file))
    }

    fn modified_unix_ms(&self, path: &Path) -> Option<u64> {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        let disk = rustix::fs::statvfs(path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

impl DiskFile for File {
    fn length(&self) -> std::io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> std::io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> std::io::Result<()> {
        self.sync_data()
    }
}
