//! The head map as part of the state: how leaves change it, and which heads leaves bind it.
//!
//! A heads leaf names the size of the tree that it speaks about, and whoever proposes one cannot know how many leaves will
//! stand before it when it is applied: under load there are always some more. So the state remembers the map of each of the
//! last [`MAP_WINDOW_LEAVES`] sizes, and takes the leaf of any of them.

use std::collections::HashMap;

use bytes::Bytes;
use dab_proof::hash::Hash;
use dab_proof::head_map::{Change, HeadMap, HeadNodes, MapEntry, MapKey};
use dab_proof::heads_leaf::{HeadsBody, MAP_WINDOW_LEAVES};
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::tree::{LeafIndex, TreeSize};

use super::check::Refusal;
use super::view::StateView;
use crate::Error;
use crate::reader::Head;

/// A node of the map, and the size of the tree since which it is part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeSince {
    pub(crate) since: u64,
    pub(crate) bytes: Bytes,
}

/// What one leaf makes of the map.
#[derive(Clone, Debug)]
pub(crate) struct MapStep {
    /// The map behind the leaf.
    pub(crate) map: HeadMap,
    /// Nodes that it has and the map before had not, by their hashes.
    pub(crate) made: Vec<(Hash, Bytes)>,
    /// Nodes that the map before had and it has not.
    pub(crate) gone: Vec<(Hash, NodeSince)>,
    /// For a heads leaf, what it covers.
    pub(crate) cover: Option<Cover>,
}

/// What a heads leaf of the ledger covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    /// The leaves that the map is of.
    pub(crate) size: TreeSize,
    pub(crate) map: HeadMap,
    /// Where the heads leaf stands.
    pub(crate) leaf_index: LeafIndex,
}

/// The map within an entry that is being applied: that of the state, and what the entry's earlier leaves made of it.
pub(super) struct MapOfEntry<'a> {
    view: &'a dyn StateView,
    made: HashMap<Hash, NodeSince>,
    /// The maps behind the leaves of this entry, in order.
    maps: Vec<HeadMap>,
    /// What the last heads leaf of this entry covers.
    cover: Option<Cover>,
}

impl<'a> MapOfEntry<'a> {
    pub(super) fn new(view: &'a dyn StateView) -> Self {
        Self {
            view,
            made: HashMap::new(),
            maps: Vec::new(),
            cover: None,
        }
    }

    /// Takes the next leaf of the entry over into the map: a heads leaf with what [`Self::judge`] found it to cover.
    pub(super) fn append(&mut self, subject: &Subject, head: Head, cover: Option<Cover>) -> Result<MapStep, Error> {
        let size = self.size();
        let before = self.map_at(size)?.ok_or_else(|| Error::Inconsistent {
            reason: format!("the state has no head map of its {size} leaves"),
        })?;
        let Change { map, made, gone } = match subject.is_heads() {
            true => Change {
                map: before,
                made: Vec::new(),
                gone: Vec::new(),
            },
            false => before.set(self, map_entry(subject, &head))?,
        };
        let since = |hash: Hash| {
            let node = self.map_node(&hash)?.ok_or_else(|| Error::Inconsistent {
                reason: format!("node {hash} of the head map is not there"),
            })?;
            Ok((hash, node))
        };
        let gone = gone.into_iter().map(since).collect::<Result<_, Error>>()?;
        let made: Vec<_> = made
            .into_iter()
            .map(|(hash, bytes)| (hash, Bytes::from(bytes)))
            .collect();
        for (hash, bytes) in &made {
            let (since, bytes) = (size + 1, bytes.clone());
            self.made.insert(*hash, NodeSince { since, bytes });
        }
        self.maps.push(map);
        self.cover = cover.or(self.cover);
        Ok(MapStep { map, made, gone, cover })
    }

    /// Judges a heads leaf whose form is right and which follows on the last one.
    pub(super) fn judge(&self, leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<Result<Cover, Refusal>, Error> {
        let refused = |reason: String| {
            let subject = Some(Subject::heads());
            Ok(Err(Refusal { subject, reason }))
        };
        let HeadsBody {
            size, subjects, root, ..
        } = read_body(leaf, body)?;
        let (now, bound) = (self.size(), HeadMap { root, subjects });
        let last = self
            .cover
            .map_or_else(|| self.view.last_cover(), |cover| Ok(Some(cover)))?;
        match last {
            Some(last) if last.size >= size => {
                return refused(format!(
                    "it covers {size} leaves, the heads leaf before it {}",
                    last.size
                ));
            }
            _ if size.0 > now || now - size.0 >= MAP_WINDOW_LEAVES => {
                return refused(format!(
                    "it covers {size} leaves of {now}: fewer than {MAP_WINDOW_LEAVES} may lie behind those covered"
                ));
            }
            _ => {}
        }
        match self.map_at(size.0)? {
            Some(map) if map == bound => Ok(Ok(Cover {
                size,
                map,
                leaf_index: LeafIndex(now),
            })),
            map => {
                let root = map.map(|map| map.root.to_string());
                let ours = root.as_deref().unwrap_or("unknown here");
                refused(format!(
                    "the map of {size} leaves that it binds is not the ledger's, whose root is {ours}"
                ))
            }
        }
    }

    /// Leaves of the tree, those of this entry included.
    fn size(&self) -> u64 {
        self.view.tree_size() + self.maps.len() as u64
    }

    fn map_node(&self, hash: &Hash) -> Result<Option<NodeSince>, Error> {
        match self.made.get(hash) {
            Some(node) => Ok(Some(node.clone())),
            None => self.view.map_node(hash),
        }
    }

    fn map_at(&self, size: u64) -> Result<Option<HeadMap>, Error> {
        match size.checked_sub(self.view.tree_size() + 1) {
            Some(at) => Ok(self.maps.get(at as usize).copied()),
            None => self.view.map_at(size),
        }
    }
}

impl HeadNodes for MapOfEntry<'_> {
    type Error = Error;

    fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.map_node(hash)?.map(|node| node.bytes.to_vec()))
    }
}

/// What the map says of a subject with this head.
pub(crate) fn map_entry(subject: &Subject, head: &Head) -> MapEntry {
    MapEntry {
        key: MapKey::of(subject),
        sequence: head.sequence,
        leaf_index: head.leaf_index,
        leaf_hash: head.leaf_hash,
    }
}

/// The body of a heads leaf: it comes with the leaf, since the digests alone do not tell which size they speak about.
pub(super) fn read_body(leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<HeadsBody, dab_proof::Error> {
    let body = HeadsBody::parse(body.map_or(&[], |body| body.as_ref()))?;
    body.check(leaf.leaf())?;
    Ok(body)
}
