//! The public tree on disk: entry bundles and hash tiles, as C2SP tlog-tiles lays them out.
//!
//! ```text
//! public/checkpoint                        written last, by `checkpoint_file.rs`
//! public/tile/entries/000, 001.p/44        the leaves, 256 to a bundle
//! public/tile/0/000, 001.p/44              their hashes
//! public/tile/1/000.p/1                    roots of full tiles below
//! ```
//!
//! Everything here is derived from the raft log. A growing tree writes its files through a rename and leaves the syncs
//! to [`TileStore::sync`], which the node calls before it forgets the raft entries that would rebuild them. Until then
//! a power cut may lose or empty these files, and the replay writes every one of them again.
//!
//! Each size that gets a checkpoint has its partial tiles, written before the checkpoint names the size. A wider tile
//! begins with the hashes of a narrower one, so [`TileStore::tidy`] removes the partial ones that were grown out of, but
//! for those of a size at which a restart may open the tree, of the checkpoint that stands in `public/`, and of the last
//! [`SIZES_KEPT`] sizes. Whoever asks for another width gets it cut from the widest one.

mod partials;
mod public_files;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dab_proof::hash::{Hash, leaf_hash, node_hash};
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE, TilePath};
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};

use crate::Error;
use crate::disk::Disk;
use crate::durable::Access;
use crate::planted::planted;

pub(crate) use public_files::PublicFiles;

const FULL: usize = HASHES_PER_TILE as usize;

/// Sizes whose partial tiles stay, the newest included: whoever has just read a checkpoint reads tiles of its size next,
/// perhaps through a web server that knows nothing of tiles.
const SIZES_KEPT: usize = 8;

/// The writer of tiles; one per node.
#[derive(Debug)]
pub(crate) struct TileStore {
    disk: Arc<dyn Disk>,
    files: PublicFiles,
    root: PathBuf,
    frontier: Frontier,
    /// The right edge: entries of the last bundle, and for each level the hashes of the last tile; never full.
    bundle: Vec<Vec<u8>>,
    edge: Vec<Vec<Hash>>,
    /// Full tiles and bundles that [`Self::sync`] has yet to make durable.
    unsynced: BTreeSet<PathBuf>,
    /// Partial tiles and bundles on disk.
    partials: BTreeSet<PathBuf>,
    /// Sizes at which a restart may open the tree: that of the durable state, and the one that a flush makes durable.
    restart_sizes: BTreeSet<TreeSize>,
    /// The last sizes of this run, at most [`SIZES_KEPT`].
    recent_sizes: VecDeque<TreeSize>,
}

impl TileStore {
    /// Opens the tree as it was when `frontier` became durable; whatever a later run added is written again by replay.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when the tiles of the right edge are missing or do not hash to the frontier.
    pub(crate) fn open(disk: Arc<dyn Disk>, root: &Path, frontier: Frontier) -> Result<Self, Error> {
        disk.create_dir(&root.join("tile"), Access::Everyone)?;
        let size = frontier.size();
        let mut store = Self {
            files: PublicFiles::new(Arc::clone(&disk), root),
            disk,
            root: root.to_path_buf(),
            frontier,
            bundle: Vec::new(),
            edge: Vec::new(),
            unsynced: BTreeSet::new(),
            partials: BTreeSet::new(),
            restart_sizes: BTreeSet::from([size]),
            recent_sizes: VecDeque::new(),
        };
        match store.read_edge().and_then(|()| store.broken_edge()) {
            Ok(None) => {
                if !planted("narrower tiles stay as a crash left them") {
                    store.renew_partials()?;
                }
                Ok(store)
            }
            Ok(Some(path)) => Err(store.mismatch(&format!("{path} does not hash to it"))),
            Err(error) => Err(store.mismatch(&error.to_string())),
        }
    }

    /// Writes the narrower partial files that earlier runs left once more: they were never synced, so a power cut may have
    /// emptied them, and no replay comes to their sizes again. A checkpoint that was certified after the tree had grown on
    /// needs them. The wider ones are a replay's.
    fn renew_partials(&mut self) -> Result<(), Error> {
        let own = partials::of_size(&self.root, self.size())?;
        self.partials = partials::left_beside(&*self.disk, &self.root, self.size())?;
        let others: Vec<PathBuf> = self.partials.difference(&own).cloned().collect();
        for path in others {
            let name = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            let name = name.unwrap_or_default().to_owned();
            if let Some(bytes) = self.cut_edge(&name) {
                self.write(&name, &bytes, false)?;
            }
        }
        Ok(())
    }

    /// The bytes of a tile or bundle at the right edge, as wide as asked for; `None` for what is not wholly there.
    fn cut_edge(&self, name: &str) -> Option<Vec<u8>> {
        let last = |level: u32| self.size().0 >> (8 * (level + 1));
        if let Ok(wanted) = name.parse::<TilePath>() {
            let hashes = self.edge.get(wanted.level() as usize)?.get(..wanted.width() as usize)?;
            return (wanted.index() == last(wanted.level().into())).then(|| tile::encode_tile(hashes));
        }
        let wanted = name.parse::<BundlePath>().ok()?;
        let entries = self.bundle.get(..wanted.width() as usize)?;
        (wanted.index() == last(0))
            .then(|| tile::encode_bundle(entries).ok())
            .flatten()
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
        self.recent_sizes.push_back(self.size());
        if self.recent_sizes.len() > SIZES_KEPT {
            self.recent_sizes.pop_front();
        }
        Ok(())
    }

    /// Makes the tree durable as it stands. Until [`Self::restarts_here`] a restart may also begin at the size before.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let mut paths = std::mem::take(&mut self.unsynced);
        paths.extend(partials::of_size(&self.root, self.size())?);
        let mut dirs = BTreeSet::from([self.root.clone()]);
        for path in &paths {
            self.disk.sync_file(path)?;
            let above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.root));
            dirs.extend(above.map(Path::to_path_buf));
        }
        dirs.iter().try_for_each(|dir| self.disk.sync_dir(dir))?;
        self.restart_sizes.insert(self.size());
        Ok(())
    }

    /// Told that the state is durable at the size of the last sync: the right edge that a restart opened before may go.
    pub(crate) fn restarts_here(&mut self) {
        self.restart_sizes = BTreeSet::from([self.size()]);
    }

    /// Removes the partial tiles that nobody needs any more, `certified` being the sizes of the checkpoints that may
    /// stand in `public/`. A crash leaves some of them, which the next run finds and removes.
    pub(crate) fn tidy(&mut self, certified: impl Iterator<Item = TreeSize>) -> Result<(), Error> {
        let sizes: BTreeSet<TreeSize> = certified
            .chain(self.restart_sizes.iter().copied())
            .chain(self.recent_sizes.iter().copied())
            .collect();
        let mut kept = BTreeSet::new();
        for size in sizes {
            kept.extend(partials::of_size(&self.root, size)?);
        }
        let (kept, outgrown) = std::mem::take(&mut self.partials)
            .into_iter()
            .partition(|path| kept.contains(path));
        self.partials = kept;
        partials::remove(&*self.disk, &outgrown)
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
        self.write(&path.to_string(), &bytes, path.width() == HASHES_PER_TILE)
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
        self.disk.replace_unsynced(&path, &self.files.path(".writing"), bytes)?;
        let written = if full { &mut self.unsynced } else { &mut self.partials };
        written.insert(path);
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

    /// The file of the right edge that is not of the frontier; `None` when all are.
    fn broken_edge(&self) -> Result<Option<String>, dab_proof::Error> {
        let size = self.size();
        let levels = (0..64).rev().filter(|level| size.0 >> level & 1 == 1);
        let roots = levels.zip(self.frontier.hashes());
        for ((level, root), found) in roots.zip(self.subtrees(size)?) {
            if *root != found {
                // the tile that has this subtree's root, or the row under it
                let (level, at) = (level / 8, ((size.0 >> level) - 1) << (level % 8));
                return Ok(Some(TilePath::holding(level, at, size)?.to_string()));
            }
        }
        let hashes: Vec<Hash> = self.bundle.iter().map(|entry| leaf_hash(entry)).collect();
        match self.edge.first().is_none_or(|edge| *edge == hashes) {
            true => Ok(None),
            false => Ok(Some(BundlePath::holding(LeafIndex(size.0 - 1), size)?.to_string())),
        }
    }

    fn mismatch(&self, reason: &str) -> Error {
        let (size, root, dir) = (self.size(), self.root(), self.root.display());
        let reason =
            format!("the state has {size} leaves with root {root}, but the tiles in {dir} are others: {reason}");
        Error::Inconsistent { reason }
    }
}

/// Serves the right edge from memory and the rest from disk.
impl Source for TileStore {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        self.cut_edge(path)
            .map_or_else(|| self.files.read(path), |bytes| Ok(Some(bytes)))
    }
}
