//! Many clients at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use dab_ledger::Error;
use dab_ledger::node::{Node, NodeLimits};
use dab_ledger::notary::{Notary, Outcome, Proposal, Statement};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::{TestLedger, statement};

use crate::world::{Acknowledged, check};

const CLIENTS: usize = 8;
const APPENDS: usize = 25;

/// Appends to one subject as a table writer does: read the head, propose what follows, on a conflict begin again.
async fn append(node: &Node, body: &str) -> Acknowledged {
    let subject = "table/shared".parse().unwrap();
    loop {
        let head = node.head(&subject).await.unwrap();
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        let statement = statement(node.origin(), node.writer(), "table/shared", sequence, parent, body);
        match node
            .notarize(Proposal {
                statements: vec![statement.clone()],
            })
            .await
            .unwrap()
        {
            Outcome::Certified(mut receipts) => {
                return Acknowledged {
                    statement,
                    receipt: receipts.remove(0),
                };
            }
            Outcome::Conflict(conflict) => {
                assert!(
                    conflict.head.is_some_and(|head| head.sequence >= sequence),
                    "a conflict with nobody"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_clients_that_append_to_one_subject_make_one_chain() {
    let mut ledger = TestLedger::start_with(NodeLimits {
        flush_entries_max: 50,
        ..NodeLimits::default()
    });
    let clients = (0..CLIENTS).map(|client| {
        let node = Arc::clone(ledger.node());
        tokio::spawn(async move {
            let mut told = Vec::new();
            for at in 0..APPENDS {
                told.push(append(&node, &format!("client {client} append {at}")).await);
            }
            told
        })
    });
    let mut acknowledged = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        acknowledged.extend(client.await.unwrap());
    }
    let sequences: BTreeSet<u64> = acknowledged
        .iter()
        .map(|told| told.statement.leaf.leaf().sequence)
        .collect();
    assert_eq!(sequences, (0..(CLIENTS * APPENDS) as u64).collect());
    check(&ledger, &acknowledged).await;
    ledger.crash_and_reopen();
    check(&ledger, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_answers_busy_and_loses_nothing() {
    let limits = NodeLimits {
        waiting_max: 4,
        group_leaves_max: 2,
        ..NodeLimits::default()
    };
    let ledger = TestLedger::start_with(limits);
    let node = ledger.node();
    let statements: Vec<Statement> = (0..200)
        .map(|at| statement(node.origin(), node.writer(), &format!("table/{at:03}"), 0, None, "x"))
        .collect();
    let tasks = statements.iter().map(|statement| {
        let (node, statement) = (Arc::clone(node), statement.clone());
        tokio::spawn(async move {
            let mut busy = 0;
            loop {
                match node
                    .notarize(Proposal {
                        statements: vec![statement.clone()],
                    })
                    .await
                {
                    Ok(Outcome::Certified(mut receipts)) => {
                        return (
                            busy,
                            Acknowledged {
                                statement,
                                receipt: receipts.remove(0),
                            },
                        );
                    }
                    Err(Error::Busy { waiting }) => {
                        assert_eq!(waiting, 4);
                        busy += 1;
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
    });
    let mut refusals = 0;
    let mut acknowledged = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        let (busy, told) = task.await.unwrap();
        refusals += busy;
        acknowledged.push(told);
    }
    assert!(refusals > 0, "the queue was never full");
    check(&ledger, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn waiting_proposals_share_a_sync_and_a_proposal_of_many_is_one_entry() {
    let ledger = TestLedger::start();
    let node = ledger.node();
    let before = node.raft_log_syncs();
    let tasks: Vec<_> = (0..300)
        .map(|at| {
            let statement = statement(node.origin(), node.writer(), &format!("table/{at}"), 0, None, "x");
            let node = Arc::clone(node);
            tokio::spawn(async move {
                node.notarize(Proposal {
                    statements: vec![statement],
                })
                .await
                .unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Outcome::Certified(_)));
    }
    let syncs = node.raft_log_syncs() - before;
    assert!(syncs < 200, "{syncs} syncs for 300 proposals at once");
    let many: Vec<_> = (0..200)
        .map(|at| statement(node.origin(), node.writer(), &format!("many/{at}"), 0, None, "x"))
        .collect();
    let before = node.raft_log_syncs();
    match node.notarize(Proposal { statements: many }).await.unwrap() {
        Outcome::Certified(receipts) => {
            let indexes: Vec<u64> = receipts.iter().map(|receipt| receipt.index.0).collect();
            assert_eq!(indexes, (300..500).collect::<Vec<u64>>());
            for receipt in receipts {
                receipt.verify(&node.trust()).unwrap();
            }
        }
        Outcome::Conflict(conflict) => panic!("{conflict:?}"),
    }
    assert_eq!(node.raft_log_syncs() - before, 1);
}
