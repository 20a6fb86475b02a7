//! The head map in the state database: its nodes, and which of its earlier states can still be read.
//!
//! | table | key | value, integers big-endian |
//! | --- | --- | --- |
//! | `map_nodes` | node hash 32 | tree size u64 since which the node is part of the map, the node's bytes |
//! | `map_gone` | tree size u64 since which a node is not, node hash 32 | nothing; sizes within the window |
//! | `map_kept` | tree size u64 that a heads leaf covers, node hash 32 | tree size u64 since which the node is gone |
//! | `map_sizes` | tree size u64 | root 32, subjects u64; the last `MAP_WINDOW_LEAVES` sizes |
//!
//! A node never changes. It is kept as long as a state that has it may be asked for: one of the window's, of which the next
//! heads leaf may bind any, or one that the last heads leaves cover, of which proofs are made. So besides the present map,
//! the database holds at most what the window's leaves changed, and what has changed since the older of those heads leaves.

use std::collections::BTreeMap;

use dab_proof::hash::Hash;
use dab_proof::head_map::{Change, HeadMap, MemoryMap};
use dab_proof::heads_leaf::MAP_WINDOW_LEAVES;
use dab_proof::leaf::Subject;
use dab_proof::tree::{LeafIndex, TreeSize};
use prost::Message;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{HEADS, META_VERSION, Meta, StateStore, hash_at, head_from, u64_at};
use crate::Error;
use crate::state_machine::Cover;
use crate::state_machine::heads::map_entry;

const NODES: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("map_nodes");
const GONE: TableDefinition<'_, (u64, [u8; 32]), ()> = TableDefinition::new("map_gone");
const KEPT: TableDefinition<'_, (u64, [u8; 32]), u64> = TableDefinition::new("map_kept");
const SIZES: TableDefinition<'_, u64, [u8; 40]> = TableDefinition::new("map_sizes");

/// Heads leaves whose states are kept: the last one, and one before it, which is proved while the last is not certified.
const COVERS_KEPT: usize = 2;

/// Memory that a node takes besides its bytes, roughly.
const NODE_OVERHEAD_BYTES: usize = 96;

/// What a heads leaf covers, as the database has it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CoverBytes {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(uint64, tag = "2")]
    subjects: u64,
    #[prost(bytes = "vec", tag = "3")]
    root: Vec<u8>,
    #[prost(uint64, tag = "4")]
    leaf_index: u64,
}

/// Changes of the map since the last flush.
#[derive(Debug, Default)]
pub(super) struct RecentMap {
    /// Nodes and the tree size since which they are part of the map.
    nodes: BTreeMap<Hash, (u64, Vec<u8>)>,
    /// Nodes, also of before the flush, and the tree size since which they are not.
    gone: BTreeMap<Hash, u64>,
    sizes: BTreeMap<u64, HeadMap>,
}

impl RecentMap {
    /// Takes over what the leaf before `size` changed; gives the memory that it takes, roughly.
    pub(super) fn take(&mut self, size: u64, change: &Change) -> usize {
        let mut bytes = NODE_OVERHEAD_BYTES * (1 + change.gone.len());
        for (hash, node) in &change.made {
            bytes += NODE_OVERHEAD_BYTES + node.len();
            self.nodes.insert(*hash, (size, node.clone()));
        }
        self.gone.extend(change.gone.iter().map(|hash| (*hash, size)));
        self.sizes.insert(size, change.map);
        bytes
    }
}

impl StateStore {
    /// What the last heads leaves cover, oldest first; a few.
    pub(crate) fn covers(&self) -> impl DoubleEndedIterator<Item = Result<Cover, Error>> {
        self.meta.covers.iter().map(|cover| {
            let root = cover.root.as_slice().try_into().map_err(|_| Error::Inconsistent {
                reason: "the root of a head map in the state database is not 32 bytes long".to_owned(),
            })?;
            let (root, subjects) = (Hash::from_bytes(root), cover.subjects);
            Ok(Cover {
                size: TreeSize(cover.size),
                map: HeadMap { root, subjects },
                leaf_index: LeafIndex(cover.leaf_index),
            })
        })
    }

    pub(super) fn find_map(&self, size: u64) -> Result<Option<HeadMap>, Error> {
        if size < oldest_size(self.meta.tree_size) || size > self.meta.tree_size {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(HeadMap::default()));
        }
        if let Some(map) = self.recent.map.sizes.get(&size) {
            return Ok(Some(*map));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(SIZES)?;
            Ok(table.get(size)?.map(|bytes| map_from(&bytes.value())))
        };
        read().map_err(|error| self.failed(&error))
    }

    pub(super) fn find_node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        if let Some((_, node)) = self.recent.map.nodes.get(hash) {
            return Ok(Some(node.clone()));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(NODES)?;
            Ok(table.get(hash.as_bytes())?.map(|bytes| bytes.value()[8..].to_vec()))
        };
        read().map_err(|error| self.failed(&error))
    }

    /// Makes the map of a database that an earlier release wrote, from its heads. Its earlier states are not known, and no
    /// heads leaf that covers one of them can have been taken.
    pub(super) fn make_map(&mut self) -> Result<(), Error> {
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(HEADS)?;
            let mut heads = Vec::new();
            for found in table.iter()? {
                let (subject, head) = found?;
                heads.push((subject.value().to_owned(), head_from(&head.value())));
            }
            Ok(heads)
        };
        let mut map = MemoryMap::default();
        for (subject, head) in read().map_err(|error| self.failed(&error))? {
            map.set(map_entry(&subject.parse::<Subject>()?, &head))?;
        }
        let size = self.meta.tree_size;
        self.recent.map.sizes.insert(size, map.map);
        self.recent.map.nodes = map.into_nodes().map(|(hash, node)| (hash, (size, node))).collect();
        self.meta.version = META_VERSION;
        self.flush()?;
        self.forget_recent();
        Ok(())
    }
}

/// Adds what a new heads leaf covers; the oldest is let go.
pub(super) fn keep_cover(covers: &mut Vec<CoverBytes>, cover: &Cover) {
    covers.push(CoverBytes {
        size: cover.size.0,
        subjects: cover.map.subjects,
        root: cover.map.root.as_bytes().to_vec(),
        leaf_index: cover.leaf_index.0,
    });
    let first = covers.len().saturating_sub(COVERS_KEPT);
    covers.drain(..first);
}

/// Writes what has changed, and removes what no state has that may be asked for.
pub(super) fn flush(transaction: &WriteTransaction, recent: &RecentMap, meta: &Meta) -> Result<(), redb::Error> {
    let mut nodes = transaction.open_table(NODES)?;
    let mut in_window = transaction.open_table(GONE)?;
    let mut kept = transaction.open_table(KEPT)?;
    let oldest = oldest_size(meta.tree_size);
    for (hash, (since, node)) in &recent.nodes {
        // most nodes come and go between two flushes
        let gone = recent.gone.get(hash).copied().unwrap_or(u64::MAX);
        if gone > oldest || cover_of(meta, *since, gone).is_some() {
            let value = [&since.to_be_bytes()[..], node].concat();
            nodes.insert(hash.as_bytes(), value.as_slice())?;
        }
    }
    let past = in_window
        .range(..=(oldest, [u8::MAX; 32]))?
        .map(|found| Ok(found?.0.value()));
    let past = past.collect::<Result<Vec<_>, redb::Error>>()?;
    for key in &past {
        in_window.remove(key)?;
    }
    let recent_gone = recent.gone.iter().map(|(hash, gone)| (*gone, *hash.as_bytes()));
    for (gone, hash) in past.into_iter().chain(recent_gone) {
        let Some(since) = nodes.get(hash)?.map(|node| u64_at(node.value(), 0)) else {
            continue;
        };
        if gone > oldest {
            in_window.insert((gone, hash), ())?;
        } else if let Some(cover) = cover_of(meta, since, gone) {
            kept.insert((cover, hash), gone)?;
        } else {
            nodes.remove(hash)?;
        }
    }
    // each stands under the last heads leaf that needs it, so that with the leaf it can go
    let first_cover = meta.covers.first().map_or(0, |cover| cover.size);
    let past = kept.range(..(first_cover, [0; 32]))?.map(|found| Ok(found?.0.value()));
    for (cover, hash) in past.collect::<Result<Vec<_>, redb::Error>>()? {
        kept.remove((cover, hash))?;
        nodes.remove(hash)?;
    }
    let mut sizes = transaction.open_table(SIZES)?;
    sizes.retain_in(..oldest, |_, _| false)?;
    for (size, map) in recent.sizes.range(oldest..) {
        sizes.insert(*size, map_bytes(map))?;
    }
    Ok(())
}

/// The smallest size of which the map is known in a tree of `size` leaves.
fn oldest_size(size: u64) -> u64 {
    (size + 1).saturating_sub(MAP_WINDOW_LEAVES)
}

/// The last heads leaf, by the size that it covers, in whose map a node is that came at size `since` and went at `gone`.
fn cover_of(meta: &Meta, since: u64, gone: u64) -> Option<u64> {
    let mut covers = meta.covers.iter().rev().map(|cover| cover.size);
    covers.find(|size| (since..gone).contains(size))
}

fn map_bytes(map: &HeadMap) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..32].copy_from_slice(map.root.as_bytes());
    bytes[32..].copy_from_slice(&map.subjects.to_be_bytes());
    bytes
}

fn map_from(bytes: &[u8; 40]) -> HeadMap {
    HeadMap {
        root: Hash::from_bytes(hash_at(bytes, 0)),
        subjects: u64_at(bytes, 32),
    }
}

#[cfg(test)]
mod tests;
