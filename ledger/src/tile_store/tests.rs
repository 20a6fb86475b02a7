//! The public tree against the entries it is made from.

use std::fs;

use dab_proof::tile::{new_bundles, new_tiles};

use super::*;
use crate::disk::LocalDisk;
use crate::testing::sim_disk::SimDisk;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index} {}", "x".repeat((index % 7) as usize)).into_bytes()
}

fn append(store: &mut TileStore, count: u64) {
    let first = store.size().0;
    let entries: Vec<_> = (first..first + count).map(entry).collect();
    store.append(entries.iter().map(Vec::as_slice)).unwrap();
}

/// Compares every file with the tree that the entries make.
fn check(store: &TileStore) {
    let size = store.size();
    let hashes: Vec<Hash> = (0..size.0).map(|index| leaf_hash(&entry(index))).collect();
    let mut frontier = Frontier::new();
    hashes.iter().for_each(|hash| frontier.push(*hash));
    assert_eq!(store.frontier(), &frontier);
    for path in new_bundles(TreeSize(0), size) {
        let entries = tile::read_bundle(&store.files, path).unwrap();
        let first = path.index() * FULL as u64;
        assert_eq!(entries.len(), path.width() as usize);
        assert!(
            entries.iter().zip(first..).all(|(bytes, index)| *bytes == entry(index)),
            "{path}"
        );
    }
    let mut levels = vec![hashes];
    for path in new_tiles(TreeSize(0), size) {
        let level = path.level() as usize;
        if levels.len() == level {
            let below = levels[level - 1].chunks_exact(FULL).map(|chunk| {
                let mut tree = Frontier::new();
                chunk.iter().for_each(|hash| tree.push(*hash));
                tree.root()
            });
            levels.push(below.collect());
        }
        let first = path.index() as usize * FULL;
        let expected = &levels[level][first..first + path.width() as usize];
        assert_eq!(tile::read_tile(&store.files, path).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_tree_of_70000_leaves_has_the_tiles_of_the_specification() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(Arc::new(LocalDisk), dir.path(), Frontier::new()).unwrap();
    let steps = [1, 254, 1, 1, 256, 255, 512, 3, 200];
    for step in steps.iter().cycle() {
        let left = 70_000 - store.size().0;
        append(&mut store, left.min(*step));
        if store.size().0 == 70_000 {
            break;
        }
    }
    check(&store);
    for (name, bytes) in [
        ("0/272", 8192),
        ("0/273.p/112", 3584),
        ("1/000", 8192),
        ("1/001.p/17", 544),
        ("2/000.p/1", 32),
    ] {
        let path = dir.path().join("tile").join(name);
        assert_eq!(fs::metadata(&path).unwrap().len(), bytes, "{name}");
    }
    store.sync().unwrap();
    let reopened = TileStore::open(Arc::new(LocalDisk), dir.path(), store.frontier().clone()).unwrap();
    assert_eq!(reopened.root(), store.root());
    check(&reopened);
    for size in [0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 69_999, 70_000] {
        let mut frontier = Frontier::new();
        (0..size).for_each(|index| frontier.push(leaf_hash(&entry(index))));
        assert_eq!(store.root_at(TreeSize(size)).unwrap(), frontier.root(), "size {size}");
    }
}

/// Removes what may go when the checkpoint of this size is out.
fn tidy(store: &mut TileStore) {
    store.tidy(std::iter::once(store.size())).unwrap();
}

/// A flush whose state became durable.
fn flush(store: &mut TileStore) {
    store.sync().unwrap();
    store.restarts_here();
    tidy(store);
}

/// The widths that lie in a folder of partial files.
fn widths(dir: &Path, name: &str) -> Vec<u16> {
    let found = fs::read_dir(dir.join("tile").join(name)).into_iter().flatten();
    let width = |file: fs::DirEntry| file.file_name().into_string().unwrap().parse().unwrap();
    let mut widths: Vec<u16> = found.map(|file| width(file.unwrap())).collect();
    widths.sort_unstable();
    widths
}

#[test]
fn appending_one_by_one_keeps_the_files_of_the_last_sizes_and_answers_for_every_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(Arc::new(LocalDisk), dir.path(), Frontier::new()).unwrap();
    for size in 1..=520_u64 {
        append(&mut store, 1);
        if size % 100 == 0 {
            flush(&mut store);
        }
        tidy(&mut store);
        // of these sizes a web server that knows nothing of tiles has every file
        for recent in size.saturating_sub(SIZES_KEPT as u64 - 1)..=size {
            let tiles = new_tiles(TreeSize(0), TreeSize(recent)).map(|path| path.to_string());
            let bundles = new_bundles(TreeSize(0), TreeSize(recent)).map(|path| path.to_string());
            for path in tiles.chain(bundles) {
                assert!(store.files.path(&path).is_file(), "{path} at size {size}");
            }
        }
        for folder in ["0/000.p", "entries/000.p", "0/001.p", "entries/001.p", "1/000.p"] {
            let found = widths(dir.path(), folder);
            assert!(found.len() <= SIZES_KEPT + 1, "{folder} at size {size}: {found:?}");
        }
    }
    check(&store);
    for size in 1..=520 {
        let hash = |index| leaf_hash(&entry(index));
        let last = size - 1 - (size - 1) % FULL as u64;
        let hashes: Vec<_> = (last..size).map(hash).collect();
        let path = TilePath::holding(0, size - 1, TreeSize(size)).unwrap();
        let bytes = store.files.read(&path.to_string()).unwrap();
        assert_eq!(bytes, Some(tile::encode_tile(&hashes)), "{path}");
        let entries: Vec<_> = (last..size).map(entry).collect();
        let path = BundlePath::holding(LeafIndex(size - 1), TreeSize(size)).unwrap();
        let bytes = store.files.read(&path.to_string()).unwrap();
        assert_eq!(bytes, Some(tile::encode_bundle(&entries).unwrap()), "{path}");
    }
    assert_eq!(store.files.read("tile/0/002.p/9").unwrap(), None);
}

#[test]
fn opening_at_an_earlier_size_and_appending_again_comes_to_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(Arc::new(LocalDisk), dir.path(), Frontier::new()).unwrap();
    append(&mut store, 250);
    let earlier = store.frontier().clone();
    flush(&mut store);
    for more in [1, 4, 1].into_iter().chain([30; 10]) {
        append(&mut store, more);
        tidy(&mut store);
    }
    // the full tile is not durable yet, so the edge of the durable state stays
    assert_eq!(widths(dir.path(), "0/000.p"), [250]);
    assert_eq!(widths(dir.path(), "entries/000.p"), [250]);
    let expected = store.root();
    // a power cut empties what was not synced
    let emptied = [
        "0/000",
        "0/001",
        "0/002.p/44",
        "entries/000",
        "entries/001",
        "1/000.p/1",
        "1/000.p/2",
    ];
    for name in emptied {
        fs::write(dir.path().join("tile").join(name), b"").unwrap();
    }
    let mut replayed = TileStore::open(Arc::new(LocalDisk), dir.path(), earlier.clone()).unwrap();
    append(&mut replayed, 306);
    assert_eq!(replayed.root(), expected);
    check(&replayed);
    // a crash inside a flush: the tiles are durable, the state is still the earlier one
    replayed.sync().unwrap();
    tidy(&mut replayed);
    let mut replayed = TileStore::open(Arc::new(LocalDisk), dir.path(), earlier).unwrap();
    assert_eq!(widths(dir.path(), "0/000.p"), [250]);
    append(&mut replayed, 306);
    assert_eq!(replayed.root(), expected);
    flush(&mut replayed);
    check(&replayed);
    for (folder, left) in [
        ("0/000.p", None),
        ("0/001.p", None),
        ("0/002.p", Some(44)),
        ("1/000.p", Some(2)),
    ] {
        assert_eq!(widths(dir.path(), folder), Vec::from_iter(left), "{folder}");
        assert_eq!(
            dir.path().join("tile").join(folder).is_dir(),
            left.is_some(),
            "{folder}"
        );
    }
}

#[test]
fn what_a_crash_left_is_removed_at_the_next_opening_and_a_public_checkpoint_keeps_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(Arc::new(LocalDisk), dir.path(), Frontier::new()).unwrap();
    let mut durable = Frontier::new();
    for size in 1..=300 {
        append(&mut store, 1);
        if size == 280 {
            store.sync().unwrap();
            durable = store.frontier().clone();
        }
    }
    fs::write(dir.path().join("tile/0/001.p/note"), b"not the ledger's").unwrap();
    // the state is of size 280, the checkpoint of size 300, and nothing was tidied
    let mut store = TileStore::open(Arc::new(LocalDisk), dir.path(), durable).unwrap();
    store.tidy(std::iter::once(TreeSize(300))).unwrap();
    fs::remove_file(dir.path().join("tile/0/001.p/note")).unwrap();
    assert_eq!(widths(dir.path(), "0/000.p"), [0; 0]);
    assert_eq!(widths(dir.path(), "0/001.p"), [24, 44]);
    assert_eq!(widths(dir.path(), "entries/001.p"), [24, 44]);
    append(&mut store, 20);
    check(&store);
}

/// A flush at seven leaves, five of them certified: only the files of seven were synced, and a power cut emptied those of
/// five. No replay grows the tree to five again, so whoever checked the public checkpoint found a tile of 0 bytes.
#[test]
fn narrower_files_that_a_power_cut_emptied_are_written_again_at_the_next_opening() {
    let disk = SimDisk::default();
    let mut store = TileStore::open(Arc::new(disk.clone()), Path::new("public"), Frontier::new()).unwrap();
    append(&mut store, 5);
    append(&mut store, 2);
    flush(&mut store);
    disk.crash(&mut |_| 0);
    let store = TileStore::open(Arc::new(disk), Path::new("public"), store.frontier().clone()).unwrap();
    let hashes: Vec<Hash> = (0..5).map(|index| leaf_hash(&entry(index))).collect();
    let entries: Vec<Vec<u8>> = (0..5).map(entry).collect();
    assert_eq!(
        tile::read_tile(&store.files, TilePath::new(0, 0, 5).unwrap()).unwrap(),
        hashes
    );
    assert_eq!(
        tile::read_bundle(&store.files, BundlePath::new(0, 5).unwrap()).unwrap(),
        entries
    );
}
