//! Which partial tiles and bundles a tree has at a size, which lie on disk, and their removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dab_proof::tile::{BundlePath, HASHES_PER_TILE, TilePath};
use dab_proof::tree::TreeSize;

use crate::Error;
use crate::disk::Disk;
use crate::durable::parent;

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
pub(super) fn left_beside(disk: &dyn Disk, root: &Path, size: TreeSize) -> Result<BTreeSet<PathBuf>, Error> {
    let mut paths = BTreeSet::new();
    for (level, index, _) in right_edge(size) {
        list_below(
            disk,
            root,
            &TilePath::new(level, index, HASHES_PER_TILE)?.to_string(),
            &mut paths,
        )?;
        if level == 0 {
            list_below(
                disk,
                root,
                &BundlePath::new(index, HASHES_PER_TILE)?.to_string(),
                &mut paths,
            )?;
        }
    }
    Ok(paths)
}

/// Removes files, and the folders that they leave empty.
pub(super) fn remove(disk: &dyn Disk, paths: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for path in paths.iter().filter(|path| disk.exists(path)) {
        disk.remove_file(path)?;
    }
    let folders: BTreeSet<&Path> = paths.iter().map(|path| parent(path)).collect();
    for folder in folders {
        if disk.is_dir(folder) && disk.list(folder)?.is_empty() {
            disk.remove_dir(folder)?;
        }
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
fn list_below(disk: &dyn Disk, root: &Path, name: &str, paths: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let above = parent(Path::new(name));
    for folder in disk.list(&root.join(above))? {
        if !folder.ends_with(".p") {
            continue;
        }
        let folder = above.join(folder);
        for width in disk.list(&root.join(&folder))? {
            let path = folder.join(width);
            let name = path.to_str().unwrap_or_default();
            if name.parse::<TilePath>().is_ok() || name.parse::<BundlePath>().is_ok() {
                paths.insert(root.join(path));
            }
        }
    }
    Ok(())
}
