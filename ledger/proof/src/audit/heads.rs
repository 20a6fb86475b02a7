//! The head map along the walk: what each heads leaf has to bind, derived from the leaves before it.

use std::collections::VecDeque;

use super::walk::Entry;
use crate::head_map::{HeadMap, MapEntry, MapKey, MemoryMap};
use crate::heads_leaf::{HeadsBody, MAP_WINDOW_LEAVES};
use crate::leaf::{BodyDigest, Leaf, SignedLeaf};
use crate::report::{Finding, Report, count};
use crate::tree::TreeSize;

/// The map of the leaves so far, and of the last sizes before: a heads leaf may bind any of them.
pub(super) struct HeadMaps {
    origin: String,
    map: MemoryMap,
    /// What a heads leaf may say of the last sizes, the newest last.
    recent: VecDeque<Bindable>,
    /// Leaves that the last heads leaf covers.
    covered: Option<u64>,
    right: u64,
}

/// What a heads leaf may say. Its digests are computed when they are asked for and then kept: a ledger full of heads leaves
/// that bind old sizes, or nothing, costs one computation a size and not one for each leaf and size.
struct Bindable {
    body: HeadsBody,
    digest: Option<BodyDigest>,
}

impl Bindable {
    fn new(origin: &str, size: u64, map: HeadMap) -> Bindable {
        let body = HeadsBody {
            origin: origin.to_owned(),
            size: TreeSize(size),
            subjects: map.subjects,
            root: map.root,
        };
        Bindable { body, digest: None }
    }

    fn is_bound_by(&mut self, leaf: &Leaf) -> bool {
        let digest = self
            .digest
            .get_or_insert_with(|| BodyDigest::of(self.body.text().as_bytes()));
        self.body.check_with(leaf, digest).is_ok()
    }
}

impl HeadMaps {
    pub(super) fn new(origin: &str) -> HeadMaps {
        HeadMaps {
            origin: origin.to_owned(),
            map: MemoryMap::default(),
            recent: VecDeque::from([Bindable::new(origin, 0, HeadMap::default())]),
            covered: None,
            right: 0,
        }
    }

    /// Takes the next entry; `leaf` is none where it is no leaf at all.
    pub(super) fn follow(&mut self, report: &mut Report, entry: &Entry<'_>, leaf: Option<&SignedLeaf>) {
        if let Some(leaf) = leaf {
            if !leaf.leaf().subject.is_heads() {
                self.set(entry, leaf);
            } else {
                self.compare(report, entry, leaf);
            }
        }
        let size = entry.index.0 + 1;
        self.recent.push_back(Bindable::new(&self.origin, size, self.map.map));
        if self.recent.len() as u64 > MAP_WINDOW_LEAVES {
            self.recent.pop_front();
        }
    }

    /// Notes what was compared.
    pub(super) fn finish(&self, report: &mut Report) {
        if self.right > 0 {
            report.check(format!(
                "the head map in {}, derived from the leaves before it",
                count(self.right, ["heads leaf", "heads leaves"])
            ));
        }
    }

    fn set(&mut self, entry: &Entry<'_>, leaf: &SignedLeaf) {
        let entry = MapEntry {
            key: MapKey::of(&leaf.leaf().subject),
            sequence: leaf.leaf().sequence,
            leaf_index: entry.index,
            leaf_hash: entry.hash,
        };
        self.map.set(entry).expect("a map has the nodes that it made");
    }

    /// The leaf has digests only: which size they speak about is found by trying, the likeliest first.
    fn compare(&mut self, report: &mut Report, entry: &Entry<'_>, leaf: &SignedLeaf) {
        let covered = self.covered;
        let newest_first = self.recent.iter_mut().rev();
        let mut newer = newest_first.take_while(|one| covered.is_none_or(|covered| one.body.size.0 > covered));
        match newer.find_map(|one| one.is_bound_by(leaf.leaf()).then_some(one.body.size)) {
            Some(size) => {
                self.covered = Some(size.0);
                self.right += 1;
            }
            None => {
                let message = "it binds no head map of the leaves before it";
                report.fail(Finding::new(message).leaf(entry.index.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::leaf::Subject;
    use crate::testing::TinyLedger;
    use crate::tile::{BundlePath, read_bundle};
    use crate::tree::{Frontier, LeafIndex};

    /// Each of them made the audit compute the digests of the thousand sizes that it might bind.
    #[test]
    fn heads_leaves_that_bind_nothing_cost_one_digest_a_size_and_are_all_told() {
        let mut ledger = TinyLedger::new();
        let leaves = 100;
        for at in 0..leaves {
            let subject = if at % 2 == 0 {
                Subject::heads()
            } else {
                Subject::catalog()
            };
            ledger.append(&subject, format!("{at}").as_bytes(), None, "HEADS");
        }
        let (mut maps, mut report) = (HeadMaps::new(crate::testing::ORIGIN), Report::new("ledger"));
        let tree = Frontier::new();
        let path = BundlePath::holding(LeafIndex(0), ledger.size()).unwrap();
        let entries = read_bundle(&ledger.public(), path).unwrap();
        for (index, bytes) in (0..).zip(&entries) {
            let entry = Entry {
                index: LeafIndex(index),
                bytes,
                hash: leaf_hash(bytes),
                tree: &tree,
            };
            let leaf = SignedLeaf::from_bytes(bytes).unwrap();
            let digested = |maps: &HeadMaps| maps.recent.iter().filter(|one| one.digest.is_some()).count();
            let before = digested(&maps);
            maps.follow(&mut report, &entry, Some(&leaf));
            assert!(
                digested(&maps) - before <= 2,
                "those of the sizes since the heads leaf before"
            );
        }
        assert_eq!(report.failures.len(), leaves / 2);
    }
}
