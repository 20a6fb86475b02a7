//! The ledger's public files and their names.

use dab_ledger::testing::decoders;
use dab_proof::commit_file::{CommitFile, check_path, storage_path};
use dab_proof::source::limit_of;
use dab_proof::tile::{
    BundlePath, HASHES_PER_TILE, TilePath, cut_bundle, cut_tile, decode_bundle, decode_tile, encode_bundle, encode_tile,
};

use crate::laws::one_spelling;
use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "tile_path",
        decode: tile_path,
        bound: Bound::SMALL,
    },
    Target {
        name: "tile",
        decode: tile,
        bound: Bound::SMALL,
    },
    Target {
        name: "entry_bundle",
        decode: entry_bundle,
        bound: Bound::SMALL,
    },
    Target {
        name: "commit_file",
        decode: commit_file,
        // a line is held as a tree of JSON values
        bound: Bound {
            base: 16 << 10,
            per_byte: 128,
        },
    },
];

fn tile_path(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let tile = one_spelling(bytes, text.parse::<TilePath>().ok().map(|path| path.to_string()));
    let bundle = one_spelling(bytes, text.parse::<BundlePath>().ok().map(|path| path.to_string()));
    assert!(!(tile && bundle), "a name of two files");
    let public = decoders::public_path(text);
    assert_eq!(public.is_some(), tile || bundle || text == "checkpoint");
    assert!(limit_of(text) > 0);
    one_spelling(bytes, public)
}

/// The first byte is the width, less one.
fn tile(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = width_of(bytes) else {
        return false;
    };
    let Ok(hashes) = decode_tile(bytes, width) else {
        let _ = cut_tile(bytes, width);
        return false;
    };
    one_spelling(bytes, Some(encode_tile(&hashes)));
    let narrower = cut_tile(bytes, width / 2 + 1).expect("a narrower tile");
    assert_eq!(
        decode_tile(narrower, width / 2 + 1).as_deref(),
        Ok(&hashes[..usize::from(width) / 2 + 1])
    );
    true
}

/// The first byte is the width, less one.
fn entry_bundle(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = width_of(bytes) else {
        return false;
    };
    let cut = cut_bundle(bytes, width);
    let Ok(entries) = decode_bundle(bytes, width) else {
        return false;
    };
    assert_eq!(cut, Ok(bytes), "all of it is more than all of it");
    one_spelling(bytes, encode_bundle(&entries).ok());
    let narrower = cut_bundle(bytes, width / 2 + 1).expect("a narrower bundle");
    assert_eq!(
        decode_bundle(narrower, width / 2 + 1).as_deref(),
        Ok(&entries[..usize::from(width) / 2 + 1])
    );
    true
}

fn width_of(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (width, rest) = bytes.split_first()?;
    let width = u16::from(*width) + 1;
    assert!(width <= HASHES_PER_TILE);
    Some((width, rest))
}

fn commit_file(bytes: &[u8]) -> bool {
    if let Ok(path) = std::str::from_utf8(bytes)
        && check_path(path).is_ok()
    {
        stays_below_the_table(path);
    }
    let Ok(commit) = CommitFile::parse(bytes) else {
        return false;
    };
    let _ = commit.files_root();
    commit.adds.iter().for_each(|add| stays_below_the_table(&add.path));
    true
}

fn stays_below_the_table(path: &str) {
    let stored = storage_path(path).expect("a path that was accepted");
    let inside = |segment: &str| !matches!(segment, "" | "." | "..");
    assert!(stored.split('/').all(inside), "{path:?} leads to {stored:?}");
}
