//! The applied state: heads, positions and private bodies in redb, the latest entries' share of them in memory.
//!
//! | table | key | value, integers big-endian |
//! | --- | --- | --- |
//! | `heads` | subject | sequence u64, leaf index u64, leaf hash 32 |
//! | `positions` | subject, sequence | leaf index u64, leaf hash 32, SHA-256 of the leaf's text 32 |
//! | `bodies` | subject, sequence | the private body |
//! | `checkpoints` | tree size u64 | root 32, milliseconds since 1970 u64; the latest issued |
//! | `meta` | `state` | protobuf [`Meta`]: applied raft position, membership, settings, tree, last checkpoint, heads leaves |
//!
//! The tables of the head map are those of `head_map.rs`, those of requests of `requests.rs`.
//!
//! An applied entry changes memory only. [`StateStore::flush`] writes everything since the last flush in one durable
//! transaction; the raft log, which still holds those entries, is the truth until then. So what redb holds is always
//! the state at exactly the raft index in `meta`, and a restart replays from there.

mod head_map;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dab_proof::hash::Hash;
use dab_proof::head_map::{HeadMap, HeadNodes};
use dab_proof::leaf::Subject;
use dab_proof::tree::{LeafIndex, TreeSize};
use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError};

use crate::Error;
use crate::disk::{Disk, DiskFile};
use crate::durable::{self, Access, io};
use crate::planted::planted;
use crate::raft_snapshot::anchor::AnchorBytes;
use crate::reader::{Head, IssuedCheckpoint};
use crate::state_machine::heads::NodeSince;
use crate::state_machine::{CarriedOut, Cover, Effects, Placed, Settings, StateView};
use head_map::{CoverBytes, MapWindow, RecentMap};
use requests::RecentRequests;

const HEADS: TableDefinition<'_, &str, [u8; 48]> = TableDefinition::new("heads");
const POSITIONS: TableDefinition<'_, (&str, u64), [u8; 72]> = TableDefinition::new("positions");
const BODIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("bodies");
const CHECKPOINTS: TableDefinition<'_, u64, [u8; 40]> = TableDefinition::new("checkpoints");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const META_VERSION: u32 = 3;
/// The version before requests were remembered.
const META_VERSION_WITHOUT_REQUESTS: u32 = 2;
/// The version before there was a head map.
const META_VERSION_WITHOUT_MAP: u32 = 1;
/// Bytes of the mark that a redb file begins with.
const REDB_MARK_BYTES: usize = 9;
/// redb's page cache; the state of a node is small.
const CACHE_BYTES: usize = 16 << 20;

/// What is true of the state as a whole.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Meta {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) applied_index: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) applied_term: u64,
    /// raft's ConfState as raft-rs encodes it.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) conf_state: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(crate) settings: Option<Settings>,
    #[prost(uint64, tag = "6")]
    pub(crate) tree_size: u64,
    /// Hashes of the tree's right edge, 32 bytes each.
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub(crate) frontier: Vec<Vec<u8>>,
    /// The last checkpoint issued, as a signed note; empty before the first.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) checkpoint: Vec<u8>,
    /// What the last heads leaves cover, oldest first.
    #[prost(message, repeated, tag = "9")]
    pub(crate) covers: Vec<CoverBytes>,
    /// What is being taken over from other replicas (`machine/install.rs`), as raft-rs's snapshot; empty otherwise.
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) installing: Vec<u8>,
    /// The changes of the members that are certified (`dab_proof::epoch::EpochChange`), in their order.
    #[prost(string, repeated, tag = "11")]
    pub(crate) epoch_changes: Vec<String>,
    /// Where another replica can begin (`raft_snapshot/anchor.rs`).
    #[prost(message, optional, tag = "12")]
    pub(crate) anchor: Option<AnchorBytes>,
}

/// The applied state of one node.
#[derive(Debug)]
pub(crate) struct StateStore {
    path: PathBuf,
    db: Database,
    /// As of the last entry applied.
    pub(crate) meta: Meta,
    recent: Recent,
    window: MapWindow,
    /// Issued checkpoints, oldest first; all that are listed, durable or not.
    issued: VecDeque<IssuedCheckpoint>,
    checkpoints_max: usize,
}

/// Changes since the last flush.
#[derive(Debug, Default)]
struct Recent {
    subjects: BTreeMap<String, RecentSubject>,
    map: RecentMap,
    requests: RecentRequests,
    bytes: usize,
}

/// What has come on one subject since the last flush, by sequence.
#[derive(Debug, Default)]
struct RecentSubject {
    head: Option<Head>,
    placed: BTreeMap<u64, Placed>,
    bodies: BTreeMap<u64, Bytes>,
}

impl StateStore {
    /// Opens the database, or makes an empty one; it lists the last `checkpoints_max` issued checkpoints.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, checkpoints_max: usize) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::State {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        if !disk.exists(path) {
            // redb takes an empty file for a new database, and would make one that everybody may read
            disk.write_through(path, b"", Access::Owner)?;
            disk.sync_dir(durable::parent(path))?;
        }
        forget_half_made(disk, path)?;
        let mut builder = Database::builder();
        let db = builder
            .set_cache_size(CACHE_BYTES)
            // redb trusts what it reads otherwise, and a rotten head would make this replica judge otherwise than all others
            .set_check_integrity_on_open(!planted("the state's pages are not checked"))
            .create_with_backend(DatabaseFile(disk.open(path)?))
            .map_err(|error| failed(&error))?;
        let mut store = Self {
            path: path.to_path_buf(),
            db,
            meta: Meta {
                version: META_VERSION,
                ..Meta::default()
            },
            recent: Recent::default(),
            window: MapWindow::default(),
            issued: VecDeque::new(),
            checkpoints_max,
        };
        match store.read_meta().map_err(|error| failed(&error))? {
            // every flush writes all tables, so there are all or none
            None => store.flush()?,
            Some(bytes) => store.meta = Meta::decode(bytes.as_slice()).map_err(|error| failed(&error))?,
        }
        if store.meta.version == META_VERSION_WITHOUT_MAP {
            store.make_map()?;
        }
        if store.meta.version == META_VERSION_WITHOUT_REQUESTS {
            // the flush makes their tables
            store.meta.version = META_VERSION;
            store.flush()?;
        }
        if store.meta.version != META_VERSION {
            let version = store.meta.version;
            return Err(failed(&format!(
                "its version is {version}; this release knows {META_VERSION}"
            )));
        }
        store.issued = store.read_issued().map_err(|error| failed(&error))?;
        store.window = store.read_window().map_err(|error| failed(&error))?;
        Ok(store)
    }

    /// Takes over an entry's leaves; in memory only.
    pub(crate) fn insert(&mut self, effects: &Effects) {
        for new in &effects.leaves {
            let leaf = new.leaf.leaf();
            let name = leaf.subject.as_str();
            self.recent.bytes += 2 * name.len() + 256 + new.body.as_ref().map_or(0, Bytes::len);
            self.recent.bytes += self.take_map(new.placed.leaf_index.0 + 1, &new.map);
            if !self.recent.subjects.contains_key(name) {
                self.recent.subjects.insert(name.to_owned(), RecentSubject::default());
            }
            if let Some(subject) = self.recent.subjects.get_mut(name) {
                subject.head = Some(new.head());
                subject.placed.insert(leaf.sequence, new.placed);
                subject
                    .bodies
                    .extend(new.body.clone().map(|body| (leaf.sequence, body)));
            }
        }
        for (request, carried_out) in &effects.requests {
            self.recent.bytes += requests::bytes_of(carried_out);
            self.recent.requests.insert(*request, carried_out.clone());
        }
    }

    /// Lists a checkpoint as issued, unless one of its size is.
    pub(crate) fn record_issued(&mut self, checkpoint: IssuedCheckpoint) {
        if self.issued.back().is_none_or(|last| last.size < checkpoint.size) {
            self.issued.push_back(checkpoint);
        }
        while self.issued.len() > self.checkpoints_max {
            self.issued.pop_front();
        }
    }

    /// Issued checkpoints, oldest first.
    pub(crate) fn issued(&self) -> impl Iterator<Item = &IssuedCheckpoint> {
        self.issued.iter()
    }

    /// Makes `meta` and everything inserted durable, as one transaction.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.try_flush().map_err(|error| self.failed(&error))
    }

    /// Lets go of what [`Self::flush`] wrote.
    pub(crate) fn forget_recent(&mut self) {
        self.recent = Recent::default();
    }

    /// Memory that changes since the last flush take, roughly.
    pub(crate) fn recent_bytes(&self) -> usize {
        self.recent.bytes
    }

    /// The private body at a sequence of a subject.
    pub(crate) fn body(&self, subject: &Subject, sequence: u64) -> Result<Option<Bytes>, Error> {
        let recent = self.recent.subjects.get(subject.as_str());
        if let Some(body) = recent.and_then(|recent| recent.bodies.get(&sequence)) {
            return Ok(Some(body.clone()));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(BODIES)?;
            Ok(table
                .get((subject.as_str(), sequence))?
                .map(|body| Bytes::copy_from_slice(body.value())))
        };
        read().map_err(|error| self.failed(&error))
    }

    /// Subjects that begin with a prefix, with their heads, in order of their bytes.
    pub(crate) fn subjects(&self, prefix: &str) -> Result<Vec<(Subject, Head)>, Error> {
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(HEADS)?;
            let mut heads = BTreeMap::new();
            for found in table.range(prefix..)? {
                let (name, head) = found?;
                if !name.value().starts_with(prefix) {
                    break;
                }
                heads.insert(name.value().to_owned(), head_from(&head.value()));
            }
            Ok(heads)
        };
        let mut heads = read().map_err(|error| self.failed(&error))?;
        let recent = self
            .recent
            .subjects
            .range(prefix.to_owned()..)
            .take_while(|(name, _)| name.starts_with(prefix));
        heads.extend(recent.filter_map(|(name, recent)| Some((name.clone(), recent.head?))));
        heads
            .into_iter()
            .map(|(name, head)| Ok((name.parse()?, head)))
            .collect()
    }

    fn read_meta(&self) -> Result<Option<Vec<u8>>, redb::Error> {
        match self.db.begin_read()?.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            table => Ok(table?.get("state")?.map(|bytes| bytes.value().to_vec())),
        }
    }

    fn read_issued(&self) -> Result<VecDeque<IssuedCheckpoint>, redb::Error> {
        let table = self.db.begin_read()?.open_table(CHECKPOINTS)?;
        let issued = table.iter()?.map(|found| {
            let (size, value) = found?;
            Ok(issued_from(size.value(), &value.value()))
        });
        issued.collect()
    }

    fn try_flush(&self) -> Result<(), redb::Error> {
        let mut transaction = self.db.begin_write()?;
        // two fsyncs for a commit slot that a torn write cannot fake; a flush is rare
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        {
            let mut heads = transaction.open_table(HEADS)?;
            let mut positions = transaction.open_table(POSITIONS)?;
            let mut bodies = transaction.open_table(BODIES)?;
            let forgets = planted("the flush leaves out places");
            for (name, recent) in &self.recent.subjects {
                if let Some(head) = &recent.head {
                    heads.insert(name.as_str(), head_bytes(head))?;
                }
                for (sequence, placed) in recent.placed.iter().filter(|_| !forgets) {
                    positions.insert((name.as_str(), *sequence), placed_bytes(placed))?;
                }
                for (sequence, body) in &recent.bodies {
                    bodies.insert((name.as_str(), *sequence), body.as_ref())?;
                }
            }
            let mut checkpoints = transaction.open_table(CHECKPOINTS)?;
            let oldest = self.issued.front().map_or(0, |first| first.size.0);
            checkpoints.retain_in(..oldest, |_, _| false)?;
            let newest = checkpoints.last()?.map_or(0, |(size, _)| size.value());
            for issued in self.issued.iter().filter(|issued| issued.size.0 >= newest) {
                checkpoints.insert(issued.size.0, issued_bytes(issued))?;
            }
            self.flush_map(&transaction)?;
            requests::flush(&transaction, &self.recent.requests, self.meta.tree_size)?;
            transaction
                .open_table(META)?
                .insert("state", self.meta.encode_to_vec().as_slice())?;
        }
        Ok(transaction.commit()?)
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Error {
        Error::State {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

impl StateView for StateStore {
    fn settings(&self) -> Option<&Settings> {
        self.meta.settings.as_ref()
    }

    fn tree_size(&self) -> u64 {
        self.meta.tree_size
    }

    fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        if let Some(head) = self
            .recent
            .subjects
            .get(subject.as_str())
            .and_then(|recent| recent.head)
        {
            return Ok(Some(head));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(HEADS)?;
            Ok(table.get(subject.as_str())?.map(|bytes| head_from(&bytes.value())))
        };
        read().map_err(|error| self.failed(&error))
    }

    fn placed(&self, subject: &Subject, sequence: u64) -> Result<Option<Placed>, Error> {
        let recent = self.recent.subjects.get(subject.as_str());
        if let Some(placed) = recent.and_then(|recent| recent.placed.get(&sequence)) {
            return Ok(Some(*placed));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(POSITIONS)?;
            Ok(table
                .get((subject.as_str(), sequence))?
                .map(|bytes| placed_from(&bytes.value())))
        };
        read().map_err(|error| self.failed(&error))
    }

    fn request(&self, request: &[u8; 32]) -> Result<Option<CarriedOut>, Error> {
        self.find_request(request)
    }

    fn map_at(&self, size: u64) -> Result<Option<HeadMap>, Error> {
        Ok(self.find_map(size))
    }

    fn map_node(&self, hash: &Hash) -> Result<Option<NodeSince>, Error> {
        self.find_node(hash)
    }

    fn last_cover(&self) -> Result<Option<Cover>, Error> {
        self.covers().last().transpose()
    }
}

impl HeadNodes for StateStore {
    type Error = Error;

    fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.find_node(hash)?.map(|node| node.bytes.to_vec()))
    }
}

/// Empties a database whose making was cut off. redb writes its mark last, so a file without it holds nothing yet, and
/// redb would take it for somebody else's.
fn forget_half_made(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    let file = disk.open(path)?;
    let mut mark = [0; REDB_MARK_BYTES];
    let length = file.length().map_err(io("look at", path))?;
    if length < mark.len() as u64 {
        return Ok(());
    }
    file.read_at(&mut mark, 0).map_err(io("read", path))?;
    if mark == [0; REDB_MARK_BYTES] {
        file.set_length(0).map_err(io("truncate", path))?;
        file.sync().map_err(io("sync", path))?;
    }
    Ok(())
}

/// The database's file, as redb uses it. Locks are the node's: it holds its whole directory.
#[derive(Debug)]
struct DatabaseFile(Box<dyn DiskFile>);

impl StorageBackend for DatabaseFile {
    fn len(&self) -> std::io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read_at(out, offset)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_length(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write_at(data, offset)
    }
}

fn head_bytes(head: &Head) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&head.sequence.to_be_bytes());
    bytes[8..16].copy_from_slice(&head.leaf_index.0.to_be_bytes());
    bytes[16..].copy_from_slice(head.leaf_hash.as_bytes());
    bytes
}

fn head_from(bytes: &[u8; 48]) -> Head {
    Head {
        sequence: u64_at(bytes, 0),
        leaf_index: LeafIndex(u64_at(bytes, 8)),
        leaf_hash: Hash::from_bytes(hash_at(bytes, 16)),
    }
}

fn placed_bytes(placed: &Placed) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&placed.leaf_index.0.to_be_bytes());
    bytes[8..40].copy_from_slice(placed.leaf_hash.as_bytes());
    bytes[40..].copy_from_slice(&placed.text_hash);
    bytes
}

fn placed_from(bytes: &[u8; 72]) -> Placed {
    Placed {
        leaf_index: LeafIndex(u64_at(bytes, 0)),
        leaf_hash: Hash::from_bytes(hash_at(bytes, 8)),
        text_hash: hash_at(bytes, 40),
    }
}

fn issued_bytes(issued: &IssuedCheckpoint) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..32].copy_from_slice(issued.root.as_bytes());
    bytes[32..].copy_from_slice(&issued.unix_ms.to_be_bytes());
    bytes
}

fn issued_from(size: u64, bytes: &[u8; 40]) -> IssuedCheckpoint {
    let root = Hash::from_bytes(hash_at(bytes, 0));
    IssuedCheckpoint {
        size: TreeSize(size),
        root,
        unix_ms: u64_at(bytes, 32),
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn hash_at(bytes: &[u8], at: usize) -> [u8; 32] {
    bytes[at..at + 32].try_into().expect("32 bytes")
}
