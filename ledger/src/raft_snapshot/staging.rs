//! The leaves and bodies that a replica has fetched and not yet taken over: `private/incoming/`.
//!
//! | file | bytes |
//! | --- | --- |
//! | `<N>.entries` | the entry bundle N, C2SP tlog-tiles |
//! | `<N>.bodies` | the bodies of its leaves, `bodies.rs` |
//!
//! Each is durable before the next is asked for. They count once all are there and make the certified root, which the
//! state database notes with the first leaf that it takes from them; before, a restart throws them away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dab_proof::leaf::SignedLeaf;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE};
use dab_proof::tree::{LeafIndex, TreeSize};

use super::bodies::{RequestAt, decode_bodies};
use crate::Error;
use crate::disk::Disk;
use crate::durable::Access;

/// A leaf that is taken over, with what goes with it and stands in no public file.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) leaf: SignedLeaf,
    pub(crate) body: Option<Bytes>,
    /// The request that it is the first leaf of.
    pub(crate) request: Option<RequestAt>,
}

/// The folder of what was fetched.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Staging {
    pub(crate) fn new(disk: Arc<dyn Disk>, private_dir: &Path) -> Self {
        Self {
            disk,
            dir: private_dir.join("incoming"),
        }
    }

    /// Throws away what is there.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        if !self.disk.is_dir(&self.dir) {
            return Ok(());
        }
        for name in self.disk.list(&self.dir)? {
            self.disk.remove_file(&self.dir.join(name))?;
        }
        self.disk.sync_dir(&self.dir)
    }

    /// Keeps a bundle and its bodies, which the caller has checked.
    pub(crate) fn put(&self, bundle: BundlePath, entries: &[u8], bodies: &[u8]) -> Result<(), Error> {
        self.disk.create_dir(&self.dir, Access::Owner)?;
        for (kind, bytes) in [("entries", entries), ("bodies", bodies)] {
            self.disk
                .write_through(&self.path(bundle, kind), bytes, Access::Owner)?;
        }
        self.disk.sync_dir(&self.dir)
    }

    /// The leaves from `size` on that the next bundle of a tree of `target` leaves holds.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] when they are not there as they were put.
    pub(crate) fn leaves_from(&self, size: TreeSize, target: TreeSize) -> Result<Vec<Taken>, Error> {
        let bundle = bundle_at(size, target)?;
        let read = |kind: &str| {
            let path = self.path(bundle, kind);
            let bytes = self.disk.read(&path)?;
            bytes.ok_or_else(|| self.unusable(&path, "it is missing"))
        };
        let (entries, bodies) = (read("entries")?, read("bodies")?);
        let path = self.path(bundle, "entries");
        let leaves = leaves_in(&entries, bundle).map_err(|reason| self.unusable(&path, &reason))?;
        let path = self.path(bundle, "bodies");
        let known = size.0 % u64::from(HASHES_PER_TILE);
        let taken = decode_bodies(bodies.into(), LeafIndex(size.0 - known), leaves);
        let taken = taken.map_err(|reason| self.unusable(&path, reason))?;
        Ok(taken.into_iter().skip(known as usize).collect())
    }

    fn path(&self, bundle: BundlePath, kind: &str) -> PathBuf {
        self.dir.join(format!("{}.{kind}", bundle.index()))
    }

    fn unusable(&self, path: &Path, reason: &str) -> Error {
        Error::Inconsistent {
            reason: format!(
                "this replica was taking over leaves from others, and {} is not what it had fetched: {reason}. Begin with \
                 another directory, as a new member",
                path.display()
            ),
        }
    }
}

/// The bundle that holds the leaf `size`, as wide as a tree of `target` leaves has it.
pub(crate) fn bundle_at(size: TreeSize, target: TreeSize) -> Result<BundlePath, Error> {
    Ok(BundlePath::holding(LeafIndex(size.0), target)?)
}

/// The leaves of a bundle.
pub(crate) fn leaves_in(entries: &[u8], bundle: BundlePath) -> Result<Vec<SignedLeaf>, String> {
    let entries = tile::decode_bundle(entries, bundle.width()).map_err(|error| error.to_string())?;
    let leaves = entries.into_iter().map(SignedLeaf::from_bytes);
    leaves.collect::<Result<_, _>>().map_err(|error| error.to_string())
}
