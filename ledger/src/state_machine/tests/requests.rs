//! Requests that come again.

use super::*;
use crate::notary::{Once, REQUEST_WINDOW_LEAVES};

const STATEMENT: [u8; 32] = [7; 32];

fn once(request: u8) -> Once {
    Once {
        request: [request; 32],
        statement: STATEMENT,
    }
}

fn carrying_out(statements: Vec<Statement>, once: Once) -> ProposalBytes {
    bytes_of(statements).carrying_out(&once)
}

#[track_caller]
fn carried_out(verdict: Verdict) -> Vec<u64> {
    match verdict {
        Verdict::CarriedOut(leaves) => leaves.into_iter().map(|leaf| leaf.0).collect(),
        other => panic!("not carried out before: {other:?}"),
    }
}

impl World {
    fn propose_bytes(&mut self, proposals: Vec<ProposalBytes>) -> Vec<Verdict> {
        self.take(Content::Group(Group { proposals }))
    }
}

#[test]
fn a_request_is_carried_out_once_whatever_comes_under_its_name() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "0");
    let b0 = world.statement("table/b", 0, None, "0");
    let first = carrying_out(vec![a0.clone(), b0.clone()], once(1));
    let verdicts = world.propose_bytes(vec![first.clone()]);
    assert_eq!(verdicts.into_iter().map(accepted).collect::<Vec<_>>(), [[0, 1]]);
    // the same text is the first itself, asked for again
    assert_eq!(accepted(world.propose_bytes(vec![first]).remove(0)), [0, 1]);
    // one that would follow on, one that conflicts, one on another subject: nothing is appended
    let a1 = world.statement("table/a", 1, Some(a0.leaf.hash()), "1");
    let rival = world.statement("table/a", 0, None, "rival");
    let c0 = world.statement("table/c", 0, None, "0");
    for statement in [a1.clone(), rival, c0] {
        let again = carrying_out(vec![statement], once(1));
        assert_eq!(carried_out(world.propose_bytes(vec![again]).remove(0)), [0, 1]);
    }
    assert_eq!(world.size, 2);
    // another request, and none at all, go on
    let other = carrying_out(vec![a1], once(2));
    assert_eq!(accepted(world.propose_bytes(vec![other]).remove(0)), [2]);
    let b1 = world.statement("table/b", 1, Some(b0.leaf.hash()), "1");
    assert_eq!(accepted(world.propose_one(vec![b1])), [3]);
}

#[test]
fn those_who_race_in_one_entry_have_one_winner_and_a_conflict_takes_no_name() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "0");
    let lost = world.statement("table/a", 5, Some(a0.leaf.hash()), "5");
    let b0 = world.statement("table/b", 0, None, "0");
    let c0 = world.statement("table/c", 0, None, "0");
    let proposals = [lost, a0, b0, c0].map(|statement| carrying_out(vec![statement], once(1)));
    let mut verdicts = world.propose_bytes(proposals.to_vec()).into_iter();
    assert_eq!(conflict(verdicts.next().unwrap()), ("table/a".to_owned(), None));
    assert_eq!(accepted(verdicts.next().unwrap()), [0]);
    assert_eq!(carried_out(verdicts.next().unwrap()), [0]);
    assert_eq!(carried_out(verdicts.next().unwrap()), [0]);
    assert_eq!(world.size, 1);
}

#[test]
fn a_request_that_stands_for_another_statement_is_told_so() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "0");
    world.propose_bytes(vec![carrying_out(vec![a0], once(1))]);
    let b0 = world.statement("table/b", 0, None, "0");
    let other = Once {
        statement: [8; 32],
        ..once(1)
    };
    let verdict = world.propose_bytes(vec![carrying_out(vec![b0], other)]).remove(0);
    assert!(matches!(verdict, Verdict::OtherStatement(LeafIndex(0))), "{verdict:?}");
    assert_eq!(world.size, 1);
}

/// The window is one of the tree, not of a database: it ends at the same leaf for every replica.
#[test]
fn a_request_is_forgotten_with_the_leaf_that_ends_its_window() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "0");
    world.propose_bytes(vec![carrying_out(vec![a0], once(1))]);
    let known = world.requests[&[1; 32]].clone();
    assert!(known.is_remembered(1) && known.is_remembered(REQUEST_WINDOW_LEAVES));
    assert!(!known.is_remembered(REQUEST_WINDOW_LEAVES + 1));
}

#[test]
fn digests_of_another_length_are_refused() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "0");
    for (request, statement) in [(31, 32), (32, 33), (0, 0)] {
        let mut proposal = bytes_of(vec![a0.clone()]);
        proposal.once = Some(OnceBytes {
            request: vec![1; request],
            statement: vec![2; statement],
        });
        let reason = refused(world.propose_bytes(vec![proposal]).remove(0));
        assert!(reason.contains("32 bytes"), "{reason}");
    }
    assert_eq!((world.size, world.requests.len()), (0, 0));
}
