//! The head map along the walk: what each heads leaf has to bind, derived from the leaves before it.

use std::collections::VecDeque;

use super::walk::Entry;
use crate::head_map::{HeadMap, MapEntry, MapKey, MemoryMap};
use crate::heads_leaf::{HeadsBody, MAP_WINDOW_LEAVES};
use crate::leaf::SignedLeaf;
use crate::report::{Finding, Report, count};
use crate::tree::TreeSize;

/// The map of the leaves so far, and of the last sizes before: a heads leaf may bind any of them.
pub(super) struct HeadMaps {
    map: MemoryMap,
    /// The maps of the last sizes, the newest last.
    recent: VecDeque<HeadMap>,
    /// Leaves that the last heads leaf covers.
    covered: Option<u64>,
    right: u64,
    /// A heads leaf was wrong; those behind it are not held against the map, since looking for what they bind takes long.
    wrong: bool,
}

impl HeadMaps {
    pub(super) fn new() -> HeadMaps {
        HeadMaps {
            map: MemoryMap::default(),
            recent: VecDeque::from([HeadMap::default()]),
            covered: None,
            right: 0,
            wrong: false,
        }
    }

    /// Takes the next entry; `leaf` is none where it is no leaf at all.
    pub(super) fn follow(&mut self, report: &mut Report, entry: &Entry<'_>, leaf: Option<&SignedLeaf>) {
        if let Some(leaf) = leaf {
            if !leaf.leaf().subject.is_heads() {
                self.set(entry, leaf);
            } else if !self.wrong {
                self.compare(report, entry, leaf);
            }
        }
        self.recent.push_back(self.map.map);
        if self.recent.len() as u64 > MAP_WINDOW_LEAVES {
            self.recent.pop_front();
        }
    }

    /// Notes what was compared.
    pub(super) fn finish(&self, report: &mut Report) {
        if self.wrong {
            report.leave_out("heads leaves behind the first wrong one");
        } else if self.right > 0 {
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
        let sizes = (0..=entry.index.0).rev().zip(self.recent.iter().rev());
        let covers = |(size, map): &(u64, &HeadMap)| {
            let body = HeadsBody {
                origin: leaf.leaf().origin.clone(),
                size: TreeSize(*size),
                subjects: map.subjects,
                root: map.root,
            };
            body.check(leaf.leaf()).is_ok()
        };
        let mut newer = sizes.take_while(|(size, _)| self.covered.is_none_or(|covered| *size > covered));
        match newer.find(covers) {
            Some((size, _)) => {
                self.covered = Some(size);
                self.right += 1;
            }
            None => {
                let message = "it binds no head map of the leaves before it";
                report.fail(Finding::new(message).leaf(entry.index.0));
                self.wrong = true;
            }
        }
    }
}
