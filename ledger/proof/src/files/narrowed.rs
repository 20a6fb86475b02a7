//! Partial tiles and bundles that are gone, cut from wider ones of the same place.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{DirSource, unavailable};
use crate::error::Error;
use crate::text;
use crate::tile::{BundlePath, HASHES_PER_TILE, TilePath, cut_bundle, cut_tile};

/// How often a wider file is looked for: a node that grows may remove it between the look and the reading.
const LOOKS_MAX: u32 = 8;

impl DirSource {
    /// The beginning of the widest file that stands where `path` stood; none when there is no wider one, or when `path`
    /// names neither a partial tile nor a partial bundle.
    pub(super) fn read_narrowed(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let (cut, width): (fn(&[u8], u16) -> Result<&[u8], Error>, u16) =
            match (path.parse::<TilePath>(), path.parse::<BundlePath>()) {
                (Ok(tile), _) => (cut_tile, tile.width()),
                (_, Ok(bundle)) => (cut_bundle, bundle.width()),
                _ => return Ok(None),
            };
        // only the path of a partial file has a width in its name
        let Some((full, _)) = path.split_once(".p/") else {
            return Ok(None);
        };
        for _ in 0..LOOKS_MAX {
            let widest = widest_in(&self.path(&format!("{full}.p")))?.filter(|widest| *widest >= width);
            let wider = widest.map_or_else(|| full.to_owned(), |widest| format!("{full}.p/{widest}"));
            match self.read_stored(&wider)? {
                Some(bytes) => return Ok(Some(cut(&bytes, width)?.to_vec())),
                None if widest.is_none() => return Ok(None),
                None => {}
            }
        }
        Ok(None)
    }
}

/// The largest width in a folder of partial files.
fn widest_in(folder: &Path) -> Result<Option<u16>, Error> {
    let found = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        found => found.map_err(|error| unavailable(folder, &error))?,
    };
    let mut widest = None;
    for file in found {
        let name = file.map_err(|error| unavailable(folder, &error))?.file_name();
        let width = name.to_str().and_then(text::decimal);
        let width = width.filter(|width| (1..u64::from(HASHES_PER_TILE)).contains(width));
        widest = widest.max(width.map(|width| width as u16));
    }
    Ok(widest)
}
