//! The map as it grows: nodes by their hashes, none of which ever changes, so that earlier states stay readable for as long
//! as their nodes are kept.

use std::collections::BTreeMap;

use super::path::{MapPath, Step};
use super::{MapEntry, MapKey, MapNode, WHAT, empty_map_root, node_hash};
use crate::error::Error;
use crate::hash::Hash;

/// Where the nodes of a map are kept. What it gives is checked against the hash, so it need not be trusted.
pub trait HeadNodes {
    /// What can go wrong in reading, and the errors of this crate.
    type Error: From<Error>;

    /// The bytes of the node with this hash; none when it is not kept.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// One state of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadMap {
    /// Its root.
    pub root: Hash,
    /// How many subjects it has.
    pub subjects: u64,
}

/// How one state of the map becomes the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The next state.
    pub map: HeadMap,
    /// Nodes that it has and the state before had not.
    pub made: Vec<(Hash, Vec<u8>)>,
    /// Nodes that the state before had and it has not. They never come back: each leads to a head that has moved on.
    pub gone: Vec<Hash>,
}

/// A map with its nodes in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryMap {
    /// The present state.
    pub map: HeadMap,
    nodes: BTreeMap<Hash, Vec<u8>>,
}

/// The way from the root to the one entry that a key can lead to.
struct Descent {
    /// Forks from the root down: hash, bit, left, right.
    forks: Vec<(Hash, u8, Hash, Hash)>,
    entry: MapEntry,
}

impl Default for HeadMap {
    /// The map without subjects.
    fn default() -> HeadMap {
        let root = empty_map_root();
        HeadMap { root, subjects: 0 }
    }
}

impl HeadMap {
    /// The state after `entry` takes the place of what the map says of its subject.
    ///
    /// # Errors
    /// Those of `nodes`; `Missing` or `Malformed` when these are not the nodes of this map.
    pub fn set<N: HeadNodes + ?Sized>(&self, nodes: &N, entry: MapEntry) -> Result<Change, N::Error> {
        let (node, mut gone) = (MapNode::Entry(entry), Vec::new());
        let mut made = vec![(node.hash(), node.to_bytes())];
        let mut subjects = self.subjects;
        let Some(Descent {
            mut forks,
            entry: other,
        }) = self.descend(nodes, &entry.key)?
        else {
            let map = HeadMap {
                root: made[0].0,
                subjects: 1,
            };
            return Ok(Change { map, made, gone });
        };
        match entry.key.parts_from(&other.key) {
            None if other == entry => {
                let map = *self;
                return Ok(Change {
                    map,
                    made: Vec::new(),
                    gone,
                });
            }
            None => gone.push(other.hash()),
            Some(bit) => {
                // what hangs below the first fork behind `bit` moves, whole, beside the new entry
                let place = forks.partition_point(|(_, at, ..)| *at < bit);
                let beside = forks.get(place).map_or_else(|| other.hash(), |(hash, ..)| *hash);
                forks.truncate(place);
                make_fork(&mut made, &entry.key, bit, beside);
                subjects += 1;
            }
        }
        for (hash, bit, left, right) in forks.into_iter().rev() {
            gone.push(hash);
            make_fork(
                &mut made,
                &entry.key,
                bit,
                if entry.key.bit(bit) { left } else { right },
            );
        }
        let root = made.last().expect("the entry is there").0;
        let map = HeadMap { root, subjects };
        Ok(Change { map, made, gone })
    }

    /// What the map says of a key, with its path: the key's own entry, or what shows that there is none.
    ///
    /// # Errors
    /// Those of `nodes`; `Missing` or `Malformed` when these are not the nodes of this map.
    pub fn find<N: HeadNodes + ?Sized>(&self, nodes: &N, key: &MapKey) -> Result<MapPath, N::Error> {
        let Some(Descent { forks, entry }) = self.descend(nodes, key)? else {
            return Ok(MapPath::default());
        };
        let step = |(_, bit, left, right): (Hash, u8, Hash, Hash)| Step {
            bit,
            sibling: if key.bit(bit) { left } else { right },
        };
        let steps = forks.into_iter().rev().map(step).collect();
        let found = Some(entry);
        Ok(MapPath { found, steps })
    }

    /// None for the map without subjects.
    fn descend<N: HeadNodes + ?Sized>(&self, nodes: &N, key: &MapKey) -> Result<Option<Descent>, N::Error> {
        if self.root == empty_map_root() {
            return Ok(None);
        }
        let (mut hash, mut forks) = (self.root, Vec::new());
        loop {
            match read(nodes, &hash)? {
                MapNode::Entry(entry) => return Ok(Some(Descent { forks, entry })),
                MapNode::Fork { bit, left, right } => {
                    // bits grow, so that any nodes end within 256 steps
                    if forks.last().is_some_and(|(_, above, ..)| *above >= bit) {
                        let reason = format!("fork {hash} at bit {bit} stands too deep");
                        return Err(Error::malformed(WHAT, reason).into());
                    }
                    forks.push((hash, bit, left, right));
                    hash = if key.bit(bit) { right } else { left };
                }
            }
        }
    }
}

impl MemoryMap {
    /// Sets what the map says of a subject.
    ///
    /// # Errors
    /// None for a map that came about through this function.
    pub fn set(&mut self, entry: MapEntry) -> Result<(), Error> {
        let change = self.map.set(self, entry)?;
        self.map = change.map;
        self.nodes.extend(change.made);
        for hash in change.gone {
            self.nodes.remove(&hash);
        }
        Ok(())
    }

    /// All nodes, by their hashes.
    pub fn into_nodes(self) -> impl Iterator<Item = (Hash, Vec<u8>)> {
        self.nodes.into_iter()
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }
}

impl HeadNodes for MemoryMap {
    type Error = Error;

    fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.nodes.get(hash).cloned())
    }
}

/// Makes the fork above the node that was made last, which lies on `key`'s side.
fn make_fork(made: &mut Vec<(Hash, Vec<u8>)>, key: &MapKey, bit: u8, sibling: Hash) {
    let below = made.last().expect("the entry is there").0;
    let (left, right) = if key.bit(bit) {
        (sibling, below)
    } else {
        (below, sibling)
    };
    let fork = MapNode::Fork { bit, left, right };
    made.push((fork.hash(), fork.to_bytes()));
}

fn read<N: HeadNodes + ?Sized>(nodes: &N, hash: &Hash) -> Result<MapNode, N::Error> {
    let bytes = nodes.node(hash)?.ok_or_else(|| Error::Missing {
        path: format!("node {hash} of the head map"),
    })?;
    if node_hash(&bytes) != *hash {
        return Err(Error::malformed(WHAT, format!("the bytes kept as node {hash} have another hash")).into());
    }
    Ok(MapNode::from_bytes(&bytes)?)
}
