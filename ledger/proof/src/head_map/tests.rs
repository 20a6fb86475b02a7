//! The map against one made in the plainest way, and paths that were tampered with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;

fn entry(subject: u32, sequence: u64) -> MapEntry {
    MapEntry {
        key: key(subject),
        sequence,
        leaf_index: LeafIndex(sequence * 1000 + u64::from(subject)),
        leaf_hash: leaf_hash(format!("{subject} {sequence}").as_bytes()),
    }
}

fn key(subject: u32) -> MapKey {
    MapKey::of(&format!("table/{subject}").parse().unwrap())
}

fn map_of(entries: impl IntoIterator<Item = MapEntry>) -> MemoryMap {
    let mut map = MemoryMap::default();
    entries.into_iter().for_each(|entry| map.set(entry).unwrap());
    map
}

/// Root by the definition: sort by key, part where the first and the last differ first, hash.
fn naive_root(entries: &[MapEntry]) -> Hash {
    let bits = |entry: &MapEntry| -> Vec<bool> {
        let byte = |byte: &u8| (0..8).rev().map(|bit| byte >> bit & 1 == 1).collect::<Vec<_>>();
        entry.key.0.as_bytes().iter().flat_map(byte).collect()
    };
    match entries {
        [] => Hash::from_bytes(Sha256::digest([4]).into()),
        [entry] => Hash::from_bytes(
            Sha256::new()
                .chain_update([2])
                .chain_update(entry.key.0.as_bytes())
                .chain_update(entry.sequence.to_be_bytes())
                .chain_update(entry.leaf_index.0.to_be_bytes())
                .chain_update(entry.leaf_hash.as_bytes())
                .finalize()
                .into(),
        ),
        [first, .., last] => {
            let bit = (0..256).find(|bit| bits(first)[*bit] != bits(last)[*bit]).unwrap();
            let middle = entries.partition_point(|entry| !bits(entry)[bit]);
            let (left, right) = (naive_root(&entries[..middle]), naive_root(&entries[middle..]));
            Hash::from_bytes(
                Sha256::new()
                    .chain_update([3, bit as u8])
                    .chain_update(left.as_bytes())
                    .chain_update(right.as_bytes())
                    .finalize()
                    .into(),
            )
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: the root is that of the last entries, each is proved, and so is each absence.
    #[test]
    fn map_is_that_of_its_definition(heads in prop::collection::vec((0..40u32, 0..5u64), 0..80)) {
        let mut map = MemoryMap::default();
        let mut last = BTreeMap::new();
        for (subject, sequence) in heads {
            map.set(entry(subject, sequence)).unwrap();
            last.insert(key(subject), entry(subject, sequence));
        }
        let sorted: Vec<_> = last.values().copied().collect();
        prop_assert_eq!(map.map.root, naive_root(&sorted));
        prop_assert_eq!(map.map.subjects, sorted.len() as u64);
        // nothing is left behind
        prop_assert_eq!(map.node_count(), (2 * sorted.len()).saturating_sub(1));
        prop_assert_eq!(map_of(sorted.iter().rev().copied()).map, map.map);
        for subject in 0..60 {
            let (key, path) = (key(subject), map.map.find(&map, &key(subject)).unwrap());
            prop_assert_eq!(path.entry_of(&key), last.get(&key));
            prop_assert_eq!(path.root(&key).unwrap(), map.map.root);
        }
    }

    /// A change names exactly the nodes by which two states differ.
    #[test]
    fn earlier_states_stay_readable_while_their_nodes_are_kept(heads in prop::collection::vec((0..20u32, 0..5u64), 1..40)) {
        let (mut map, mut nodes, mut states) = (HeadMap::default(), MemoryMap::default(), Vec::new());
        for (subject, sequence) in heads {
            let before = nodes.clone();
            nodes.set(entry(subject, sequence)).unwrap();
            let change = map.set(&before, entry(subject, sequence)).unwrap();
            for (hash, bytes) in &change.made {
                prop_assert_eq!(&MapNode::from_bytes(bytes).unwrap().hash(), hash);
                prop_assert!(nodes.node(hash).unwrap().is_some() && before.node(hash).unwrap().is_none());
            }
            for hash in &change.gone {
                prop_assert!(nodes.node(hash).unwrap().is_none() && before.node(hash).unwrap().is_some());
            }
            let count = before.node_count() + change.made.len() - change.gone.len();
            prop_assert_eq!(count, nodes.node_count());
            map = change.map;
            prop_assert_eq!(map, nodes.map);
            states.push((map, nodes.clone()));
        }
        for (map, nodes) in states {
            for subject in 0..20 {
                prop_assert_eq!(map.find(&nodes, &key(subject)).unwrap().root(&key(subject)).unwrap(), map.root);
            }
        }
    }
}

/// Known answers, which another implementation has to come to as well.
#[test]
fn roots_of_small_maps_are_pinned() {
    assert_eq!(
        empty_map_root().to_hex(),
        "e52d9c508c502347344d8c07ad91cbd6068afc75ff6292f062a09ca381c89e71"
    );
    let roots: Vec<_> = (1..=3)
        .map(|count| map_of((0..count).map(|at| entry(at, 0))).map.root.to_hex())
        .collect();
    assert_eq!(roots, PINNED_ROOTS);
}

const PINNED_ROOTS: [&str; 3] = [
    "35b809da0186c396f019a5f0bacef4bc18a3150733e390abb1310b5f65156627",
    "0316c6457f911ebf688e119fd03b986b66c069232e390bad694f7091229b55a0",
    "8a5cd175dea531ce59200db02a482910243de0998934caa6afe2d3e7b40573ff",
];

#[test]
fn no_tampered_path_leads_to_the_root() {
    let map = map_of((0..50).map(|at| entry(at, 0)));
    for subject in [3, 77] {
        let (key, root) = (key(subject), map.map.root);
        let path = map.map.find(&map, &key).unwrap();
        let refused = |what: &str, path: &MapPath| {
            assert_ne!(path.root(&key).ok(), Some(root), "{what} of subject {subject}");
        };
        let found = path.found.unwrap();
        let tampered = |change: &dyn Fn(&mut MapPath)| {
            let mut other = path.clone();
            change(&mut other);
            other
        };
        refused(
            "another sequence",
            &tampered(&|path| path.found.as_mut().unwrap().sequence += 1),
        );
        refused(
            "another index",
            &tampered(&|path| path.found.as_mut().unwrap().leaf_index.0 += 1),
        );
        refused(
            "another leaf",
            &tampered(&|path| path.found.as_mut().unwrap().leaf_hash = root),
        );
        refused("nothing", &MapPath::default());
        refused("nothing, with steps", &tampered(&|path| path.found = None));
        refused(
            "a step less",
            &tampered(&|path| path.steps.truncate(path.steps.len() - 1)),
        );
        refused("no steps", &tampered(&|path| path.steps.clear()));
        for at in 0..path.steps.len() {
            refused("another bit", &tampered(&|path| path.steps[at].bit ^= 1));
            refused("another sibling", &tampered(&|path| path.steps[at].sibling = root));
            let twice = tampered(&|path| path.steps.insert(at, path.steps[at]));
            assert!(
                matches!(twice.root(&key), Err(Error::ProofRejected { .. })),
                "a step twice"
            );
            refused("a step left out", &tampered(&|path| _ = path.steps.remove(at)));
            let next = (at + 1) % path.steps.len();
            refused("a wrong order", &tampered(&|path| path.steps.swap(at, next)));
        }
        // the right path of a neighbour, for this key: a lie, whether it says "this is yours" or "you have none"
        for other in (0..50).filter(|other| entry(*other, 0).key != found.key) {
            let theirs = map.map.find(&map, &entry(other, 0).key).unwrap();
            refused("the path of another", &theirs);
            let claimed = MapEntry {
                key,
                ..theirs.found.unwrap()
            };
            refused(
                "the entry of another",
                &MapPath {
                    found: Some(claimed),
                    ..theirs
                },
            );
        }
    }
}

#[test]
fn nodes_that_are_not_those_of_the_map_are_refused() {
    struct Nodes(BTreeMap<Hash, Vec<u8>>);
    impl HeadNodes for Nodes {
        type Error = Error;
        fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.0.get(hash).cloned())
        }
    }
    let map = map_of((0..9).map(|at| entry(at, 0)));
    let (state, root) = (map.map, map.map.root);
    let mut nodes = Nodes(map.into_nodes().collect());
    let bytes = nodes.0.remove(&root).unwrap();
    assert!(matches!(state.find(&nodes, &key(1)), Err(Error::Missing { .. })));
    let mut rotten = bytes.clone();
    rotten[40] ^= 1;
    nodes.0.insert(root, rotten);
    assert!(matches!(state.find(&nodes, &key(1)), Err(Error::Malformed { .. })));
    assert!(MapNode::from_bytes(&bytes[1..]).is_err() && MapNode::from_bytes(b"").is_err());
    // bits have to grow downwards, or a walk might not end
    let fork = |below| MapNode::Fork {
        bit: 3,
        left: below,
        right: below,
    };
    let (lower, upper) = (fork(root), fork(fork(root).hash()));
    nodes
        .0
        .extend([lower, upper].map(|node| (node.hash(), node.to_bytes())));
    let map = HeadMap {
        root: upper.hash(),
        subjects: 9,
    };
    assert!(matches!(map.find(&nodes, &key(1)), Err(Error::Malformed { .. })));
}
