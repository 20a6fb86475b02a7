//! Partial tiles and bundles that are gone, cut from wider ones of the same place.
//!
//! A wider tile begins with the hashes of a narrower one, a wider bundle with its entries. So a ledger need not keep a
//! copy for each size that it ever had.

use crate::error::Error;
use crate::text;
use crate::tile::{BundlePath, HASHES_PER_TILE, TilePath, cut_bundle, cut_tile};

/// How often a wider file is looked for: a node that grows may remove it between the look and the reading.
const LOOKS_MAX: u32 = 8;

/// Gives the beginning of a tile or bundle, so many hashes or entries wide.
type Cut = fn(&[u8], u16) -> Result<&[u8], Error>;

/// A place where public files are stored under their names.
pub trait Stored {
    /// The file as it is stored; none where it is not.
    ///
    /// # Errors
    /// `TooLarge`, or `Unavailable` when it cannot be read.
    fn read_stored(&self, path: &str) -> Result<Option<Vec<u8>>, Error>;

    /// The names in a folder; none where there is no such folder.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be listed.
    fn list_stored(&self, folder: &str) -> Result<Vec<String>, Error>;
}

/// The file at `path`, or, for a partial tile or bundle that is gone, the beginning of the widest one of its place.
///
/// # Errors
/// Those of [`Stored`]; `Malformed` for a wider file that is none.
pub fn read_or_narrow(stored: &(impl Stored + ?Sized), path: &str) -> Result<Option<Vec<u8>>, Error> {
    if let Some(bytes) = stored.read_stored(path)? {
        return Ok(Some(bytes));
    }
    let (cut, width): (Cut, u16) = match (path.parse::<TilePath>(), path.parse::<BundlePath>()) {
        (Ok(tile), _) => (cut_tile, tile.width()),
        (_, Ok(bundle)) => (cut_bundle, bundle.width()),
        _ => return Ok(None),
    };
    // only the path of a partial file has a width in its name
    let Some((full, _)) = path.split_once(".p/") else {
        return Ok(None);
    };
    for _ in 0..LOOKS_MAX {
        let names = stored.list_stored(&format!("{full}.p"))?;
        let widest = names.iter().filter_map(|name| width_in(name)).max();
        let widest = widest.filter(|widest| *widest >= width);
        let wider = widest.map_or_else(|| full.to_owned(), |widest| format!("{full}.p/{widest}"));
        match stored.read_stored(&wider)? {
            Some(bytes) => return Ok(Some(cut(&bytes, width)?.to_vec())),
            None if widest.is_none() => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

/// The width that the name of a partial file states.
fn width_in(name: &str) -> Option<u16> {
    let width = text::decimal(name)?;
    (1..u64::from(HASHES_PER_TILE)).contains(&width).then_some(width as u16)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::hash::leaf_hash;
    use crate::tile::encode_tile;

    /// A folder whose partial tile is listed, and gone when it is to be read: the tree has outgrown it.
    struct Growing {
        looks: Cell<usize>,
    }

    impl Stored for Growing {
        fn read_stored(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
            let full = encode_tile(&[leaf_hash(b"x"); HASHES_PER_TILE as usize]);
            Ok((path == "tile/0/000" && self.looks.get() > 1).then_some(full))
        }

        fn list_stored(&self, _folder: &str) -> Result<Vec<String>, Error> {
            self.looks.set(self.looks.get() + 1);
            Ok(if self.looks.get() == 1 {
                vec!["5".to_owned()]
            } else {
                vec![]
            })
        }
    }

    #[test]
    fn file_that_goes_between_the_list_and_the_read_is_looked_for_again() {
        let looks = Cell::new(0);
        let read = read_or_narrow(&Growing { looks }, "tile/0/000.p/3").unwrap();
        assert_eq!(read, Some(encode_tile(&[leaf_hash(b"x"); 3])));
    }
}
