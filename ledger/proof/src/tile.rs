//! Tiles and entry bundles: the tree as static files (C2SP `tlog-tiles`).
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]        W (or 256) hashes of 32 bytes, nothing else
//! tile/entries/<N>[.p/<W>]    W (or 256) entries, each: u16 big-endian length, then that many bytes
//! ```
//!
//! Hash `i` of tile `N` on level `L` is the root of the leaves `(N*256 + i) << 8L` up to `(N*256 + i + 1) << 8L`. `N` is
//! written in groups of three digits, all but the last with an `x` in front: 1234067 is `x001/x234/067`. A tile that
//! is not full yet carries its width `W`; a full one has no suffix.

mod path;

pub use path::{BundlePath, TilePath, new_bundles, new_tiles};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::Error;
use crate::hash::{HASH_BYTES, Hash, node_hash};
use crate::source::Source;
use crate::tree::TreeSize;

/// Hashes in a full tile, and entries in a full bundle.
pub const HASHES_PER_TILE: u16 = 256;

/// Levels of the binary tree that one tile spans.
pub const TILE_HEIGHT: u8 = 8;

/// Bytes of a full tile.
pub const TILE_BYTES_MAX: usize = HASHES_PER_TILE as usize * HASH_BYTES;

/// Bytes of the longest entry: its length must fit into 16 bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Bytes of the largest entry bundle.
pub const BUNDLE_BYTES_MAX: usize = HASHES_PER_TILE as usize * (2 + ENTRY_BYTES_MAX);

/// Writes the hashes of a tile one after the other.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads a tile of exactly `width` hashes.
///
/// # Errors
/// `Malformed` when the length is not `width * 32`.
pub fn decode_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, Error> {
    if bytes.len() != width as usize * HASH_BYTES {
        let reason = format!("{} bytes instead of {width} hashes of {HASH_BYTES}", bytes.len());
        return Err(Error::malformed("tile", reason));
    }
    let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
    Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
}

/// Writes entries as a bundle.
///
/// # Errors
/// `Malformed` for no entry or more than 256, `TooLarge` for an entry above `ENTRY_BYTES_MAX`.
pub fn encode_bundle<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, Error> {
    if entries.is_empty() || entries.len() > HASHES_PER_TILE as usize {
        return Err(Error::malformed(
            "entry bundle",
            format!("{} entries do not make a bundle", entries.len()),
        ));
    }
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        Error::check_size("entry", entry.len(), ENTRY_BYTES_MAX)?;
        bytes.extend((entry.len() as u16).to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// Reads a bundle of exactly `width` entries.
///
/// # Errors
/// `Malformed` when an entry is cut short or bytes remain after the last one.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, Error> {
    let (entries, rest) = split_entries(bytes, width)?;
    if !rest.is_empty() {
        let reason = format!("{} bytes follow the last of {width} entries", rest.len());
        return Err(Error::malformed("entry bundle", reason));
    }
    Ok(entries)
}

/// The bytes of a tile of `width` hashes, from those of the same tile when it was at least as wide.
///
/// # Errors
/// `Malformed` when there are fewer hashes.
pub fn cut_tile(wider: &[u8], width: u16) -> Result<&[u8], Error> {
    wider.get(..width as usize * HASH_BYTES).ok_or_else(|| {
        let reason = format!("{} bytes do not reach to {width} hashes of {HASH_BYTES}", wider.len());
        Error::malformed("tile", reason)
    })
}

/// The bytes of a bundle of `width` entries, from those of the same bundle when it was at least as wide.
///
/// # Errors
/// `Malformed` when there are fewer entries.
pub fn cut_bundle(wider: &[u8], width: u16) -> Result<&[u8], Error> {
    let (_, rest) = split_entries(wider, width)?;
    Ok(&wider[..wider.len() - rest.len()])
}

/// The first `width` entries, and the bytes behind them.
fn split_entries(bytes: &[u8], width: u16) -> Result<(Vec<&[u8]>, &[u8]), Error> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(width as usize);
    for position in 0..width {
        let cut = || Error::malformed("entry bundle", format!("entry {position} of {width} is cut short"));
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (entry, after) = after
            .split_at_checked(u16::from_be_bytes(*length) as usize)
            .ok_or_else(cut)?;
        entries.push(entry);
        rest = after;
    }
    Ok((entries, rest))
}

/// Hash of the perfect subtree `(level, index)` of a tree of `size` leaves, from the tiles of `source`.
///
/// This is the `node` that `inclusion::prove` and `consistency::prove` ask for. The tiles are taken as they are: a proof
/// made from false tiles does not verify. A partial tile that has been removed is taken from the full one.
///
/// # Errors
/// `Missing` when the tile is not there, `Malformed` when it has the wrong length, and those of `source`.
pub fn hash_from_tiles(source: &dyn Source, size: TreeSize, level: u8, index: u64) -> Result<Hash, Error> {
    TilesOnce::new(source, size).node(level, index)
}

/// The tiles of one tree for whoever makes many proofs from it: each is read once, and each node hashed once.
pub struct TilesOnce<'s> {
    source: &'s dyn Source,
    size: TreeSize,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    nodes: BTreeMap<(u8, u64), Hash>,
}

impl<'s> TilesOnce<'s> {
    /// Nothing has been read yet.
    pub fn new(source: &'s dyn Source, size: TreeSize) -> TilesOnce<'s> {
        TilesOnce {
            source,
            size,
            tiles: BTreeMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// As `hash_from_tiles`.
    ///
    /// # Errors
    /// Those of `hash_from_tiles`.
    pub fn node(&mut self, level: u8, index: u64) -> Result<Hash, Error> {
        if let Some(hash) = self.nodes.get(&(level, index)) {
            return Ok(*hash);
        }
        let within = level % TILE_HEIGHT;
        let first = index << within;
        let path = TilePath::holding(level / TILE_HEIGHT, first, self.size)?;
        let hashes = match self.tiles.entry((path.level(), path.index())) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => place.insert(read_tile(self.source, path)?),
        };
        let offset = (first % HASHES_PER_TILE as u64) as usize;
        let mut row = hashes
            .get(offset..offset + (1 << within))
            .ok_or_else(|| Error::malformed("tile", format!("{path} does not reach node {index} on level {level}")))?
            .to_vec();
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        self.nodes.insert((level, index), row[0]);
        Ok(row[0])
    }
}

/// Reads one tile of hashes; a partial tile that is gone is cut from the full one.
///
/// # Errors
/// `Missing`, `Malformed`, and those of `source`.
pub fn read_tile(source: &dyn Source, path: TilePath) -> Result<Vec<Hash>, Error> {
    if let Some(bytes) = source.read(&path.to_string())? {
        return decode_tile(&bytes, path.width());
    }
    let missing = || Error::Missing { path: path.to_string() };
    if path.width() == HASHES_PER_TILE {
        return Err(missing());
    }
    let bytes = source.read(&path.full().to_string())?.ok_or_else(missing)?;
    let mut hashes = decode_tile(&bytes, HASHES_PER_TILE)?;
    hashes.truncate(path.width() as usize);
    Ok(hashes)
}

/// Reads the entries of one bundle; a partial bundle that is gone is cut from the full one.
///
/// # Errors
/// `Missing`, `Malformed`, and those of `source`.
pub fn read_bundle(source: &dyn Source, path: BundlePath) -> Result<Vec<Vec<u8>>, Error> {
    let owned = |entries: Vec<&[u8]>| {
        entries
            .into_iter()
            .take(path.width() as usize)
            .map(<[u8]>::to_vec)
            .collect()
    };
    if let Some(bytes) = source.read(&path.to_string())? {
        return Ok(owned(decode_bundle(&bytes, path.width())?));
    }
    let missing = || Error::Missing { path: path.to_string() };
    if path.width() == HASHES_PER_TILE {
        return Err(missing());
    }
    let bytes = source.read(&path.full().to_string())?.ok_or_else(missing)?;
    Ok(owned(decode_bundle(&bytes, HASHES_PER_TILE)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_is_read_back_and_refuses_cut_or_extra_bytes() {
        let entries: [&[u8]; 3] = [b"one", b"", &[7; ENTRY_BYTES_MAX]];
        let bytes = encode_bundle(&entries).unwrap();
        assert_eq!(decode_bundle(&bytes, 3).unwrap(), entries);
        assert!(decode_bundle(&bytes, 2).is_err());
        assert!(decode_bundle(&bytes, 4).is_err());
        assert!(decode_bundle(&bytes[..bytes.len() - 1], 3).is_err());
        assert!(encode_bundle(&[vec![0; ENTRY_BYTES_MAX + 1]]).is_err());
        assert!(encode_bundle::<Vec<u8>>(&[]).is_err());
        assert!(encode_bundle(&vec![b""; 257]).is_err());
    }

    #[test]
    fn narrower_file_is_the_beginning_of_a_wider_one() {
        let entries: [&[u8]; 3] = [b"one", b"", b"three"];
        let hashes = entries.map(crate::hash::leaf_hash);
        let (bundle, tile) = (encode_bundle(&entries).unwrap(), encode_tile(&hashes));
        for width in 1..=3 {
            let first = ..width as usize;
            assert_eq!(
                cut_bundle(&bundle, width).unwrap(),
                encode_bundle(&entries[first]).unwrap()
            );
            assert_eq!(cut_tile(&tile, width).unwrap(), encode_tile(&hashes[first]));
        }
        assert!(cut_bundle(&bundle, 4).is_err());
        assert!(cut_bundle(&bundle[..bundle.len() - 1], 3).is_err());
        assert!(cut_tile(&tile, 4).is_err());
        assert!(cut_tile(&tile[..95], 3).is_err());
    }

    #[test]
    fn tile_is_read_back_and_refuses_another_width() {
        let hashes = vec![crate::hash::leaf_hash(b"a"), crate::hash::leaf_hash(b"b")];
        let bytes = encode_tile(&hashes);
        assert_eq!(decode_tile(&bytes, 2).unwrap(), hashes);
        assert!(decode_tile(&bytes, 1).is_err());
        assert!(decode_tile(&bytes[..63], 2).is_err());
    }
}
