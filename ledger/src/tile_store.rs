//! The public tree on disk: entry bundles and hash tiles, as C2SP tlog-tiles lays them out.
//!
//! ```text
//! public/checkpoint                        written last, by `issue.rs`
//! public/tile/entries/000, 001.p/44        the leaves, 256 to a bundle
//! public/tile/0/000, 001.p/44              their hashes
//! public/tile/1/000.p/1                    roots of full tiles below
//! ```
//!
//! Everything here is derived from the raft log. A growing tree writes its files through a rename and leaves the syncs
//! to [`TileStore::sync`], which the node calls before it forgets the raft entries that would rebuild them. Until then
//! a power cut may lose or empty these files, and the replay writes every one of them again.
//!
//! Each size that gets a checkpoint has its partial tiles, written before the checkpoint names the size. When a tile is
//! full its partial ones go, but for those that the durable state ends in: should a power cut lose the full tile, the
//! replay begins from these.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dab_proof::hash::{Hash, leaf_hash, node_hash};
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE, TilePath};
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};

use crate::Error;
use crate::durable::{self, Access, io};

const FULL: usize = HASHES_PER_TILE as usize;

/// The public files, read as any auditor reads them.
#[derive(Clone, Debug)]
pub(crate) struct PublicFiles {
    root: PathBuf,
}

/// The writer of tiles; one per node.
#[derive(Debug)]
pub(crate) struct TileStore {
    files: PublicFiles,
    frontier: Frontier,
    /// The right edge: entries of the last bundle, and for each level the hashes of the last tile; never full.
    bundle: Vec<Vec<u8>>,
    edge: Vec<Vec<Hash>>,
    /// Files that [`Self::sync`] has yet to make durable, besides the right edge.
    unsynced: BTreeSet<PathBuf>,
    /// The right edge as it was last made durable.
    durable_edge: BTreeSet<PathBuf>,
    /// Full tiles whose partial ones may go.
    filled: Vec<PathBuf>,
}

impl PublicFiles {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Source for PublicFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        let file = self.root.join(path);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(dab_proof::Error::Unavailable {
                path: file.display().to_string(),
                reason: error.to_string(),
            }),
        }
    }
}

impl TileStore {
    /// Opens the tree as it was when `frontier` became durable; whatever a later run added is written again by replay.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when the tiles of the right edge are missing or do not hash to the frontier.
    pub(crate) fn open(root: &Path, frontier: Frontier) -> Result<Self, Error> {
        durable::create_dir(&root.join("tile"), Access::Everyone)?;
        let mut store = Self {
            files: PublicFiles::new(root),
            frontier,
            bundle: Vec::new(),
            edge: Vec::new(),
            unsynced: BTreeSet::new(),
            durable_edge: BTreeSet::new(),
            filled: Vec::new(),
        };
        match store.read_edge().and_then(|()| store.edge_holds()) {
            Ok(true) => {
                store.durable_edge = store.edge_paths()?;
                Ok(store)
            }
            Ok(false) => Err(store.mismatch("they do not hash to it")),
            Err(error) => Err(store.mismatch(&error.to_string())),
        }
    }

    /// Leaves in the tree.
    pub(crate) fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Appends entries and writes the files of the new size: entries before hashes.
    pub(crate) fn append<'a>(&mut self, entries: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
        let before = self.size();
        for entry in entries {
            self.bundle.push(entry.to_vec());
            if self.bundle.len() == FULL {
                self.write_bundle(self.size().0 / FULL as u64)?;
                self.bundle.clear();
            }
            let hash = leaf_hash(entry);
            self.frontier.push(hash);
            self.push(0, hash)?;
        }
        if self.size() == before {
            return Ok(());
        }
        if !self.bundle.is_empty() {
            self.write_bundle(self.size().0 / FULL as u64)?;
        }
        for level in 0..self.edge.len() {
            let changed = before.0 >> (8 * level) != self.size().0 >> (8 * level);
            if changed && !self.edge[level].is_empty() {
                self.write_tile(level)?;
            }
        }
        Ok(())
    }

    /// Makes the tree durable as it stands; then the raft entries that made it may go.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let mut paths = std::mem::take(&mut self.unsynced);
        let edge = self.edge_paths()?;
        paths.extend(edge.iter().cloned());
        let mut dirs = BTreeSet::from([self.files.root.clone()]);
        for path in &paths {
            durable::sync_file(path)?;
            let above = path
                .ancestors()
                .skip(1)
                .take_while(|dir| dir.starts_with(&self.files.root));
            dirs.extend(above.map(Path::to_path_buf));
        }
        dirs.iter().try_for_each(|dir| durable::sync_dir(dir))?;
        // a full tile that is durable serves every width, also that of the edge before
        let outlived = std::mem::replace(&mut self.durable_edge, edge);
        self.filled.extend(
            outlived
                .iter()
                .filter_map(|path| full_of(path))
                .filter(|full| paths.contains(full)),
        );
        self.tidy()
    }

    /// Removes the partial tiles that nobody needs any more. Nothing breaks when a crash leaves some of them.
    pub(crate) fn tidy(&mut self) -> Result<(), Error> {
        for full in std::mem::take(&mut self.filled) {
            let mut name = full.file_name().unwrap_or_default().to_os_string();
            name.push(".p");
            remove_all_but(&full.with_file_name(name), &self.durable_edge)?;
        }
        Ok(())
    }

    /// The partial tiles and the partial bundle at the right edge.
    fn edge_paths(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let mut paths = BTreeSet::new();
        if !self.bundle.is_empty() {
            let path = BundlePath::new(self.size().0 / FULL as u64, self.bundle.len() as u16)?;
            paths.insert(self.files.path(&path.to_string()));
        }
        for (level, hashes) in self.edge.iter().enumerate() {
            if !hashes.is_empty() {
                paths.insert(self.files.path(&self.edge_path(level)?.to_string()));
            }
        }
        Ok(paths)
    }

    fn push(&mut self, level: usize, hash: Hash) -> Result<(), Error> {
        if self.edge.len() == level {
            self.edge.push(Vec::new());
        }
        self.edge[level].push(hash);
        if self.edge[level].len() < FULL {
            return Ok(());
        }
        self.write_full_tile(level)?;
        let mut row = std::mem::take(&mut self.edge[level]);
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        self.push(level + 1, row[0])
    }

    fn write_bundle(&mut self, index: u64) -> Result<(), Error> {
        let path = BundlePath::new(index, self.bundle.len() as u16)?;
        let bytes = tile::encode_bundle(&self.bundle)?;
        self.write(&path.to_string(), &bytes, self.bundle.len() == FULL)
    }

    fn write_full_tile(&mut self, level: usize) -> Result<(), Error> {
        // the frontier holds the leaf that filled this tile already
        let index = (self.size().0 >> (8 * (level + 1))) - 1;
        let path = TilePath::new(level as u8, index, HASHES_PER_TILE)?;
        let bytes = tile::encode_tile(&self.edge[level]);
        self.write(&path.to_string(), &bytes, true)
    }

    fn write_tile(&mut self, level: usize) -> Result<(), Error> {
        let path = self.edge_path(level)?;
        let bytes = tile::encode_tile(&self.edge[level]);
        self.write(&path.to_string(), &bytes, false)
    }

    fn edge_path(&self, level: usize) -> Result<TilePath, Error> {
        let index = self.size().0 >> (8 * (level + 1));
        Ok(TilePath::new(level as u8, index, self.edge[level].len() as u16)?)
    }

    fn write(&mut self, name: &str, bytes: &[u8], full: bool) -> Result<(), Error> {
        let path = self.files.path(name);
        durable::replace_unsynced(&path, &self.files.path(".writing"), bytes)?;
        if full {
            self.filled.push(path.clone());
            self.unsynced.insert(path);
        }
        Ok(())
    }

    /// The root that the tree had when it had `size` leaves.
    pub(crate) fn root_at(&self, size: TreeSize) -> Result<Hash, Error> {
        Ok(Frontier::from_hashes(size, self.subtrees(size)?)?.root())
    }

    /// Roots of the perfect subtrees of the first `size` leaves, largest first, from the tiles.
    fn subtrees(&self, size: TreeSize) -> Result<Vec<Hash>, dab_proof::Error> {
        let levels = (0..64).rev().filter(|level| size.0 >> level & 1 == 1);
        let hash = |level: u8| tile::hash_from_tiles(self, self.size(), level, (size.0 >> level) - 1);
        levels.map(hash).collect()
    }

    fn read_edge(&mut self) -> Result<(), dab_proof::Error> {
        let size = self.size();
        if !size.0.is_multiple_of(FULL as u64) {
            let last = LeafIndex(size.0 - 1);
            self.bundle = tile::read_bundle(&self.files, BundlePath::holding(last, size)?)?;
        }
        for level in 0.. {
            let nodes = size.0 >> (8 * level);
            if nodes == 0 {
                break;
            }
            let hashes = match (nodes % FULL as u64) as u16 {
                0 => Vec::new(),
                width => tile::read_tile(&self.files, TilePath::new(level, nodes / FULL as u64, width)?)?,
            };
            self.edge.push(hashes);
        }
        Ok(())
    }

    /// Whether the right edge read from disk is that of the frontier.
    fn edge_holds(&self) -> Result<bool, dab_proof::Error> {
        let hashes: Vec<Hash> = self.bundle.iter().map(|entry| leaf_hash(entry)).collect();
        Ok(self.subtrees(self.size())? == self.frontier.hashes()
            && self.edge.first().is_none_or(|edge| *edge == hashes))
    }

    fn mismatch(&self, reason: &str) -> Error {
        let (size, root, dir) = (self.size(), self.root(), self.files.root.display());
        let reason =
            format!("the state has {size} leaves with root {root}, but the tiles in {dir} are others: {reason}");
        Error::Inconsistent { reason }
    }
}

/// Serves the right edge from memory and the rest from disk.
impl Source for TileStore {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        if let Ok(wanted) = path.parse::<TilePath>()
            && let Some(hashes) = self.edge.get(wanted.level() as usize)
            && wanted.index() == self.size().0 >> (8 * (wanted.level() as u32 + 1))
            && let Some(hashes) = hashes.get(..wanted.width() as usize)
        {
            return Ok(Some(tile::encode_tile(hashes)));
        }
        self.files.read(path)
    }
}

/// The full tile that a partial one grows into: `001` for `001.p/44`.
fn full_of(partial: &Path) -> Option<PathBuf> {
    let dir = partial.parent()?;
    (dir.extension()? == "p").then(|| dir.with_extension(""))
}

fn remove_all_but(dir: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), Error> {
    let found = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(io("list", dir))?,
    };
    let mut emptied = true;
    for file in found {
        let path = file.map_err(io("list", dir))?.path();
        if kept.contains(&path) {
            emptied = false;
        } else {
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
    }
    if emptied {
        fs::remove_dir(dir).map_err(io("remove", dir))?;
    }
    Ok(())
}
