//! What is kept when something is wrong with a ledger, where nothing overwrites it.

use std::path::{Path, PathBuf};

use dab_proof::hash::leaf_hash;

use crate::Error;
use crate::durable::{self, Access};

/// Pieces of evidence of one kind in a folder; with so many there, nothing new is written: the first ones are enough.
pub(crate) const PIECES_MAX: usize = 64;

/// Characters of a piece's digest in its folder's name.
const DIGEST_CHARS: usize = 16;

/// Writes the files into a folder of their own below `dir`, durably, and gives its path. The same files come to the same
/// folder again. `None` when `dir` holds [`PIECES_MAX`] others of the kind already.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn keep(dir: &Path, kind: &str, files: &[(&str, &[u8])]) -> Result<Option<PathBuf>, Error> {
    let mut whole = Vec::new();
    for (name, bytes) in files {
        whole.extend((bytes.len() as u64).to_be_bytes());
        whole.extend(name.bytes());
        whole.extend(*bytes);
    }
    let digest = leaf_hash(&whole).to_hex();
    let folder = dir.join(format!("{kind}-{}", &digest[..DIGEST_CHARS]));
    if !folder.is_dir() && pieces(dir, kind) >= PIECES_MAX {
        return Ok(None);
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        // as after a crash between two of the files
        if durable::read(&path)?.as_deref() != Some(*bytes) {
            durable::write(&path, bytes, Access::Everyone)?;
        }
    }
    Ok(Some(folder))
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

    #[test]
    fn the_same_piece_is_kept_once_and_their_number_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let keep = |first: &[u8]| super::keep(dir.path(), "fork", &[("first", first), ("second", b"b")]).unwrap();
        let folder = keep(b"a").unwrap();
        std::fs::remove_file(folder.join("second")).unwrap();
        assert_eq!(keep(b"a").unwrap(), folder);
        assert_eq!(std::fs::read(folder.join("second")).unwrap(), b"b");
        for piece in 1..PIECES_MAX {
            keep(&piece.to_be_bytes()).unwrap();
        }
        assert_eq!(keep(b"one more"), None);
        assert!(super::keep(dir.path(), "other", &[("first", b"a")]).unwrap().is_some());
        assert_eq!(keep(b"a").unwrap(), folder);
    }
}
