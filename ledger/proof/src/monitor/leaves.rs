//! The new leaves: each is read, hashed into the tree, and held against what is expected of it.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Alarm, AlarmKind, Expected, Heads, Trouble};
use crate::checkpoint::SignedCheckpoint;
use crate::error::Error;
use crate::hash::{Hash, leaf_hash};
use crate::leaf::SignedLeaf;
use crate::source::Source;
use crate::tile::{BundlePath, HASHES_PER_TILE, TilePath, hash_from_tiles, new_bundles, read_bundle, read_tile};
use crate::tree::{Frontier, LeafIndex, TreeSize};

/// What new leaves say.
pub(super) struct Leaves {
    /// The last leaf of each subject.
    pub(super) heads: Heads,
    /// How many, by name of their writer.
    pub(super) written: BTreeMap<String, u64>,
    /// Those that begin epochs.
    pub(super) changes: Vec<LeafIndex>,
}

/// Reads the leaves from `start` on. The tree before them is taken from tiles, and the root that comes out at the end has
/// to be the certified one: then both the tiles of its right edge and the leaves were the right ones.
pub(super) fn read(
    source: &dyn Source,
    expected: Expected<'_>,
    signed: &SignedCheckpoint,
    start: TreeSize,
    heads: Heads,
) -> Result<Leaves, Trouble> {
    let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
    let bad = |reason: String| Alarm::new(AlarmKind::Bad, reason).file("checkpoint", signed.to_bytes());
    let unread = |error: Error| match error {
        error if error.is_undecided() => Trouble::Undecided(error),
        error => bad(format!("a file that the checkpoint promises does not hold: {error}")).into(),
    };
    let mut leaves = Leaves {
        heads,
        written: BTreeMap::new(),
        changes: Vec::new(),
    };
    let mut tree = edge(source, start, size).map_err(unread)?;
    for path in new_bundles(start, size) {
        let entries = read_bundle(source, path).map_err(unread)?;
        let hashes = read_tile(source, tile_beside(path).map_err(unread)?).map_err(unread)?;
        let first = path.index() * u64::from(HASHES_PER_TILE);
        for (index, (entry, hash)) in (first..).zip(entries.iter().zip(hashes)) {
            if index < start.0 {
                continue;
            }
            let leaf = Placed {
                index: LeafIndex(index),
                entry,
                signed,
            };
            leaf.check(expected, hash, &mut leaves)?;
            tree.push(hash);
        }
    }
    if tree.root() != root {
        let reason = format!("the leaves lead to root {}, not to the certified {root}", tree.root());
        return Err(bad(reason).into());
    }
    let shown = edge(source, size, size).map_err(unread)?;
    if shown != tree {
        return Err(bad("the tiles of the tree's right edge are not what the leaves give".to_owned()).into());
    }
    Ok(leaves)
}

/// The right edge at `at` of a tree of `size` leaves, from its tiles.
fn edge(source: &dyn Source, at: TreeSize, size: TreeSize) -> Result<Frontier, Error> {
    let (mut hashes, mut start) = (Vec::new(), 0);
    for level in (0..u64::BITS as u8).rev().filter(|level| at.0 >> level & 1 == 1) {
        hashes.push(hash_from_tiles(source, size, level, start >> level)?);
        start += 1 << level;
    }
    Frontier::from_hashes(at, hashes)
}

/// The tile of leaf hashes with the same index and width.
fn tile_beside(bundle: BundlePath) -> Result<TilePath, Error> {
    TilePath::new(0, bundle.index(), bundle.width())
}

/// An entry and its place.
struct Placed<'a> {
    index: LeafIndex,
    entry: &'a [u8],
    signed: &'a SignedCheckpoint,
}

impl Placed<'_> {
    /// Checks one leaf against its hash in the tiles, and adds it to what was read.
    fn check(&self, expected: Expected<'_>, hash: Hash, leaves: &mut Leaves) -> Result<(), Trouble> {
        if leaf_hash(self.entry) != hash {
            return Err(self
                .alarm(AlarmKind::Bad, "it does not have the hash that its tile has")
                .into());
        }
        let leaf = SignedLeaf::from_bytes(self.entry).map_err(|error| self.alarm(AlarmKind::Bad, error))?;
        let origin = &self.signed.checkpoint().origin;
        if leaf.leaf().origin != *origin {
            let reason = format!("it is meant for ledger {}, not for {origin}", leaf.leaf().origin);
            return Err(self.alarm(AlarmKind::Bad, reason).into());
        }
        let writer = leaf.verify(&expected.trust.writers, self.index);
        let writer = writer.map_err(|error| match error {
            Error::WriterUnknown { .. } | Error::WriterRevoked { .. } | Error::WriterNotAllowed { .. } => {
                self.alarm(AlarmKind::Writer, error)
            }
            error => self.alarm(AlarmKind::Bad, error),
        })?;
        if expected
            .writers
            .is_some_and(|names| !names.iter().any(|name| name == writer.name()))
        {
            let reason = format!("{} wrote it, about {}", writer.name(), leaf.leaf().subject);
            let reason = format!("{reason}: that writer is not expected");
            return Err(self.alarm(AlarmKind::Writer, reason).into());
        }
        if let Some(reason) = leaves.heads.follow(&leaf) {
            return Err(self.alarm(AlarmKind::Bad, reason).into());
        }
        *leaves.written.entry(writer.name().to_owned()).or_default() += 1;
        if leaf.leaf().subject.is_members() {
            leaves.changes.push(self.index);
        }
        Ok(())
    }

    fn alarm(&self, kind: AlarmKind, reason: impl Display) -> Alarm {
        let reason = format!("leaf {}: {reason}", self.index);
        let alarm = Alarm::new(kind, reason).file("checkpoint", self.signed.to_bytes());
        alarm.file("leaf", self.entry.to_vec())
    }
}
