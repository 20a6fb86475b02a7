//! The head map in the state database: its nodes, and which of its earlier states can still be read.
//!
//! | table | key | value, integers big-endian |
//! | --- | --- | --- |
//! | `map_nodes` | node hash 32 | tree size u64 since which the node is part of the map, the node's bytes |
//! | `map_sizes` | tree size u64 | root 32, subjects u64, and each node that this size's leaf took out of the map: size u64 since which it was in, its length u8, its bytes; the last `MAP_WINDOW_LEAVES` sizes |
//! | `map_kept` | node hash 32 | tree size u64 that the last heads leaf covers which needs the node, size u64 since which the node was in the map, its bytes |
//!
//! A node never changes. It is kept as long as a state that has it may be asked for: one of the window's, of which the next
//! heads leaf may bind any, or one that the last heads leaves cover, of which proofs are made. The window is in memory too:
//! a node that goes out of the map waits there, and is written to the database only if a heads leaf needs it longer.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use dab_proof::hash::Hash;
use dab_proof::head_map::{HeadMap, MAP_NODE_BYTES_MAX, MemoryMap, node_hash};
use dab_proof::heads_leaf::MAP_WINDOW_LEAVES;
use dab_proof::leaf::Subject;
use dab_proof::tree::{LeafIndex, TreeSize};
use prost::Message;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{HEADS, META_VERSION, StateStore, hash_at, head_from, u64_at};
use crate::Error;
use crate::state_machine::Cover;
use crate::state_machine::heads::{MapStep, NodeSince, map_entry};

const NODES: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("map_nodes");
const SIZES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("map_sizes");
const KEPT: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("map_kept");

/// Heads leaves whose states are kept: the last one, and one before it, which is proved while the last is not certified.
const COVERS_KEPT: usize = 2;

/// Memory that a node takes besides its bytes, roughly.
const NODE_OVERHEAD_BYTES: usize = 96;

// one byte tells a node's length
const _: () = assert!(MAP_NODE_BYTES_MAX <= u8::MAX as usize);

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
    /// Nodes of the map that the database does not have.
    nodes: HashMap<Hash, NodeSince>,
    /// Nodes that the database has and the map has not.
    gone: HashSet<Hash>,
    /// Nodes that have left the window and are needed by a heads leaf, by the size that it covers.
    kept: HashMap<Hash, (u64, NodeSince)>,
    /// A heads leaf was let go.
    covers_changed: bool,
}

/// The maps of the last sizes, and what they need that the present one has not.
#[derive(Debug, Default)]
pub(super) struct MapWindow {
    sizes: BTreeMap<u64, SizeState>,
    /// Nodes by their hashes, of all sizes.
    gone: HashMap<Hash, NodeSince>,
}

/// The map of one size.
#[derive(Debug)]
struct SizeState {
    map: HeadMap,
    /// Nodes that the size before had and this has not.
    gone: Vec<Hash>,
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

    /// Takes over what the leaf before `size` made of the map, in memory; gives how much of that, roughly.
    pub(super) fn take_map(&mut self, size: u64, step: &MapStep) -> usize {
        let mut bytes = NODE_OVERHEAD_BYTES;
        for (hash, node) in &step.made {
            bytes += NODE_OVERHEAD_BYTES + node.len();
            let (since, node) = (size, node.clone());
            self.recent.map.nodes.insert(*hash, NodeSince { since, bytes: node });
        }
        for (hash, node) in &step.gone {
            if self.recent.map.nodes.remove(hash).is_none() {
                self.recent.map.gone.insert(*hash);
            }
            self.window.gone.insert(*hash, node.clone());
        }
        let gone = step.gone.iter().map(|(hash, _)| *hash).collect();
        self.window.sizes.insert(size, SizeState { map: step.map, gone });
        if let Some(cover) = &step.cover {
            self.keep_cover(cover);
        }
        self.trim_window(size);
        bytes
    }

    fn keep_cover(&mut self, cover: &Cover) {
        let covers = &mut self.meta.covers;
        covers.push(CoverBytes {
            size: cover.size.0,
            subjects: cover.map.subjects,
            root: cover.map.root.as_bytes().to_vec(),
            leaf_index: cover.leaf_index.0,
        });
        if covers.len() > COVERS_KEPT {
            covers.remove(0);
            let first = covers[0].size;
            self.recent.map.kept.retain(|_, (cover, _)| *cover >= first);
            self.recent.map.covers_changed = true;
        }
    }

    /// Lets go of the sizes that no heads leaf can bind any more, but for the nodes that one does.
    fn trim_window(&mut self, size: u64) {
        let later = self.window.sizes.split_off(&oldest_size(size));
        for (size, state) in std::mem::replace(&mut self.window.sizes, later) {
            for hash in state.gone {
                let Some(node) = self.window.gone.remove(&hash) else {
                    continue;
                };
                if let Some(cover) = self.cover_of(&node, size) {
                    self.recent.map.kept.insert(hash, (cover, node));
                }
            }
        }
    }

    /// The last heads leaf, by the size that it covers, in whose map a node is that went at size `gone`. No later heads leaf
    /// can need the node, once it is out of the window.
    fn cover_of(&self, node: &NodeSince, gone: u64) -> Option<u64> {
        let mut covers = self.meta.covers.iter().rev().map(|cover| cover.size);
        covers.find(|size| (node.since..gone).contains(size))
    }

    pub(super) fn find_map(&self, size: u64) -> Option<HeadMap> {
        if size < oldest_size(self.meta.tree_size) || size > self.meta.tree_size {
            return None;
        }
        match size {
            0 => Some(HeadMap::default()),
            size => self.window.sizes.get(&size).map(|state| state.map),
        }
    }

    pub(super) fn find_node(&self, hash: &Hash) -> Result<Option<NodeSince>, Error> {
        let recent = &self.recent.map;
        let in_memory = recent.nodes.get(hash).or_else(|| self.window.gone.get(hash));
        if let Some(node) = in_memory.or_else(|| recent.kept.get(hash).map(|(_, node)| node)) {
            return Ok(Some(node.clone()));
        }
        let read = || -> Result<_, redb::Error> {
            let transaction = self.db.begin_read()?;
            if let Some(node) = transaction.open_table(NODES)?.get(hash.as_bytes())? {
                return Ok(Some(node_from(node.value())));
            }
            let kept = transaction.open_table(KEPT)?.get(hash.as_bytes())?;
            Ok(kept.map(|node| node_from(&node.value()[8..])))
        };
        read().map_err(|error| self.failed(&error))
    }

    /// Writes what has changed, and removes what no state has that may be asked for.
    pub(super) fn flush_map(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let recent = &self.recent.map;
        let mut nodes = transaction.open_table(NODES)?;
        // in order, so that the same changes make the same file
        for hash in recent.gone.iter().collect::<BTreeSet<_>>() {
            nodes.remove(hash.as_bytes())?;
        }
        for (hash, node) in recent.nodes.iter().collect::<BTreeMap<_, _>>() {
            nodes.insert(hash.as_bytes(), node_bytes(node).as_slice())?;
        }
        let mut kept = transaction.open_table(KEPT)?;
        if recent.covers_changed {
            let first = self.meta.covers.first().map_or(0, |cover| cover.size);
            kept.retain(|_, value| u64_at(value, 0) >= first)?;
        }
        for (hash, (cover, node)) in recent.kept.iter().collect::<BTreeMap<_, _>>() {
            let value = [&cover.to_be_bytes()[..], &node_bytes(node)].concat();
            kept.insert(hash.as_bytes(), value.as_slice())?;
        }
        let mut sizes = transaction.open_table(SIZES)?;
        sizes.retain_in(..oldest_size(self.meta.tree_size), |_, _| false)?;
        let newest = sizes.last()?.map_or(0, |(size, _)| size.value());
        for (size, state) in self.window.sizes.range(newest + 1..) {
            sizes.insert(*size, self.size_bytes(state).as_slice())?;
        }
        Ok(())
    }

    pub(super) fn read_window(&self) -> Result<MapWindow, redb::Error> {
        let mut window = MapWindow::default();
        for found in self.db.begin_read()?.open_table(SIZES)?.iter()? {
            let (size, value) = found?;
            let (head, mut rest) = value.value().split_at(40);
            let (root, subjects) = (Hash::from_bytes(hash_at(head, 0)), u64_at(head, 32));
            let mut gone = Vec::new();
            while let Some((fixed, more)) = rest.split_first_chunk::<9>() {
                let (bytes, more) = more.split_at(usize::from(fixed[8]));
                let hash = node_hash(bytes);
                let (since, bytes) = (u64_at(fixed, 0), Bytes::copy_from_slice(bytes));
                window.gone.insert(hash, NodeSince { since, bytes });
                gone.push(hash);
                rest = more;
            }
            let map = HeadMap { root, subjects };
            window.sizes.insert(size.value(), SizeState { map, gone });
        }
        Ok(window)
    }

    fn size_bytes(&self, state: &SizeState) -> Vec<u8> {
        let mut bytes = state.map.root.as_bytes().to_vec();
        bytes.extend(state.map.subjects.to_be_bytes());
        for node in state.gone.iter().filter_map(|hash| self.window.gone.get(hash)) {
            bytes.extend(node.since.to_be_bytes());
            bytes.push(node.bytes.len() as u8);
            bytes.extend(&node.bytes);
        }
        bytes
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
        let mut made = MemoryMap::default();
        for (subject, head) in read().map_err(|error| self.failed(&error))? {
            made.set(map_entry(&subject.parse::<Subject>()?, &head))?;
        }
        let (since, map, gone) = (self.meta.tree_size, made.map, Vec::new());
        self.window.sizes.insert(since, SizeState { map, gone });
        let nodes = made.into_nodes();
        self.recent.map.nodes = nodes
            .map(|(hash, bytes)| {
                (
                    hash,
                    NodeSince {
                        since,
                        bytes: bytes.into(),
                    },
                )
            })
            .collect();
        self.meta.version = META_VERSION;
        self.flush()?;
        self.forget_recent();
        Ok(())
    }
}

/// The smallest size of which the map is known in a tree of `size` leaves.
fn oldest_size(size: u64) -> u64 {
    (size + 1).saturating_sub(MAP_WINDOW_LEAVES)
}

fn node_bytes(node: &NodeSince) -> Vec<u8> {
    [&node.since.to_be_bytes()[..], &node.bytes].concat()
}

fn node_from(value: &[u8]) -> NodeSince {
    NodeSince {
        since: u64_at(value, 0),
        bytes: Bytes::copy_from_slice(&value[8..]),
    }
}

#[cfg(test)]
mod tests;
