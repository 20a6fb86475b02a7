//! A node that fails or is dropped while clients wait.

use std::fs;
use std::time::Duration;

use dab_ledger::Error;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::{TestLedger, statement};

use crate::world::{Acknowledged, acknowledge, check, notarize_again};

#[tokio::test]
async fn a_node_whose_disk_fails_says_so_and_a_restart_makes_good() {
    let mut ledger = TestLedger::start();
    let mut acknowledged = vec![acknowledge(&ledger, "table/t", "before").await];
    // a directory where a file must be: the disk takes the raft entry, and then no more
    let blocked = ledger.dir().join("public/tile/entries/000.p/2");
    fs::create_dir(&blocked).unwrap();
    let statement = ledger.next("table/t", "during").await;
    let proposal = || Proposal {
        statements: vec![statement.clone()],
    };
    let error = ledger.node().notarize(proposal()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Stopped { reason } if reason.contains("tile/entries/000.p/2")),
        "{error}"
    );
    assert!(error.is_retryable());
    // it accepts nothing more, but what it certified can still be read
    let error = ledger.node().notarize(proposal()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Stopped { reason } if reason.contains("tile/entries/000.p/2")),
        "{error}"
    );
    assert!(ledger.node().head(&"table/t".parse().unwrap()).await.unwrap().is_some());
    assert_eq!(ledger.node().certified().await.size.0, 1);
    assert!(
        ledger
            .node()
            .notarized(&"table/t".parse().unwrap(), 0)
            .await
            .unwrap()
            .is_some()
    );
    assert!(ledger.node().stop().await.is_err());
    ledger.crash();
    fs::remove_dir(&blocked).unwrap();
    ledger.reopen().unwrap();
    // the raft log had it: the client's retry finds it notarized
    let receipt = notarize_again(&ledger, &statement).await;
    assert_eq!(receipt.index.0, 1);
    acknowledged.push(Acknowledged { statement, receipt });
    check(&ledger, &acknowledged).await;
}

#[tokio::test]
async fn a_dropped_node_answers_everybody_and_each_retry_finds_its_one_leaf() {
    for round in 0..5u64 {
        let mut ledger = TestLedger::start();
        let node = ledger.node().clone();
        let statements: Vec<_> = (0..64)
            .map(|at| statement(node.origin(), node.writer(), &format!("table/{at}"), 0, None, "x"))
            .collect();
        let weak = std::sync::Arc::downgrade(&node);
        let tasks: Vec<_> = statements
            .iter()
            .map(|statement| {
                let (node, statements) = (weak.upgrade().unwrap(), vec![statement.clone()]);
                tokio::spawn(async move { node.notarize(Proposal { statements }).await })
            })
            .collect();
        drop(node);
        tokio::time::sleep(Duration::from_millis(round)).await;
        ledger.node().stop().await.unwrap();
        let mut told = Vec::new();
        for (task, statement) in tasks.into_iter().zip(&statements) {
            match task.await.unwrap() {
                Ok(Outcome::Certified(receipts)) => told.push((statement, receipts[0].index)),
                Err(Error::Stopped { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        ledger.crash();
        ledger.reopen().unwrap();
        let mut acknowledged = Vec::new();
        for statement in &statements {
            let receipt = notarize_again(&ledger, statement).await;
            let before = told.iter().find(|(known, _)| known.leaf == statement.leaf);
            assert!(before.is_none_or(|(_, index)| *index == receipt.index));
            acknowledged.push(Acknowledged {
                statement: statement.clone(),
                receipt,
            });
        }
        check(&ledger, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_stopped_node_gives_the_directory_free_and_refuses_further_calls() {
    let mut ledger = TestLedger::start();
    let acknowledged = vec![acknowledge(&ledger, "table/t", "x").await];
    let node = ledger.node().clone();
    let again = || Proposal {
        statements: vec![acknowledged[0].statement.clone()],
    };
    node.stop().await.unwrap();
    assert!(matches!(node.notarize(again()).await, Err(Error::Stopped { reason }) if reason.contains("stopped")));
    assert!(matches!(
        node.head(&"table/t".parse().unwrap()).await,
        Err(Error::Stopped { .. })
    ));
    assert!(matches!(node.subjects("").await, Err(Error::Stopped { .. })));
    assert!(matches!(node.stop().await, Err(Error::Stopped { .. })));
    // while the old handle lives, another node may start
    ledger.reopen().unwrap();
    check(&ledger, &acknowledged).await;
    drop(node);
    check(&ledger, &acknowledged).await;
}

#[tokio::test]
async fn an_idle_node_keeps_the_lead_beyond_the_election_timeout() {
    let ledger = TestLedger::start_with(NodeLimits {
        tick: Duration::from_millis(1),
        ..NodeLimits::default()
    });
    let mut acknowledged = vec![acknowledge(&ledger, "table/t", "0").await];
    for round in 1..4 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        acknowledged.push(acknowledge(&ledger, "table/t", &round.to_string()).await);
    }
    check(&ledger, &acknowledged).await;
}
