//! What is kept when something is wrong with a ledger, where nothing overwrites it.

use std::path::{Path, PathBuf};

use dab_proof::hash::leaf_hash;

use crate::Error;
use crate::durable::{self, Access};

/// Pieces of evidence of one kind in a folder; with so many there, nothing new is written: the first ones are enough.
pub(crate) const PIECES_MAX: usize = 64;

/// Characters of a piece's digest in its folder's name.
const DIGEST_CHARS: usize = 16;

/// What is kept of one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Whether it was not there before.
    pub(crate) is_new: bool,
}

/// Writes the files into a folder of their own below `dir`, durably, for whom `access` says. The same files come to the same
/// folder again. `None` when `dir` holds [`PIECES_MAX`] others of the kind already.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn keep(dir: &Path, kind: &str, files: &[(&str, &[u8])], access: Access) -> Result<Option<Piece>, Error> {
    let mut whole = Vec::new();
    for (name, bytes) in files {
        whole.extend((bytes.len() as u64).to_be_bytes());
        whole.extend(name.bytes());
        whole.extend(*bytes);
    }
    let digest = leaf_hash(&whole).to_hex();
    let folder = dir.join(format!("{kind}-{}", &digest[..DIGEST_CHARS]));
    let is_new = !folder.is_dir();
    if is_new && pieces(dir, kind) >= PIECES_MAX {
        return Ok(None);
    }
    durable::create_dir(dir, access)?;
    for (name, bytes) in files {
        let path = folder.join(name);
        // as after a crash between two of the files
        if durable::read(&path)?.as_deref() != Some(*bytes) {
            durable::write(&path, bytes, access)?;
        }
    }
    Ok(Some(Piece { folder, is_new }))
}

fn pieces(dir: &Path, kind: &str) -> usize {
    let of_kind = |name: std::ffi::OsString| {
        name.to_string_lossy()
            .strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with('-'))
    };
    std::fs::read_dir(dir).map_or(0, |found| {
        found.flatten().filter(|entry| of_kind(entry.file_name())).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_same_piece_is_kept_once_and_their_number_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let of = |kind: &str, first: &[u8]| {
            let files = [("first", first), ("second", b"b".as_slice())];
            super::keep(dir.path(), kind, &files, Access::Owner).unwrap()
        };
        let keep = |first: &[u8]| of("fork", first);
        let piece = keep(b"a").unwrap();
        assert!(piece.is_new);
        let folder = piece.folder;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(folder.join("first")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = Some(Piece {
            folder: folder.clone(),
            is_new: false,
        });
        fs::remove_file(folder.join("second")).unwrap();
        assert_eq!(keep(b"a"), again);
        assert_eq!(fs::read(folder.join("second")).unwrap(), b"b");
        for piece in 1..PIECES_MAX {
            keep(&piece.to_be_bytes()).unwrap();
        }
        assert_eq!(keep(b"one more"), None);
        assert!(of("other", b"a").is_some());
        assert_eq!(keep(b"a"), again);
    }
}
