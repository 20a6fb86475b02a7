//! Four replicas' cores over a network that loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use dab_ledger::clock::SystemClock;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Outcome, Proposal};
use dab_ledger::testing::core::{Core, CoreConfig};
use dab_ledger::testing::sim_disk::SimDisk;
use dab_ledger::testing::statement;
use dab_proof::note::SigningKey;
use dab_proof::policy::Policy;

const ORIGIN: &str = "dab/replicas";
const REPLICAS: u64 = 4;
const ROUNDS_MAX: usize = 500;

fn writer() -> SigningKey {
    SigningKey::generate("dab/replicas/writer", &[9; 32]).unwrap()
}

fn cores() -> Vec<Core> {
    let log = SigningKey::generate(ORIGIN, &[1; 32]).unwrap();
    let cosigner = |id: u64| SigningKey::generate_cosigner(&format!("{ORIGIN}/{id}"), &[10 + id as u8; 32]).unwrap();
    let mut policy = format!("log {}\n", log.verifier());
    for id in 1..=REPLICAS {
        policy += &format!("witness r{id} {}\n", cosigner(id).verifier());
    }
    policy += "group replicas 3 r1 r2 r3 r4\nquorum replicas\n";
    let config = |id: u64| CoreConfig {
        disk: Arc::new(SimDisk::default()),
        id,
        voters: (1..=REPLICAS).collect(),
        log: log.clone(),
        cosigner: cosigner(id),
        policy: Policy::parse(&policy).unwrap(),
        writers: format!("{} *\n", writer().verifier()),
        clock: Arc::new(SystemClock),
        limits: NodeLimits::default(),
        election_seed: 7,
        run: [id as u8; 16],
    };
    (1..=REPLICAS).map(|id| Core::open(config(id)).unwrap()).collect()
}

/// A tick for everybody, and every message that follows from it.
fn round(cores: &mut [Core]) {
    let mut messages: VecDeque<(u64, u64, Bytes)> = VecDeque::new();
    for (from, core) in (1..).zip(&mut *cores) {
        core.tick();
        messages.extend(
            core.pump()
                .unwrap()
                .into_iter()
                .map(|(to, message)| (from, to, message)),
        );
    }
    while let Some((from, to, message)) = messages.pop_front() {
        let core = &mut cores[to as usize - 1];
        core.receive(from, message).unwrap();
        messages.extend(
            core.pump()
                .unwrap()
                .into_iter()
                .map(|(next, message)| (to, next, message)),
        );
    }
}

/// The first leader put what waited into the log before the ledger's first settings, and every replica refused it for good:
/// "the ledger has no settings yet".
#[test]
fn proposals_that_come_before_the_first_leader_are_certified() {
    let mut cores = cores();
    let mut answers = Vec::new();
    for (id, core) in (1..).zip(&mut cores) {
        let statements = vec![statement(ORIGIN, &writer(), &format!("table/t{id}"), 0, None, "body")];
        answers.push(core.propose(&Proposal { statements }));
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
