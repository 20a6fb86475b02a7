//! The failure cases of the Raft papers, one by one: what is acknowledged stands in every replica's certified tree exactly
//! once, a retried proposal gets the same place, and what a deposed leader left is there once or not at all.

use dab_ledger::notary::{Outcome, Statement};
use dab_proof::leaf::SignedLeaf;
use dab_simulation::script::{Answer, Kind, Passing, Script};

const SUBJECT: &str = "table/t";

/// Where a client's statement stands, once it is told.
fn index_of(script: &mut Script, answer: &mut Answer) -> u64 {
    match script.answered(answer) {
        Ok(Outcome::Certified(receipts)) => receipts[0].index.0,
        other => panic!("not certified: {other:?}"),
    }
}

/// Every replica's certified tree, which are the same.
fn agreed(script: &mut Script) -> Vec<SignedLeaf> {
    script.pass_ticks(60);
    let first = script.certified(1);
    for id in Script::replicas() {
        let same = script
            .certified(id)
            .iter()
            .map(SignedLeaf::hash)
            .eq(first.iter().map(SignedLeaf::hash));
        assert!(same, "replica {id} has another tree than replica 1");
    }
    first
}

/// How often a statement stands in a tree.
fn count(tree: &[SignedLeaf], statement: &Statement) -> usize {
    tree.iter().filter(|leaf| leaf.hash() == statement.leaf.hash()).count()
}

/// Proposes at replica 1, which leads. Its entry reaches `holders`, none of whose answers come back.
fn proposed_to(script: &mut Script, statement: &Statement, holders: &'static [u64]) -> Answer {
    let answer = script.propose(1, statement);
    script.deliver(|passing: Passing| passing.kind == Kind::Append && holders.contains(&passing.to));
    answer
}

/// Replica 1 dies with its entry at `holders` and nothing acknowledged. The client knows nothing and tries again.
fn dies_with_entry_at(holders: &'static [u64], next: u64, stands_before_retry: bool) {
    let mut script = Script::led_by(1);
    let first = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &first);
    let before = index_of(&mut script, &mut answer);
    let statement = script.statement(SUBJECT, Some(&first));
    let mut answer = proposed_to(&mut script, &statement, holders);
    assert!(answer.try_recv().is_err(), "nobody has certified it");
    script.cut_power(1);
    script.elect(next, |_| true);
    script.pass_ticks(60);
    let stands = count(&script.certified(next), &statement);
    assert_eq!(
        stands,
        usize::from(stands_before_retry),
        "the dead leader's entry, with {next} in the lead"
    );
    // the client asks two replicas, one after the other
    let mut retry = script.propose(next, &statement);
    let index = index_of(&mut script, &mut retry);
    let other = if next == 2 { 3 } else { 2 };
    let mut again = script.propose(other, &statement);
    assert_eq!(
        index_of(&mut script, &mut again),
        index,
        "a retried proposal keeps its place"
    );
    assert_eq!(index, before + 1);
    script.restart(1);
    let tree = agreed(&mut script);
    assert_eq!((count(&tree, &first), count(&tree, &statement)), (1, 1));
    assert_eq!(tree.len(), 2);
}

#[test]
fn the_leader_dies_before_it_replicates_and_the_retry_is_the_first_that_counts() {
    dies_with_entry_at(&[], 2, false);
}

/// Of four, three elect, and one of them holds the entry: it refuses whoever lacks it.
#[test]
fn the_leader_dies_with_its_entry_at_one_follower_and_nobody_else_can_lead() {
    let mut script = Script::led_by(1);
    let statement = script.statement(SUBJECT, None);
    let _answer = proposed_to(&mut script, &statement, &[4]);
    script.cut_power(1);
    assert!(!script.elects(2, |_| true) && !script.elects(3, |_| true));
    script.elect(4, |_| true);
    script.restart(1);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &statement)), (1, 1));
}

#[test]
fn the_leader_dies_with_its_entry_at_one_follower_who_leads_next() {
    dies_with_entry_at(&[2], 2, true);
}

#[test]
fn the_leader_dies_with_its_entry_at_two_followers_and_the_entry_is_committed_by_the_next_leader() {
    dies_with_entry_at(&[2, 3], 3, true);
}

#[test]
fn the_leader_dies_with_its_entry_at_all_followers_before_it_acknowledges() {
    dies_with_entry_at(&[2, 3, 4], 4, true);
}

#[test]
fn the_leader_dies_committed_but_not_certified() {
    let mut script = Script::led_by(1);
    let statement = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &statement);
    // entries and acknowledgements pass, cosignatures do not
    script.deliver(|passing| passing.kind != Kind::Note);
    assert!(answer.try_recv().is_err(), "committed is not certified");
    script.cut_power(1);
    script.elect(2, |_| true);
    let mut retry = script.propose(2, &statement);
    assert_eq!(index_of(&mut script, &mut retry), 0);
    script.restart(1);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &statement)), (1, 1));
}

#[test]
fn the_leader_dies_after_it_acknowledged_and_what_it_said_stands() {
    let mut script = Script::led_by(1);
    let statement = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &statement);
    let index = index_of(&mut script, &mut answer);
    script.cut_power(1);
    script.elect(3, |_| true);
    let mut retry = script.propose(3, &statement);
    assert_eq!(index_of(&mut script, &mut retry), index);
    script.restart(1);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &statement)), (1, 1));
}

#[test]
fn all_lose_power_after_the_answer_and_what_was_said_stands() {
    let mut script = Script::led_by(1);
    let statement = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &statement);
    let index = index_of(&mut script, &mut answer);
    Script::replicas().for_each(|id| script.cut_power(id));
    Script::replicas().for_each(|id| script.restart(id));
    script.elect(4, |_| true);
    let mut retry = script.propose(2, &statement);
    assert_eq!(index_of(&mut script, &mut retry), index);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &statement)), (1, 1));
}

#[test]
fn a_follower_dies_with_the_entry_and_comes_back() {
    let mut script = Script::led_by(1);
    let statement = script.statement(SUBJECT, None);
    let mut answer = proposed_to(&mut script, &statement, &[2]);
    script.cut_power(2);
    script.restart(2);
    assert_eq!(index_of(&mut script, &mut answer), 0);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &statement)), (1, 1));
}

/// Replica 1 leads alone on its side of a partition; the others elect another. Both take proposals.
#[test]
fn a_partition_makes_two_leaders_and_the_deposed_ones_entry_goes_when_it_heals() {
    let mut script = Script::led_by(1);
    let together = |passing: Passing| passing.from != 1 && passing.to != 1;
    let lost = script.statement("table/old", None);
    let mut unanswered = script.propose(1, &lost);
    script.deliver(together);
    script.elect(2, together);
    assert!(script.leads(1) && script.leads(2), "two leaders, of two terms");
    let won = script.statement("table/new", None);
    let mut answer = script.propose(2, &won);
    script.deliver(together);
    assert!(matches!(answer.try_recv(), Ok(Ok(Outcome::Certified(_)))));
    assert!(
        unanswered.try_recv().is_err(),
        "a leader without a majority acknowledges nothing"
    );
    // the partition heals: the deposed leader's entry gives way, and its client's proposal is handed to the new leader
    let index = index_of(&mut script, &mut unanswered);
    assert!(!script.leads(1));
    let mut retry = script.propose(3, &lost);
    assert_eq!(index_of(&mut script, &mut retry), index);
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &lost), count(&tree, &won)), (2, 1, 1));
}

/// As above, but the deposed leader dies with its entry: nobody ever hears of it.
#[test]
fn a_deposed_leader_that_dies_takes_its_unacknowledged_entry_with_it() {
    let mut script = Script::led_by(1);
    let together = |passing: Passing| passing.from != 1 && passing.to != 1;
    let lost = script.statement(SUBJECT, None);
    let mut unanswered = script.propose(1, &lost);
    script.deliver(together);
    script.elect(2, together);
    let won = script.statement("table/new", None);
    let mut answer = script.propose(2, &won);
    script.deliver(together);
    assert!(matches!(answer.try_recv(), Ok(Ok(Outcome::Certified(_)))));
    script.cut_power(1);
    script.restart(1);
    assert!(unanswered.try_recv().is_err(), "its replica is gone");
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &lost), count(&tree, &won)), (1, 0, 1));
}

/// Two leaders take different statements for one place of one subject: one is certified, the other is told of it.
#[test]
fn two_leaders_take_rivals_and_one_of_them_is_certified() {
    let mut script = Script::led_by(1);
    let together = |passing: Passing| passing.from != 1 && passing.to != 1;
    let first = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &first);
    index_of(&mut script, &mut answer);
    let won = script.statement(SUBJECT, Some(&first));
    let mut deposed = script.propose(1, &script.rival(&won));
    script.deliver(together);
    script.elect(3, together);
    let mut answer = script.propose(3, &won);
    script.deliver(together);
    assert!(matches!(answer.try_recv(), Ok(Ok(Outcome::Certified(_)))));
    match script.answered(&mut deposed) {
        Ok(Outcome::Conflict(conflict)) => {
            let head = conflict.head.expect("the winner");
            assert_eq!((head.sequence, head.leaf_hash), (1, won.leaf.hash()));
        }
        other => panic!("not a conflict: {other:?}"),
    }
    let tree = agreed(&mut script);
    assert_eq!((tree.len(), count(&tree, &won)), (2, 1));
}

/// One is gone, and one lacks what the logs gave up while it was away: without its cosignature the last leaf cannot be
/// certified, and it can give none before it has caught up.
#[test]
fn a_replica_that_lacks_what_the_logs_gave_up_is_helped_while_nothing_is_certified_without_it() {
    let mut script = Script::with_short_logs(1);
    let mut last = script.statement(SUBJECT, None);
    let mut answer = script.propose(1, &last);
    index_of(&mut script, &mut answer);
    script.cut_power(4);
    for _ in 0..40 {
        last = script.statement(SUBJECT, Some(&last));
        let mut answer = script.propose(1, &last);
        index_of(&mut script, &mut answer);
    }
    let statement = script.statement(SUBJECT, Some(&last));
    let mut answer = script.propose(1, &statement);
    script.deliver(|passing: Passing| passing.kind != Kind::Note);
    assert!(answer.try_recv().is_err(), "nobody has certified it");
    script.cut_power(3);
    script.restart(4);
    let ((given_up, _), (_, held)) = (script.raft_log(1), script.raft_log(4));
    assert!(given_up > held, "the log has given up {given_up}, and 4 holds {held}");
    assert_eq!(index_of(&mut script, &mut answer), 41);
    script.restart(3);
    assert_eq!(count(&agreed(&mut script), &statement), 1);
}
