//! Four replicas' cores over a network that loses nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Outcome, Proposal};
use dab_ledger::testing::core::Core;
use dab_ledger::testing::sim_disk::SimDisk;
use dab_ledger::testing::statement;

use crate::cores::{self, ORIGIN, REPLICAS, ROUNDS_MAX, writer};

fn cores() -> Vec<Core> {
    let core = |id| cores::open(id, &SimDisk::default(), &NodeLimits::default(), id as u8).unwrap();
    (1..=REPLICAS).map(core).collect()
}

/// A tick for everybody, and every message that follows from it.
fn round(cores: &mut [Core]) {
    round_where(cores, |_, _| true);
}

/// As [`round`], but only messages from and to these arrive.
fn round_where(cores: &mut [Core], arrives: impl Fn(u64, u64) -> bool) {
    let mut messages: VecDeque<(u64, u64, Bytes)> = VecDeque::new();
    for (from, core) in (1..).zip(&mut *cores) {
        core.tick();
        messages.extend(sent(from, core));
    }
    deliver(cores, messages, arrives);
}

fn sent(from: u64, core: &mut Core) -> Vec<(u64, u64, Bytes)> {
    let messages = core.pump().unwrap().into_iter();
    messages.map(|(to, message)| (from, to, message)).collect()
}

fn deliver(cores: &mut [Core], mut messages: VecDeque<(u64, u64, Bytes)>, arrives: impl Fn(u64, u64) -> bool) {
    while let Some((from, to, message)) = messages.pop_front() {
        if !arrives(from, to) {
            continue;
        }
        core(cores, to).receive(from, message).unwrap();
        messages.extend(sent(to, core(cores, to)));
    }
}

/// Lets rounds pass until somebody but `not` leads, and gives its id.
fn elect(cores: &mut [Core], not: Option<u64>, arrives: impl Fn(u64, u64) -> bool) -> u64 {
    for _ in 0..ROUNDS_MAX {
        if let Some(leader) = leader(cores, not) {
            return leader;
        }
        round_where(cores, &arrives);
    }
    panic!("nobody leads");
}

fn leader(cores: &mut [Core], not: Option<u64>) -> Option<u64> {
    for (id, core) in (1..).zip(cores) {
        if Some(id) != not && core.state().leads {
            return Some(id);
        }
    }
    None
}

fn core(cores: &mut [Core], id: u64) -> &mut Core {
    &mut cores[id as usize - 1]
}

fn one_leaf(table: &str) -> Proposal {
    let subject = format!("table/{table}");
    Proposal {
        statements: vec![statement(ORIGIN, &writer(), &subject, 0, None, "body")],
    }
}

/// The first leader put what waited into the log before the ledger's first settings, and every replica refused it for good:
/// "the ledger has no settings yet".
#[test]
fn proposals_that_come_before_the_first_leader_are_certified() {
    let mut cores = cores();
    let mut answers = Vec::new();
    for (id, core) in (1..).zip(&mut cores) {
        answers.push(core.propose(&one_leaf(&format!("t{id}"))));
    }
    let mut open = answers;
    for _ in 0..ROUNDS_MAX {
        round(&mut cores);
        open.retain_mut(|answer| match answer.try_recv() {
            Ok(outcome) => {
                assert!(matches!(outcome, Ok(Outcome::Certified(_))), "{outcome:?}");
                false
            }
            Err(_) => true,
        });
        if open.is_empty() {
            return;
        }
    }
    panic!("{} proposals are still open", open.len());
}

/// What had been handed to a leader that died was handed to the next one only when a second was over, and a read that came to
/// a leader too early in its term as well: failovers took that much longer for whoever waited.
#[test]
fn what_waits_for_a_dead_leader_is_handed_to_the_next_one_at_once() {
    let mut cores = cores();
    let dead = settled(&mut cores);
    let alive = |from: u64, to: u64| from != dead && to != dead;
    let (mut proposals, mut reads) = (Vec::new(), Vec::new());
    // at each tick until another leads, so that some are handed to the dead one just before
    for tick in 0.. {
        for id in (1..=REPLICAS).filter(|id| *id != dead) {
            proposals.push(core(&mut cores, id).propose(&one_leaf(&format!("t{id}-{tick}"))));
            reads.push(core(&mut cores, id).read());
        }
        round_where(&mut cores, alive);
        if leader(&mut cores, Some(dead)).is_some() {
            break;
        }
        assert!(tick < ROUNDS_MAX, "nobody leads");
    }
    // a heartbeat, every second tick, tells the followers what is committed
    for _ in 0..3 {
        round_where(&mut cores, alive);
    }
    for mut proposal in proposals {
        let outcome = proposal.try_recv();
        assert!(
            matches!(outcome, Ok(Ok(Outcome::Certified(_)))),
            "a proposal still waits: {outcome:?}"
        );
    }
    for mut read in reads {
        let outcome = read.try_recv();
        assert!(matches!(outcome, Ok(Ok(()))), "a read still waits: {outcome:?}");
    }
}

/// A replica that led no more sent reads of others on in their names; the leader refused them, and its log accused an honest
/// replica.
#[test]
fn a_read_that_comes_late_to_a_former_leader_is_sent_on_to_nobody() {
    let mut cores = cores();
    let former = settled(&mut cores);
    let asker = 1 + former % REPLICAS;
    let _answer = core(&mut cores, asker).read();
    let late = sent(asker, core(&mut cores, asker));
    replace(&mut cores, former);
    assert!(late.iter().any(|(_, to, _)| *to == former), "the leader is asked");
    sent(former, core(&mut cores, former));
    for (from, _, message) in late.into_iter().filter(|(_, to, _)| *to == former) {
        core(&mut cores, former).receive(from, message).unwrap();
    }
    assert!(sent(former, core(&mut cores, former)).is_empty(), "a read is sent on");
}

/// A leader that had been held came back with what it had not got committed. Its entries were refused as contradictions, which
/// accused an honest replica, and kept from it that others had been elected.
#[test]
fn a_leader_that_was_away_is_told_of_the_new_term() {
    let mut cores = cores();
    let former = settled(&mut cores);
    let _lost = core(&mut cores, former).propose(&one_leaf("lost"));
    let late = sent(former, core(&mut cores, former));
    let leader = replace(&mut cores, former);
    assert!(late.iter().any(|(_, to, _)| *to == leader), "the entry is sent to all");
    sent(leader, core(&mut cores, leader));
    for (from, _, message) in late.into_iter().filter(|(_, to, _)| *to == leader) {
        core(&mut cores, leader).receive(from, message).unwrap();
    }
    let answers = sent(leader, core(&mut cores, leader));
    assert!(
        answers.iter().any(|(_, to, _)| *to == former),
        "the former leader is told nothing"
    );
}

/// The leader, once its term has begun for all.
fn settled(cores: &mut [Core]) -> u64 {
    let leader = elect(cores, None, |_, _| true);
    for _ in 0..3 {
        round(cores);
    }
    leader
}

/// Another leader, whom the former one follows in the end.
fn replace(cores: &mut [Core], former: u64) -> u64 {
    let leader = elect(cores, Some(former), |from, to| from != former && to != former);
    for _ in 0..5 {
        round(cores);
    }
    assert!(!core(cores, former).state().leads);
    leader
}
