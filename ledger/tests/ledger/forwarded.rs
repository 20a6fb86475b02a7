//! What a leader takes from other replicas into everybody's raft log.

use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Outcome, Proposal, Statement};
use dab_ledger::testing::statement;
use dab_proof::epoch::{EPOCH_OPERATION, EpochText};
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::{SignedNote, SigningKey};

use crate::cores::{Cores, ORIGIN, REPLICAS, policy, writer, writers};

/// Rounds in which a follower hands over again, several times.
const ROUNDS: usize = 40;

/// The leaf that lets one key more write, and its body: a note that `approver` has signed.
fn registration(approver: &SigningKey) -> Statement {
    let key = SigningKey::generate("backup", &[60; 32]).unwrap();
    let next = EpochText {
        origin: ORIGIN.to_owned(),
        members: String::new(),
        policy: policy(),
        writers: writers() + &format!("{} digest/*\n", key.verifier()),
    };
    let body = SignedNote::sign(&next.text(), approver).unwrap().to_bytes();
    let leaf = Leaf {
        origin: ORIGIN.to_owned(),
        subject: Subject::members(),
        sequence: 0,
        parent: None,
        body: BodyDigest::of(&body),
        files: None,
        operation: EPOCH_OPERATION.to_owned(),
    };
    Statement {
        leaf: leaf.sign(&writer()).unwrap(),
        body: Some(body.into()),
    }
}

/// A follower whose core checks nothing of its clients', and the leader's id.
fn led() -> (Cores, u64, u64) {
    let mut world = Cores::start(NodeLimits::default());
    world.certify(1, statement(ORIGIN, &writer(), "table/t", 0, None, "x"));
    let leader = (1..=REPLICAS).find(|id| world.core(*id).state().leads).unwrap();
    (world, leader, leader % REPLICAS + 1)
}

#[test]
fn a_change_that_nobody_approves_is_not_forwarded_into_the_raft_log() {
    let (mut world, leader, follower) = led();
    let before = world.core(leader).state();
    let stranger = SigningKey::generate("stranger", &[61; 32]).unwrap();
    let statements = vec![registration(&stranger)];
    let mut answer = world.core(follower).propose(&Proposal { statements });
    for _ in 0..ROUNDS {
        assert!(world.round().is_empty());
    }
    let after = world.core(leader).state();
    assert_eq!((after.leads, after.term), (true, before.term));
    assert_eq!(after.raft_last, before.raft_last, "it has cost everybody an entry");
    assert!(answer.try_recv().is_err());
    // what else it forwards comes through
    world.certify(follower, statement(ORIGIN, &writer(), "table/u", 0, None, "x"));
}

#[test]
fn a_change_that_is_approved_is_and_again_when_it_stands_already() {
    let (mut world, _, follower) = led();
    for _ in 0..2 {
        let statements = vec![registration(&writer())];
        let mut answer = world.core(follower).propose(&Proposal { statements });
        let mut outcome = None;
        world.rounds_until(|_| {
            outcome = answer.try_recv().ok();
            outcome.is_some()
        });
        let Some(Ok(Outcome::Certified(receipts))) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(receipts[0].index.0, 1);
    }
}

/// To refuse costs the leader more than to ask costs a dishonest replica.
#[test]
fn no_more_is_looked_at_of_one_whose_proposals_are_refused_all_the_time() {
    let (mut world, leader, follower) = led();
    let stranger = SigningKey::generate("stranger", &[61; 32]).unwrap();
    // all in one message, as the first hundred of them are due at once
    let mut refused: Vec<_> = (0..300)
        .map(|n| {
            let statements = vec![statement(ORIGIN, &stranger, &format!("table/s{n}"), 0, None, "x")];
            world.core(follower).propose(&Proposal { statements })
        })
        .collect();
    let other = leader % REPLICAS + 2;
    let other = if other > REPLICAS { other - REPLICAS } else { other };
    world.certify(other, statement(ORIGIN, &writer(), "table/other", 0, None, "x"));
    let good = statement(ORIGIN, &writer(), "table/good", 0, None, "x");
    world.certify(follower, good);
    assert!(refused.iter_mut().all(|answer| answer.try_recv().is_err()));
}
