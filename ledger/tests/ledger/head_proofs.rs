//! Head proofs of a running node: fresh, shared, and few leaves for them.

use std::sync::Arc;

use dab_ledger::Error;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Notary, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::{TestLedger, heads_statement};
use dab_proof::head_proof::{HeadProof, VerifiedHead};
use dab_proof::heads_leaf::HeadsBody;
use dab_proof::leaf::Subject;
use dab_proof::report::Verdict;
use dab_proof::tree::{LeafIndex, TreeSize};

use crate::world;

fn subject(name: &str) -> Subject {
    name.parse().unwrap()
}

/// What a proof shows to an auditor, who has its text and the trust directory.
fn verified(ledger: &TestLedger, proof: &HeadProof) -> VerifiedHead {
    let read = HeadProof::parse(proof.to_text().as_bytes()).unwrap();
    read.verify(&ledger.node().trust()).unwrap()
}

async fn prove(ledger: &TestLedger, name: &str) -> VerifiedHead {
    verified(ledger, &ledger.node().head_proof(&subject(name)).await.unwrap())
}

async fn size(ledger: &TestLedger) -> u64 {
    ledger.node().certified().await.size.0
}

fn sequence(head: &VerifiedHead) -> Option<u64> {
    head.head.as_ref().map(|head| head.leaf.leaf().sequence)
}

#[tokio::test]
async fn a_proof_is_fresh_and_a_leaf_is_written_only_where_something_has_changed() {
    let mut ledger = TestLedger::start();
    let empty = prove(&ledger, "table/a").await;
    assert_eq!((sequence(&empty), empty.size, empty.subjects), (None, TreeSize(0), 0));
    for at in 0..3 {
        ledger.notarize("table/a", &at.to_string()).await;
    }
    ledger.notarize("table/b", "0").await;
    let first = prove(&ledger, "table/a").await;
    assert_eq!(
        (sequence(&first), first.size, first.subjects),
        (Some(2), TreeSize(5), 2)
    );
    assert_eq!(first.head.as_ref().unwrap().index, LeafIndex(3));
    assert_eq!(size(&ledger).await, 6);
    // the same leaf serves everybody until something changes
    assert_eq!(sequence(&prove(&ledger, "table/b").await), Some(0));
    assert_eq!(sequence(&prove(&ledger, "table/c").await), None);
    ledger.crash_and_reopen();
    assert_eq!(prove(&ledger, "table/a").await.size, TreeSize(5));
    assert_eq!(size(&ledger).await, 6);
    ledger.notarize("table/b", "1").await;
    let later = prove(&ledger, "table/a").await;
    assert_eq!(
        (sequence(&later), later.size, later.heads_leaf.index),
        (Some(2), TreeSize(7), LeafIndex(7))
    );
    assert_eq!(sequence(&prove(&ledger, "table/b").await), Some(1));
    assert_eq!(size(&ledger).await, 8);
    let report = ledger.node().fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let error = ledger.node().head_proof(&Subject::heads()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[tokio::test]
async fn those_who_ask_together_share_one_leaf() {
    let ledger = TestLedger::start();
    ledger.notarize("table/a", "0").await;
    let asked = (0..64).map(|_| {
        let node = Arc::clone(ledger.node());
        tokio::spawn(async move { node.head_proof(&subject("table/a")).await.unwrap() })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(verified(&ledger, &asked.await.unwrap()).size, TreeSize(1));
    }
    assert_eq!(size(&ledger).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn proofs_are_made_and_fresh_while_others_write_as_fast_as_they_can() {
    let ledger = Arc::new(TestLedger::start());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers = (0..8).map(|writer| {
        let (ledger, stop) = (Arc::clone(&ledger), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut written = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                ledger.notarize(&format!("table/{writer}"), &written.to_string()).await;
                written += 1;
            }
            written
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut last = TreeSize(0);
    for at in 0..40_u64 {
        // whatever the others do, something has changed since the last proof
        ledger.notarize("table/8", &at.to_string()).await;
        let name = format!("table/{}", at % 9);
        let (before, head) = (size(&ledger).await, ledger.node().head(&subject(&name)).await.unwrap());
        let proof = prove(&ledger, &name).await;
        assert!(
            proof.size.0 >= before && proof.size > last,
            "{} of {before}",
            proof.size
        );
        assert!(sequence(&proof) >= head.map(|head| head.sequence));
        last = proof.size;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    // no more leaves than were asked for: one each, as nobody asked together
    assert_eq!(size(&ledger).await, written + 40 + 40);
    let report = ledger.node().fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
}

/// The last heads leaf stays provable however far the ledger has gone on, through flushes and restarts.
#[tokio::test]
async fn an_old_heads_leaf_stays_provable() {
    let mut ledger = TestLedger::start_with(NodeLimits {
        flush_leaves_max: 100,
        ..NodeLimits::default()
    });
    let last = |ledger: &TestLedger, name: &str| {
        let (node, name) = (Arc::clone(ledger.node()), subject(name));
        async move { node.last_head_proof(&name).await.unwrap() }
    };
    assert_eq!(last(&ledger, "table/a").await, None);
    ledger.notarize("table/a", "0").await;
    ledger.notarize("table/b", "0").await;
    prove(&ledger, "table/a").await;
    let mut statements = Vec::new();
    for round in 0..12 {
        for table in 0..120 {
            statements.push(ledger.next(&format!("table/{table}"), &round.to_string()).await);
        }
        let statements = std::mem::take(&mut statements);
        ledger.node().notarize(Proposal { statements }).await.unwrap();
    }
    ledger.notarize("table/a", "1").await;
    for restarts in [false, true] {
        if restarts {
            ledger.crash_and_reopen();
        }
        let old = verified(&ledger, &last(&ledger, "table/a").await.unwrap());
        assert_eq!((sequence(&old), old.size, old.subjects), (Some(0), TreeSize(2), 2));
        assert_eq!(old.heads_leaf.size, TreeSize(1444));
        let absent = verified(&ledger, &last(&ledger, "table/7").await.unwrap());
        assert_eq!((sequence(&absent), absent.size), (None, TreeSize(2)));
    }
    // asking for no new leaf has written none
    assert_eq!(size(&ledger).await, 1444);
    assert_eq!(sequence(&prove(&ledger, "table/7").await), Some(11));
    let report = ledger.node().fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
}

#[tokio::test]
async fn the_node_refuses_heads_leaves_of_others_that_bind_another_map() {
    let ledger = TestLedger::start();
    let told = world::acknowledge(&ledger, "table/a", "0").await;
    let node = ledger.node();
    let body = HeadsBody {
        origin: node.origin().to_owned(),
        size: TreeSize(1),
        subjects: 1,
        root: told.receipt.leaf.hash(),
    };
    let statements = vec![heads_statement(node.writer(), 0, None, &body)];
    let error = node.notarize(Proposal { statements }).await.unwrap_err();
    assert!(error.to_string().contains("is not the ledger's"), "{error}");
    world::check(&ledger, &[told]).await;
}
