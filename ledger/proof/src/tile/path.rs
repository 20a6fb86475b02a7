//! Names of tiles and entry bundles, and which of them a tree of a given size has.

use std::fmt;
use std::str::FromStr;

use super::{HASHES_PER_TILE, TILE_HEIGHT};
use crate::error::Error;
use crate::text;
use crate::tree::{LeafIndex, TreeSize};

/// Highest tile level that a path may name.
const LEVEL_MAX: u8 = 63;

/// Path of a tile of hashes, `tile/<L>/<N>[.p/<W>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    level: u8,
    index: u64,
    width: u16,
}

/// Path of an entry bundle, `tile/entries/<N>[.p/<W>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath {
    index: u64,
    width: u16,
}

impl TilePath {
    /// The tile `index` on tile level `level` with `width` hashes, 256 meaning a full one.
    ///
    /// # Errors
    /// `Malformed` for a level above 63 or a width outside 1 to 256.
    pub fn new(level: u8, index: u64, width: u16) -> Result<TilePath, Error> {
        if level > LEVEL_MAX || width == 0 || width > HASHES_PER_TILE {
            let reason = format!("no tile has level {level} and width {width}");
            return Err(Error::malformed("tile path", reason));
        }
        Ok(TilePath { level, index, width })
    }

    /// The tile that holds node `node` of tile level `level`, as wide as a tree of `size` leaves has it.
    ///
    /// # Errors
    /// `Malformed` when a tree of that size does not have the node.
    pub fn holding(level: u8, node: u64, size: TreeSize) -> Result<TilePath, Error> {
        let nodes = nodes_on(level, size);
        if node >= nodes {
            let reason = format!("a tree of {size} leaves has {nodes} nodes on tile level {level}, not node {node}");
            return Err(Error::malformed("tile path", reason));
        }
        let index = node / HASHES_PER_TILE as u64;
        Ok(TilePath {
            level,
            index,
            width: width_of(index, nodes),
        })
    }

    /// Tile level: 0 holds leaf hashes.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Index of the tile within its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hashes in the tile, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The same tile when it is full.
    pub fn full(&self) -> TilePath {
        TilePath {
            width: HASHES_PER_TILE,
            ..*self
        }
    }
}

impl BundlePath {
    /// The bundle `index` with `width` entries, 256 meaning a full one.
    ///
    /// # Errors
    /// `Malformed` for a width outside 1 to 256.
    pub fn new(index: u64, width: u16) -> Result<BundlePath, Error> {
        if width == 0 || width > HASHES_PER_TILE {
            return Err(Error::malformed(
                "entry bundle path",
                format!("no bundle has width {width}"),
            ));
        }
        Ok(BundlePath { index, width })
    }

    /// The bundle that holds leaf `leaf`, as wide as a tree of `size` leaves has it.
    ///
    /// # Errors
    /// `Malformed` when a tree of that size does not have the leaf.
    pub fn holding(leaf: LeafIndex, size: TreeSize) -> Result<BundlePath, Error> {
        let tile = TilePath::holding(0, leaf.0, size)?;
        Ok(BundlePath {
            index: tile.index,
            width: tile.width,
        })
    }

    /// Index of the bundle: its first entry is leaf `index * 256`.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Entries in the bundle, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The same bundle when it is full.
    pub fn full(&self) -> BundlePath {
        BundlePath {
            width: HASHES_PER_TILE,
            ..*self
        }
    }
}

/// The tiles that a tree has at size `new` and did not have, or had with less width, at size `old`; lowest level
/// first. From size 0 these are all tiles of the tree.
pub fn new_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TilePath> {
    // level 8 would need 2^64 leaves
    (0..64 / TILE_HEIGHT).flat_map(move |level| {
        let (before, after) = (nodes_on(level, old), nodes_on(level, new));
        changed(before, after).map(move |index| TilePath {
            level,
            index,
            width: width_of(index, after),
        })
    })
}

/// The entry bundles that a tree has at size `new` and did not have, or had with less width, at size `old`.
pub fn new_bundles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = BundlePath> {
    changed(old.0, new.0).map(move |index| BundlePath {
        index,
        width: width_of(index, new.0),
    })
}

/// Tiles that change when their level grows from `before` to `after` nodes.
fn changed(before: u64, after: u64) -> std::ops::Range<u64> {
    let width = HASHES_PER_TILE as u64;
    if after > before {
        before / width..after.div_ceil(width)
    } else {
        0..0
    }
}

/// Complete nodes on a tile level.
fn nodes_on(level: u8, size: TreeSize) -> u64 {
    size.0.checked_shr(level as u32 * TILE_HEIGHT as u32).unwrap_or(0)
}

fn width_of(index: u64, nodes: u64) -> u16 {
    (nodes - index * HASHES_PER_TILE as u64).min(HASHES_PER_TILE as u64) as u16
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_index(f, self.index, self.width)
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_index(f, self.index, self.width)
    }
}

impl FromStr for TilePath {
    type Err = Error;

    fn from_str(path: &str) -> Result<TilePath, Error> {
        let parsed = path
            .strip_prefix("tile/")
            .and_then(|rest| rest.split_once('/'))
            .and_then(|(level, rest)| {
                let level = text::decimal(level).filter(|level| *level <= LEVEL_MAX as u64)?;
                let (index, width) = read_index(rest)?;
                Some(TilePath {
                    level: level as u8,
                    index,
                    width,
                })
            });
        parsed.ok_or_else(|| Error::malformed("tile path", format!("{path:?} names no tile")))
    }
}

impl FromStr for BundlePath {
    type Err = Error;

    fn from_str(path: &str) -> Result<BundlePath, Error> {
        let parsed = path.strip_prefix("tile/entries/").and_then(read_index);
        let (index, width) =
            parsed.ok_or_else(|| Error::malformed("entry bundle path", format!("{path:?} names no bundle")))?;
        Ok(BundlePath { index, width })
    }
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    if index >= 1000 {
        write_groups(f, index / 1000)?;
    }
    write!(f, "{:03}", index % 1000)?;
    if width < HASHES_PER_TILE {
        write!(f, ".p/{width}")
    } else {
        Ok(())
    }
}

fn write_groups(f: &mut fmt::Formatter<'_>, groups: u64) -> fmt::Result {
    if groups >= 1000 {
        write_groups(f, groups / 1000)?;
    }
    write!(f, "x{:03}/", groups % 1000)
}

/// Reads `<N>[.p/<W>]` back; only the spelling that `write_index` gives is accepted.
fn read_index(path: &str) -> Option<(u64, u16)> {
    let (number, width) = match path.split_once(".p/") {
        Some((number, width)) => (
            number,
            text::decimal(width).filter(|width| (1..256).contains(width))? as u16,
        ),
        None => (path, HASHES_PER_TILE),
    };
    let (groups, last) = match number.rsplit_once('/') {
        Some((groups, last)) => (Some(groups), last),
        None => (None, number),
    };
    let mut index = 0_u64;
    for (position, group) in groups.into_iter().flat_map(|groups| groups.split('/')).enumerate() {
        let group = three_digits(group.strip_prefix('x')?)?;
        if position == 0 && group == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    index = index.checked_mul(1000)?.checked_add(three_digits(last)?)?;
    Some((index, width))
}

fn three_digits(group: &str) -> Option<u64> {
    let digits = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    if digits { group.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_the_specification_shows() {
        let path = |index, width| TilePath::new(0, index, width).unwrap().to_string();
        assert_eq!(path(1234067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(1067, 8), "tile/0/x001/067.p/8");
        assert_eq!(path(0, 256), "tile/0/000");
        assert_eq!(
            BundlePath::new(1234067, 1).unwrap().to_string(),
            "tile/entries/x001/x234/067.p/1"
        );
        for index in [0, 1, 999, 1000, 999_999, 1_000_000, u64::MAX] {
            for width in [1, 255, 256] {
                let tile = TilePath::new(63, index, width).unwrap();
                assert_eq!(tile.to_string().parse::<TilePath>().unwrap(), tile);
                let bundle = BundlePath::new(index, width).unwrap();
                assert_eq!(bundle.to_string().parse::<BundlePath>().unwrap(), bundle);
            }
        }
    }

    #[test]
    fn other_spellings_of_a_path_are_refused() {
        for path in [
            "tile/0/0",
            "tile/0/0000",
            "tile/0/001/067",
            "tile/0/x001/x067",
            "tile/0/x000/067",
            "tile/0/x1/067",
            "tile/00/067",
            "tile/64/067",
            "tile/-1/067",
            "tile/0/067.p/0",
            "tile/0/067.p/256",
            "tile/0/067.p/08",
            "tile/0/067.p",
            "tile/0/067.p/",
            "/tile/0/067",
            "tile/0/067/",
            "tile/0/",
            "tile/0",
            "tile/0//067",
            "tile/entries/067",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/067.p/1.p/1",
            "tile/0/+67",
        ] {
            assert!(path.parse::<TilePath>().is_err(), "{path}");
        }
        for path in [
            "tile/entries/67",
            "tile/0/067",
            "tile/entries/067.p/256",
            "tile/entries/x000/067",
        ] {
            assert!(path.parse::<BundlePath>().is_err(), "{path}");
        }
    }

    #[test]
    fn tree_of_70000_leaves_has_the_tiles_of_the_specification() {
        let tiles: Vec<_> = new_tiles(TreeSize(0), TreeSize(70_000)).collect();
        let count = |level, full: bool| {
            tiles
                .iter()
                .filter(|tile| tile.level == level && (tile.width == 256) == full)
                .count()
        };
        let partial = |level| {
            tiles
                .iter()
                .find(|tile| tile.level == level && tile.width < 256)
                .unwrap()
                .width
        };
        assert_eq!((count(0, true), count(0, false), partial(0)), (273, 1, 112));
        assert_eq!((count(1, true), count(1, false), partial(1)), (1, 1, 17));
        assert_eq!((count(2, true), count(2, false), partial(2)), (0, 1, 1));
        assert_eq!(tiles.len(), 273 + 1 + 2 + 1);
        assert_eq!(new_bundles(TreeSize(0), TreeSize(70_000)).count(), 274);
    }

    #[test]
    fn tree_of_256_leaves_has_one_full_and_one_partial_tile() {
        let tiles: Vec<_> = new_tiles(TreeSize(0), TreeSize(256))
            .map(|tile| tile.to_string())
            .collect();
        assert_eq!(tiles, ["tile/0/000", "tile/1/000.p/1"]);
    }

    #[test]
    fn growing_names_only_the_tiles_that_change() {
        let grown = |old, new| {
            new_tiles(TreeSize(old), TreeSize(new))
                .map(|tile| tile.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(grown(5, 5), Vec::<String>::new());
        assert_eq!(grown(5, 6), ["tile/0/000.p/6"]);
        assert_eq!(grown(255, 257), ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
        assert_eq!(grown(256, 257), ["tile/0/001.p/1"]);
        let bundles: Vec<_> = new_bundles(TreeSize(255), TreeSize(257))
            .map(|path| path.to_string())
            .collect();
        assert_eq!(bundles, ["tile/entries/000", "tile/entries/001.p/1"]);
    }
}
