//! Which partial tiles and bundles a tree has at a size, which lie on disk, and their removal.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dab_proof::tile::{BundlePath, HASHES_PER_TILE, TilePath};
use dab_proof::tree::TreeSize;

use crate::Error;
use crate::durable::{io, parent};

/// The partial files of a tree of `size` leaves: its right edge.
pub(super) fn of_size(root: &Path, size: TreeSize) -> Result<BTreeSet<PathBuf>, Error> {
    let mut paths = BTreeSet::new();
    for (level, index, width) in right_edge(size) {
        if width > 0 {
            paths.insert(root.join(TilePath::new(level, index, width)?.to_string()));
            if level == 0 {
                paths.insert(root.join(BundlePath::new(index, width)?.to_string()));
            }
        }
    }
    Ok(paths)
}

/// The partial files that earlier runs left in the folders of the right edge, which are also those of up to 999 places
/// before it.
pub(super) fn left_beside(root: &Path, size: TreeSize) -> Result<BTreeSet<PathBuf>, Error> {
    let mut paths = BTreeSet::new();
    for (level, index, _) in right_edge(size) {
        list_below(
            root,
            &TilePath::new(level, index, HASHES_PER_TILE)?.to_string(),
            &mut paths,
        )?;
        if level == 0 {
            list_below(root, &BundlePath::new(index, HASHES_PER_TILE)?.to_string(), &mut paths)?;
        }
    }
    Ok(paths)
}

/// Removes files, and the folders that they leave empty.
pub(super) fn remove(paths: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for path in paths {
        unless(ErrorKind::NotFound, fs::remove_file(path)).map_err(io("remove", path))?;
    }
    let folders: BTreeSet<&Path> = paths.iter().map(|path| parent(path)).collect();
    for folder in folders {
        let removed = unless(ErrorKind::DirectoryNotEmpty, fs::remove_dir(folder));
        unless(ErrorKind::NotFound, removed).map_err(io("remove", folder))?;
    }
    Ok(())
}

/// Level, index and width of the last tile of each level, up to the first level that has no tile yet; 0 hashes wide where
/// the tiles before it are full.
fn right_edge(size: TreeSize) -> impl Iterator<Item = (u8, u64, u16)> {
    let full = u64::from(HASHES_PER_TILE);
    let nodes = std::iter::successors(Some(size.0), move |nodes| (*nodes > 0).then_some(nodes / full));
    (0..)
        .zip(nodes)
        .map(move |(level, nodes)| (level, nodes / full, (nodes % full) as u16))
}

/// Adds the partial files that lie in the folder of the full file `name`. What has no proper name is nobody's to remove.
fn list_below(root: &Path, name: &str, paths: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    for folder in list(parent(&root.join(name)))? {
        if folder.extension().is_none_or(|extension| extension != "p") {
            continue;
        }
        for path in list(&folder)? {
            let name = path.strip_prefix(root).ok().and_then(Path::to_str).unwrap_or_default();
            if name.parse::<TilePath>().is_ok() || name.parse::<BundlePath>().is_ok() {
                paths.insert(path);
            }
        }
    }
    Ok(())
}

/// What lies in a folder; nothing when there is none.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        found => found.map_err(io("list", folder))?,
    };
    let path = |file: std::io::Result<fs::DirEntry>| Ok(file.map_err(io("list", folder))?.path());
    found.map(path).collect()
}

/// The result, with one kind of error counting as success.
fn unless(expected: ErrorKind, result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == expected => Ok(()),
        result => result,
    }
}
