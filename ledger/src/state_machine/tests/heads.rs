//! Heads leaves: which the ledger takes, and what the map has.

use dab_proof::head_map::{MapKey, MemoryMap};
use dab_proof::heads_leaf::{HeadsBody, MAP_WINDOW_LEAVES};
use dab_proof::tree::TreeSize;

use super::*;
use crate::state_machine::heads::map_entry;

impl World {
    /// What a heads leaf has to say of the first `size` leaves.
    fn heads_body(&self, size: u64) -> HeadsBody {
        let HeadMap { root, subjects } = self.maps[size as usize];
        HeadsBody {
            origin: ORIGIN.to_owned(),
            size: TreeSize(size),
            subjects,
            root,
        }
    }

    /// The next heads leaf, saying `body`.
    fn heads(&self, body: &HeadsBody) -> Statement {
        let head = self.heads.get("heads");
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        heads_statement(&self.writer, sequence, parent, body)
    }

    fn propose_heads(&mut self, body: &HeadsBody) -> Verdict {
        let heads = self.heads(body);
        self.propose_one(vec![heads])
    }

    /// Appends the next leaf of a table.
    fn grow(&mut self, table: u64) {
        let subject = format!("table/{table}");
        let head = self.heads.get(&subject);
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        accepted(self.propose_one(vec![self.statement(&subject, sequence, parent, "x")]));
    }
}

#[test]
fn the_map_is_that_of_the_heads_without_the_heads_leaves_themselves() {
    let mut world = World::new();
    for at in 0..60 {
        world.grow(at * at % 23);
        if at % 7 == 3 {
            let body = world.heads_body(world.size);
            assert_eq!(accepted(world.propose_heads(&body)), [world.size - 1]);
        }
        let mut naive = MemoryMap::default();
        for (subject, head) in world.heads.iter().filter(|(subject, _)| *subject != "heads") {
            naive.set(map_entry(&subject.parse().unwrap(), head)).unwrap();
        }
        assert_eq!(world.maps[world.size as usize], naive.map);
        assert_eq!(world.maps.len() as u64, world.size + 1);
    }
    assert_eq!(world.covers.len(), 9);
    let last = world.covers.last().unwrap();
    assert_eq!((last.size.0, last.leaf_index.0), (68, 68));
    // every state that a heads leaf covers can be read, also those that are long past
    for cover in &world.covers {
        let key = MapKey::of(&"table/1".parse().unwrap());
        assert_eq!(
            cover.map.find(&world, &key).unwrap().root(&key).unwrap(),
            cover.map.root
        );
    }
}

#[test]
fn a_heads_leaf_that_binds_anything_but_the_ledgers_own_map_is_refused() {
    let mut world = World::new();
    (0..9).for_each(|table| world.grow(table));
    let right = world.heads_body(9);
    let before = HeadsBody {
        size: TreeSize(9),
        ..world.heads_body(8)
    };
    for (wrong, expected) in [
        (before, "whose root is"),
        (
            HeadsBody {
                subjects: 8,
                ..right.clone()
            },
            "whose root is",
        ),
        (
            HeadsBody {
                root: dab_proof::hash::leaf_hash(b"x"),
                ..right.clone()
            },
            "whose root is",
        ),
        (
            HeadsBody {
                size: TreeSize(10),
                ..right.clone()
            },
            "it covers 10 leaves of 9",
        ),
        (
            HeadsBody {
                size: TreeSize(1 << 62),
                ..right.clone()
            },
            "leaves of 9",
        ),
        (
            HeadsBody {
                origin: "dab/other".to_owned(),
                ..right.clone()
            },
            "its origin is dab/other",
        ),
    ] {
        let reason = refused(world.propose_heads(&wrong));
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
    // of a form that is none of a heads leaf's
    let without_body = Statement {
        body: None,
        ..world.heads(&right)
    };
    let another_operation = private_statement(ORIGIN, &world.writer, "heads", 0, None, &right.text());
    let another_text = private_statement(ORIGIN, &world.writer, "heads", 0, None, "anything");
    for wrong in [without_body, another_operation, another_text] {
        let reason = refused(world.propose_one(vec![wrong]));
        assert!(reason.contains("heads leaf"), "{reason}");
    }
    let other = world.statement("table/20", 0, None, "x");
    let reason = refused(world.propose_one(vec![world.heads(&right), other]));
    assert!(reason.contains("proposed alone"), "{reason}");
    assert_eq!((world.size, world.covers.len()), (9, 0));
    assert_eq!(accepted(world.propose_heads(&right)), [9]);
}

#[test]
fn a_heads_leaf_may_be_late_but_not_too_late_and_never_goes_back() {
    let mut world = World::new();
    world.grow(0);
    let early = world.heads_body(1);
    (1..MAP_WINDOW_LEAVES).for_each(|_| world.grow(1));
    let in_time = world.heads(&early);
    assert_eq!(accepted(world.propose_one(vec![in_time.clone()])), [MAP_WINDOW_LEAVES]);
    // a retry is answered with the leaf that stands there, however old
    (0..2 * MAP_WINDOW_LEAVES).for_each(|_| world.grow(2));
    assert_eq!(accepted(world.propose_one(vec![in_time])), [MAP_WINDOW_LEAVES]);
    let size = world.size;
    for (body, expected) in [
        (early, "the heads leaf before it 1"),
        (
            world.heads_body(size - MAP_WINDOW_LEAVES),
            "fewer than 1024 may lie behind",
        ),
    ] {
        let reason = refused(world.propose_heads(&body));
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
    let oldest = world.heads_body(size + 1 - MAP_WINDOW_LEAVES);
    assert_eq!(accepted(world.propose_heads(&oldest)), [size]);
    let reason = refused(world.propose_heads(&oldest));
    assert!(reason.contains("the heads leaf before it"), "{reason}");
}

#[test]
fn of_two_heads_leaves_at_once_one_is_taken_and_leaves_of_one_entry_are_seen() {
    let mut world = World::new();
    world.grow(0);
    let (size, first) = (world.size, world.statement("table/7", 0, None, "x"));
    // what the entry's own leaf makes of the map can be bound within the entry
    let mut ahead = World::new();
    ahead.grow(0);
    accepted(ahead.propose_one(vec![first.clone()]));
    let (now, after) = (
        world.heads(&world.heads_body(size)),
        world.heads(&ahead.heads_body(size + 1)),
    );
    let verdicts = world.propose(vec![vec![first], vec![after.clone()], vec![now], vec![after]]);
    let mut verdicts = verdicts.into_iter();
    assert_eq!(accepted(verdicts.next().unwrap()), [1]);
    assert_eq!(accepted(verdicts.next().unwrap()), [2]);
    assert_eq!(conflict(verdicts.next().unwrap()), ("heads".to_owned(), Some(0)));
    assert_eq!(accepted(verdicts.next().unwrap()), [2]);
    assert_eq!(world.covers.len(), 1);
}
