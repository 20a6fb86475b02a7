//! The public tree against the entries it is made from.

use dab_proof::tile::{new_bundles, new_tiles};

use super::*;

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
    let mut store = TileStore::open(dir.path(), Frontier::new()).unwrap();
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
    let reopened = TileStore::open(dir.path(), store.frontier().clone()).unwrap();
    assert_eq!(reopened.root(), store.root());
    check(&reopened);
    for size in [0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 69_999, 70_000] {
        let mut frontier = Frontier::new();
        (0..size).for_each(|index| frontier.push(leaf_hash(&entry(index))));
        assert_eq!(store.root_at(TreeSize(size)).unwrap(), frontier.root(), "size {size}");
    }
}

#[test]
fn appending_one_by_one_leaves_a_partial_tile_for_every_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(dir.path(), Frontier::new()).unwrap();
    for size in 1..=520 {
        append(&mut store, 1);
        if size % 100 == 0 {
            store.sync().unwrap();
        }
        store.tidy().unwrap();
        for path in new_tiles(TreeSize(0), TreeSize(size)) {
            assert!(
                store.files.read(&path.to_string()).unwrap().is_some(),
                "{path} at size {size}"
            );
        }
        for path in new_bundles(TreeSize(0), TreeSize(size)) {
            assert!(
                store.files.read(&path.to_string()).unwrap().is_some(),
                "{path} at size {size}"
            );
        }
    }
    check(&store);
}

#[test]
fn opening_at_an_earlier_size_and_appending_again_comes_to_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(dir.path(), Frontier::new()).unwrap();
    append(&mut store, 250);
    let earlier = store.frontier().clone();
    store.sync().unwrap();
    let partials = |name: &str| fs::read_dir(dir.path().join("tile").join(name)).map_or(0, Iterator::count);
    for more in [1, 4, 1, 300] {
        append(&mut store, more);
        store.tidy().unwrap();
    }
    // the full tile is not durable yet, so the edge of the durable state stays
    assert_eq!(
        (partials("0/000.p"), partials("entries/000.p"), partials("0/001.p")),
        (1, 1, 0)
    );
    let expected = store.root();
    // a power cut empties what was not synced
    for name in ["0/000", "0/001", "entries/000", "entries/001", "1/000.p/1", "1/000.p/2"] {
        fs::write(dir.path().join("tile").join(name), b"").unwrap();
    }
    let mut replayed = TileStore::open(dir.path(), earlier.clone()).unwrap();
    append(&mut replayed, 306);
    assert_eq!(replayed.root(), expected);
    check(&replayed);
    replayed.sync().unwrap();
    assert_eq!(
        (partials("0/000.p"), partials("entries/000.p"), partials("0/002.p")),
        (0, 0, 1)
    );
    // a crash inside a flush: the tiles are durable, the state is still the earlier one
    let mut replayed = TileStore::open(dir.path(), earlier).unwrap();
    append(&mut replayed, 306);
    assert_eq!(replayed.root(), expected);
    check(&replayed);
}
