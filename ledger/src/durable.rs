//! Files that survive a power cut: written beside their place, synced, renamed, and the directory synced.
//!
//! For the small files of a node: keys, tokens, certificates, settings.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::Error;

/// Who may read a file that is made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mode 0600, directories 0700: keys and private state.
    Owner,
    /// Mode 0644, directories 0755: what auditors read.
    Everyone,
}

/// Turns an I/O error into ours, naming what was tried and where.
pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { action, path, source }
}

/// Replaces the file at `path`, making its directories as needed. After a crash it holds the old bytes or the new ones;
/// when this returns, the new ones.
///
/// # Errors
///
/// [`Error::Io`]; the old file then stands, or, where only the directory could not be synced, perhaps the new one.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
    place(path, bytes, access, |from, to| {
        fs::rename(from, to).map_err(io("rename to", to))
    })
}

/// Writes a file that is not there yet, as [`write()`] does. After a crash it is there whole, or not at all.
///
/// # Errors
///
/// [`Error::Setting`] where there is one, which stands; [`Error::Io`].
pub(crate) fn create(path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
    place(path, bytes, access, |from, to| {
        let there = || Error::setting(to, "it is there already, and is never written over: name another file");
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(there()),
            // a file system that cannot tell in one step: two who make the same file at once are not told apart there
            Err(Errno::INVAL | Errno::NOSYS) if !to.exists() => fs::rename(from, to).map_err(io("rename to", to)),
            Err(Errno::INVAL | Errno::NOSYS) => Err(there()),
            Err(error) => Err(io("rename to", to)(error.into())),
        }
    })
}

/// Writes beside `path`, and has `put` give the bytes their place.
fn place(
    path: &Path,
    bytes: &[u8],
    access: Access,
    put: impl FnOnce(&Path, &Path) -> Result<(), Error>,
) -> Result<(), Error> {
    create_dir(parent(path), access)?;
    let temporary = beside(path);
    // left by a crash, or laid there by somebody who would read what is written into it
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("remove", &temporary)(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let written = write_to(options, &temporary, bytes, access).and_then(|()| put(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(parent(path)))
}

/// Reads a file; `None` when there is none.
///
/// # Errors
///
/// [`Error::Io`].
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// Refuses a file with a secret in it that others than its owner can read.
///
/// # Errors
///
/// [`Error::Setting`] with the mode that would be right; [`Error::Io`].
pub fn require_owner_only(path: &Path) -> Result<(), Error> {
    let mode = fs::metadata(path).map_err(io("look at", path))?.permissions().mode() & 0o7777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(Error::setting(
            path,
            format!(
                "its mode is {mode:03o}: others may read the secret. Make it 600 if they have not, or another secret"
            ),
        )),
    }
}

/// Writes a file of a directory that is nobody else's and syncs it, but not its directory.
pub(crate) fn write_through(path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    write_to(options, path, bytes, access)
}

fn write_to(mut options: OpenOptions, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
    let mode = if access == Access::Owner { 0o600 } else { 0o644 };
    let mut file = options.mode(mode).open(path).map_err(io("create", path))?;
    // a file that an earlier crash left keeps its old mode otherwise
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(io("change the mode of", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.sync_all().map_err(io("sync", path))
}

/// Replaces the file at `path` at once for readers, without waiting for the disk.
///
/// Leaving the syncs out is safe only for bytes that are derived from the raft log and written again by its replay.
pub(crate) fn replace_unsynced(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(temporary, bytes).map_err(io("write", temporary))?;
    match fs::rename(temporary, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(parent(path)).map_err(io("create directory", parent(path)))?;
            fs::rename(temporary, path).map_err(io("rename to", path))
        }
        result => result.map_err(io("rename to", path)),
    }
}

/// Makes a directory and those above it, each synced into its parent.
pub(crate) fn create_dir(path: &Path, access: Access) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_dir(above, Access::Everyone)?;
    let mode = if access == Access::Owner { 0o700 } else { 0o755 };
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(io("create directory", path)),
    }?;
    sync_dir(above)
}

/// Makes a directory for its owner alone, or takes it from others where it exists.
pub fn create_private_dir(path: &Path) -> Result<(), Error> {
    create_dir(path, Access::Owner)?;
    let mut permissions = fs::metadata(path).map_err(io("look at", path))?.permissions();
    if permissions.mode() & 0o077 != 0 {
        let mode = format!("{:o}", permissions.mode());
        tracing::warn!(path = %path.display(), mode, "closing a private directory");
        permissions.set_mode(0o700);
        fs::set_permissions(path, permissions).map_err(io("change the mode of", path))?;
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    let directory = File::open(path).map_err(io("open directory", path))?;
    directory.sync_all().map_err(io("sync directory", path))
}

/// Makes a file's bytes durable.
pub(crate) fn sync_file(path: &Path) -> Result<(), Error> {
    let file = File::open(path).map_err(io("open", path))?;
    file.sync_all().map_err(io("sync", path))
}

/// The directory a path lies in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_readable_by_its_owner_only_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private/tls/key.pem");
        write(&path, b"first, and longer", Access::Owner).unwrap();
        write(&path, b"second", Access::Owner).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"second");
        require_owner_only(&path).unwrap();
        let folder = path.parent().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        let left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["key.pem"]);
    }

    #[test]
    fn what_lies_where_a_file_is_written_is_not_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let (path, strangers) = (dir.path().join("own.key"), dir.path().join("a stranger's"));
        fs::write(&strangers, b"").unwrap();
        std::os::unix::fs::symlink(&strangers, dir.path().join(".own.key.new")).unwrap();
        create(&path, b"secret", Access::Owner).unwrap();
        assert_eq!(read(&strangers).unwrap().unwrap(), b"");
        require_owner_only(&path).unwrap();
        let there = create(&path, b"another", Access::Owner).unwrap_err().to_string();
        assert!(there.contains("it is there already"), "{there}");
        assert_eq!(read(&path).unwrap().unwrap(), b"secret");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write(&path, b"x", Access::Everyone).unwrap();
        assert!(require_owner_only(&path).unwrap_err().to_string().contains("644"));
        assert_eq!(read(&dir.path().join("none")).unwrap(), None);
    }
}
