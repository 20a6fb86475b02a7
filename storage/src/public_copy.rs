//! The public copy: the ledger's public files once more, beside the tables, in the table root.
//!
//! ```text
//! <table root>/_ledger/tile/<L>/<N>[.p/<W>]        written first
//! <table root>/_ledger/tile/entries/<N>[.p/<W>]    then these
//! <table root>/_ledger/checkpoint                  last
//! ```
//!
//! So whoever serves the table root with a plain web server, or copies it, has tables and evidence together. A checkpoint is
//! put only when every file of its size is there under its own name, so the copy can be audited at every moment, and after
//! every crash:
//!
//! | crash after | the copy has | the next look |
//! | --- | --- | --- |
//! | some files of a size | the checkpoint before, with its files | puts the rest |
//! | all of them | the same | puts the checkpoint |
//! | the checkpoint | the new checkpoint | finds it |
//!
//! No commit waits for the copy. It follows within [`LOOK_INTERVAL`], where several nodes share the root that of the node
//! which leads; the others look whether it does, and take over after [`PATIENCE`]. Two that write at once write the same
//! tiles. At worst one of them sets the checkpoint back to one that was just as certified, and the next look puts it right.
//!
//! The copy proves itself, as all public files do: whoever changes it is found out by an audit. A node does not read again
//! what it has seen there, and overwrites no full file but a torn one. Where it meets one that differs from its own, or a
//! certified checkpoint with another root, it tells so and stops: what is there is evidence.

mod following;
mod outgrown;
mod status;

use std::collections::HashSet;
use std::path::Path as FsPath;
use std::sync::Arc;

use bytes::Bytes;
use dab_ledger::reader::LedgerReader;
use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::policy::Policy;
use dab_proof::source::{Source, limit_of};
use dab_proof::tile::{BundlePath, HASHES_PER_TILE, TILE_BYTES_MAX, TilePath, new_bundles, new_tiles};
use dab_proof::tree::TreeSize;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, PutMode, PutOptions};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

pub use self::following::{LOOK_INTERVAL, PATIENCE};
pub use self::status::PublicCopyStatus;

use self::outgrown::Outgrown;
use self::status::Lag;
use crate::Error;
use crate::commit::crash_point::crash_point;
use crate::object_store::DurableStore;
use crate::table_log::read_small;

/// The folder of the copy. No table can have it: names of tables do not begin with an underscore.
pub const PUBLIC_COPY: &str = "_ledger";

const CHECKPOINT: &str = "checkpoint";

/// Reads a node's own public files.
pub type PublicFiles = Arc<dyn Source + Send + Sync>;

/// Tells the ledger's policy, which changes with its members.
pub type PolicyNow = Box<dyn Fn() -> Policy + Send + Sync>;

/// Writes the public copy of a table root; one for each node.
pub struct PublicCopy {
    store: Arc<dyn ObjectStore>,
    files: PublicFiles,
    reader: Arc<dyn LedgerReader>,
    policy: PolicyNow,
    turn: AsyncMutex<Turn>,
    lag: Mutex<Lag>,
}

/// What whoever writes knows of the copy.
#[derive(Default)]
struct Turn {
    /// Leaves up to which every full tile and bundle has been seen or put there; none before the first listing.
    complete: Option<TreeSize>,
    /// The checkpoint that was seen or put there last.
    shown: TreeSize,
    looked: Option<Instant>,
    outgrown: Outgrown,
}

/// A public file to be put.
struct Wanted {
    name: String,
    is_full: bool,
}

impl PublicCopy {
    /// The copy in the table root that is the folder `root`. Nothing is written before [`Self::follow`] or
    /// [`Self::catch_up`]. `policy` says whose signatures make a checkpoint that is found there count.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::DiskFull`] when the folder cannot be opened.
    pub fn in_folder(
        root: &FsPath,
        files: PublicFiles,
        reader: Arc<dyn LedgerReader>,
        policy: PolicyNow,
    ) -> Result<Arc<Self>, Error> {
        Ok(Self::new(Arc::new(DurableStore::open(root)?), files, reader, policy))
    }

    /// The copy in any store, whose root is the table root.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        files: PublicFiles,
        reader: Arc<dyn LedgerReader>,
        policy: PolicyNow,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            files,
            reader,
            policy,
            turn: AsyncMutex::default(),
            lag: Mutex::default(),
        })
    }

    /// Brings the copy to the ledger's last checkpoint, whoever else writes there; one that is further already stays.
    ///
    /// # Errors
    ///
    /// [`Error::PublicCopy`] when what is there contradicts this node's ledger, [`Error::Store`] when it cannot be written.
    pub async fn catch_up(&self) -> Result<(), Error> {
        let mut turn = self.turn.lock().await;
        turn.looked = Some(Instant::now());
        let caught_up = self.put_all(&mut turn).await;
        let wanted = self.reader.certified().await.size;
        self.lag.lock().note(turn.shown, wanted, caught_up.as_ref().err());
        caught_up
    }

    async fn put_all(&self, turn: &mut Turn) -> Result<(), Error> {
        let Some(own) = self.own(CHECKPOINT.to_owned()).await? else {
            return Ok(());
        };
        let checkpoint = SignedCheckpoint::parse(&own)?.checkpoint().clone();
        match self.there().await? {
            Some(there) if there.size == checkpoint.size && there.root != checkpoint.root => {
                let reason = format!("its certified checkpoint of {} leaves has another root", there.size);
                return Err(contradicted(CHECKPOINT, reason));
            }
            Some(there) if there.size >= checkpoint.size => {
                turn.saw(there.size);
                return Ok(());
            }
            Some(there) => turn.saw(there.size),
            None => turn.saw(TreeSize(0)),
        }
        let partial = self.put_files(turn, checkpoint.size).await?;
        // A crash here leaves the checkpoint before, whose files are all there still.
        crash_point!("public_copy::files");
        self.put(CHECKPOINT, own, PutMode::Overwrite).await?;
        // A crash here leaves a whole copy, and partial files that the next listing finds outgrown.
        crash_point!("public_copy::checkpoint");
        turn.shown = checkpoint.size;
        turn.outgrown.keep(partial);
        turn.outgrown.remove_old(&*self.store).await
    }

    /// The checkpoint that is there, if it is a certified one of this ledger. Any other is nobody's, and is replaced.
    async fn there(&self) -> Result<Option<Checkpoint>, Error> {
        let found = match self.found(CHECKPOINT).await {
            Err(Error::Proof(error)) => Err(error),
            found => match found? {
                Some(bytes) => SignedCheckpoint::parse(&bytes).and_then(|signed| {
                    (self.policy)().verify(&signed)?;
                    Ok(signed.checkpoint().clone())
                }),
                None => return Ok(None),
            },
        };
        match found {
            Ok(checkpoint) if checkpoint.origin == self.reader.origin() => Ok(Some(checkpoint)),
            Ok(checkpoint) => {
                let reason = format!("it is of another ledger, {}", checkpoint.origin);
                Err(contradicted(CHECKPOINT, reason))
            }
            Err(error) => {
                tracing::warn!(%error, "the checkpoint of the public copy is no certified one, and is replaced");
                Ok(None)
            }
        }
    }

    /// Puts what a tree of `size` leaves has and the copy lacks. Returns the partial files of this size.
    async fn put_files(&self, turn: &mut Turn, size: TreeSize) -> Result<HashSet<Path>, Error> {
        let (from, there) = match turn.complete {
            Some(complete) => (complete, HashSet::new()),
            None => (TreeSize(0), self.list(turn).await?),
        };
        let mut partial = HashSet::new();
        for Wanted { name, is_full } in wanted(from, size)? {
            let path = path_of(&name);
            if is_full && there.contains(&path) {
                continue;
            }
            let bytes = self.own(name.clone()).await?.ok_or_else(|| dab_proof::Error::Missing {
                path: format!("public/{name}"),
            })?;
            match is_full {
                true => self.put_full(&name, bytes).await?,
                // Written again although it may be there: another node that finds it outgrown goes by its age.
                false => {
                    self.put(&name, bytes, PutMode::Overwrite).await?;
                    partial.insert(path);
                }
            }
        }
        turn.complete = Some(size);
        Ok(partial)
    }

    /// Puts a full tile or bundle unless it is there. One that begins like it and is shorter is torn; any other is not.
    async fn put_full(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        match self.put(name, bytes.clone(), PutMode::Create).await {
            Err(Error::Store(object_store::Error::AlreadyExists { .. })) => {}
            put => return put,
        }
        let found = match self.found(name).await {
            Err(Error::Proof(error)) => return Err(contradicted(name, error.to_string())),
            found => found?.unwrap_or_default(),
        };
        if found == bytes {
            return Ok(());
        }
        if bytes.starts_with(&found) {
            return self.put(name, bytes, PutMode::Overwrite).await;
        }
        Err(contradicted(name, "it is not what this node has".to_owned()))
    }

    /// The files that are there. What no checkpoint needs any more is noted to be removed.
    async fn list(&self, turn: &mut Turn) -> Result<HashSet<Path>, Error> {
        let found: Vec<_> = self.store.list(Some(&path_of("tile"))).try_collect().await?;
        let passing = found.iter().filter(|object| is_passing(&object.location));
        turn.outgrown.doubt(passing.map(|object| object.location.clone()));
        let whole = found.into_iter().filter(|object| !is_torn(object));
        Ok(whole.map(|object| object.location).collect())
    }

    /// A file that is there.
    async fn found(&self, name: &str) -> Result<Option<Bytes>, Error> {
        read_small(&*self.store, &path_of(name), "public file", limit_of(name)).await
    }

    async fn own(&self, name: String) -> Result<Option<Bytes>, Error> {
        let files = Arc::clone(&self.files);
        let read = tokio::task::spawn_blocking(move || files.read(&name)).await;
        let read = read.map_err(|source| object_store::Error::JoinError { source })?;
        Ok(read?.map(Bytes::from))
    }

    async fn put(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<(), Error> {
        let options = PutOptions {
            mode,
            ..Default::default()
        };
        self.store.put_opts(&path_of(name), bytes.into(), options).await?;
        Ok(())
    }
}

impl std::fmt::Debug for PublicCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicCopy({}/{PUBLIC_COPY})", self.store)
    }
}

impl Turn {
    /// Notes the checkpoint that is there. Where it is not the one that this node left, others have written, or somebody has
    /// removed: what is there has to be listed anew.
    fn saw(&mut self, size: TreeSize) {
        if size != self.shown {
            self.complete = None;
        }
        self.shown = size;
    }
}

/// The full files that a tree of `size` leaves has and one of `from` did not, and all its partial ones: tiles, then
/// bundles.
fn wanted(from: TreeSize, size: TreeSize) -> Result<Vec<Wanted>, Error> {
    let full = |name: String| Wanted { name, is_full: true };
    let partial = |name: String| Wanted { name, is_full: false };
    let tiles = new_tiles(from, size).filter(|tile| tile.width() == HASHES_PER_TILE);
    let mut wanted: Vec<_> = tiles.map(|tile| full(tile.to_string())).collect();
    let mut nodes = size.0;
    for level in 0.. {
        if nodes == 0 {
            break;
        }
        if let Some(width) = partial_width(nodes) {
            let index = nodes / u64::from(HASHES_PER_TILE);
            wanted.push(partial(TilePath::new(level, index, width)?.to_string()));
        }
        nodes /= u64::from(HASHES_PER_TILE);
    }
    let bundles = new_bundles(from, size).filter(|bundle| bundle.width() == HASHES_PER_TILE);
    wanted.extend(bundles.map(|bundle| full(bundle.to_string())));
    if let Some(width) = partial_width(size.0) {
        let index = size.0 / u64::from(HASHES_PER_TILE);
        wanted.push(partial(BundlePath::new(index, width)?.to_string()));
    }
    Ok(wanted)
}

/// The width of the last file of a level of so many nodes, or entries, unless it is full.
fn partial_width(nodes: u64) -> Option<u16> {
    let width = (nodes % u64::from(HASHES_PER_TILE)) as u16;
    (width > 0).then_some(width)
}

/// Whether a full tile, or bundle, cannot be whole.
fn is_torn(object: &ObjectMeta) -> bool {
    let is_bundle = object.location.as_ref().contains("/entries/");
    object.size == 0 || !is_bundle && !is_passing(&object.location) && object.size != TILE_BYTES_MAX as u64
}

/// Whether a file is a partial one, or what a crash left of writing one.
fn is_passing(path: &Path) -> bool {
    path.as_ref().contains(".p/") || path.filename().is_some_and(|name| name.starts_with(".tmp-"))
}

fn path_of(name: &str) -> Path {
    Path::from(format!("{PUBLIC_COPY}/{name}"))
}

fn contradicted(name: &str, reason: String) -> Error {
    Error::PublicCopy {
        path: path_of(name).to_string(),
        reason,
    }
}
