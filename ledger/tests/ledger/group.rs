//! Several replicas over real connections: does the ledger agree, go on without one, and stop without a quorum?

use std::sync::Arc;

use dab_ledger::Error;
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::group::TestGroup;
use dab_proof::leaf::Subject;
use dab_proof::report::Verdict;

use crate::writing::{next, write};

/// What every running replica says is the last sequence of a subject; they must agree.
async fn sequence(group: &TestGroup, subject: &str) -> Option<u64> {
    let subject: Subject = subject.parse().unwrap();
    let mut heads = Vec::new();
    for node in group.running() {
        heads.push(node.head(&subject).await.unwrap());
    }
    heads.dedup();
    assert_eq!(heads.len(), 1, "the replicas disagree: {heads:?}");
    heads[0].map(|head| head.sequence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_takes_a_statement_and_all_show_it_under_a_quorum() {
    let group = TestGroup::start(4).await;
    for n in 0..4 {
        let node = group.node(n);
        let receipt = write(node, "table/t", &n.to_string()).await;
        let verified = receipt.verify(&node.trust()).unwrap();
        assert!(!verified.certification.alone);
        assert!(verified.certification.cosigners.len() >= 3, "{verified:?}");
        // answered here, so visible everywhere
        assert_eq!(sequence(&group, "table/t").await, Some(n as u64));
    }
    for node in group.running() {
        let certified = node.certified().await;
        assert_eq!((certified.size.0, certified.certifies_alone), (4, false));
        assert_eq!(certified.quorum, "replicas (3 of n1 n2 n3 n4)");
        let report = node.fsck().unwrap();
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_dies_and_nothing_acknowledged_is_lost() {
    let mut group = TestGroup::start(4).await;
    let receipt = write(group.node(0), "table/t", "before").await;
    let dead = group.leader().await;
    group.crash(dead);
    let alive = (dead + 1) % 4;
    write(group.node(alive), "table/t", "without it").await;
    assert_eq!(sequence(&group, "table/t").await, Some(1));
    group.restart(dead).await.unwrap();
    write(group.node(dead), "table/t", "with it again").await;
    assert_eq!(sequence(&group, "table/t").await, Some(2));
    let again = group.node(dead).receipt(receipt.index).await.unwrap();
    assert_eq!(again.leaf.bytes(), receipt.leaf.bytes());
}

/// Two of four are no quorum: they neither certify nor answer reads, and what was asked meanwhile has one outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_certified_and_it_goes_on_when_one_is_back() {
    let mut group = TestGroup::start(4).await;
    write(group.node(0), "table/t", "before").await;
    let asked = next(group.node(0), group.node(0).writer(), "table/t", "meanwhile").await;
    group.crash(2);
    group.crash(3);
    let node = Arc::clone(group.node(0));
    let proposal = Proposal {
        statements: vec![asked.clone()],
    };
    let waiting = tokio::spawn(async move { node.notarize(proposal).await });
    let subject: Subject = "table/t".parse().unwrap();
    let read = group.node(1).head(&subject).await.unwrap_err();
    assert!(matches!(read, Error::NoLeader), "{read}");
    assert_eq!(group.node(1).certified().await.size.0, 1);
    group.restart(2).await.unwrap();
    // whatever the first asker was told, asking again has the one outcome
    let first = waiting.await.unwrap();
    let statements = vec![asked];
    let Outcome::Certified(receipts) = group.node(2).notarize(Proposal { statements }).await.unwrap() else {
        panic!("the statement lost against itself");
    };
    assert_eq!(receipts[0].index.0, 1);
    match first {
        Ok(Outcome::Certified(first)) => assert_eq!(first[0].index, receipts[0].index),
        other => assert!(
            matches!(other, Err(Error::OutcomeUnknown | Error::NoLeader)),
            "{other:?}"
        ),
    }
    assert_eq!(sequence(&group, "table/t").await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_all_replicas_make_one_chain() {
    const CLIENTS: usize = 8;
    const EACH: usize = 5;
    let group = TestGroup::start(4).await;
    let clients = (0..CLIENTS).map(|client| {
        let node = Arc::clone(group.node(client % 4));
        tokio::spawn(async move {
            let mut written = Vec::new();
            while written.len() < EACH {
                let body = format!("{client} {}", written.len());
                let statements = vec![next(&node, node.writer(), "table/t", &body).await];
                match node.notarize(Proposal { statements }).await.unwrap() {
                    Outcome::Certified(receipts) => written.push(receipts[0].leaf.leaf().sequence),
                    Outcome::Conflict(_) => {}
                }
            }
            written
        })
    });
    let mut sequences = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        sequences.extend(client.await.unwrap());
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (0..(CLIENTS * EACH) as u64).collect::<Vec<_>>());
    assert_eq!(sequence(&group, "table/t").await, sequences.last().copied());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_its_raft_log_is_refused_under_its_id() {
    let mut group = TestGroup::start(4).await;
    write(group.node(0), "table/t", "before").await;
    group.crash(3);
    std::fs::remove_dir_all(group.dir(3).join("private/raft")).unwrap();
    let told = group.restart(3).await.unwrap_err().to_string();
    assert!(told.contains("taken part before, and its raft log is gone"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_replica_leaves_in_order_and_comes_back() {
    let mut group = TestGroup::start(4).await;
    write(group.node(1), "table/t", "before").await;
    group.node(1).stop().await.unwrap();
    group.crash(1);
    write(group.node(2), "table/t", "without it").await;
    group.restart(1).await.unwrap();
    assert_eq!(sequence(&group, "table/t").await, Some(1));
}

/// Otherwise each replica would keep every entry for ever. One that was away needs what it missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_raft_log_is_forgotten_once_every_replica_holds_it_and_no_sooner() {
    const SEGMENT_BYTES: u32 = 4 << 10;
    let mut group = TestGroup::start_with(4, |limits| {
        limits.flush_entries_max = 8;
        limits.segment_bytes = SEGMENT_BYTES;
    })
    .await;
    let segments = |group: &TestGroup, n: usize| std::fs::read_dir(group.dir(n).join("private/raft")).unwrap().count();
    group.crash(3);
    for n in 0..40 {
        write(group.node(n % 3), "table/t", &n.to_string()).await;
    }
    let kept = segments(&group, 0);
    group.restart(3).await.unwrap();
    for n in 0..40 {
        write(group.node(n % 4), "table/t", &format!("{n} again")).await;
    }
    assert_eq!(sequence(&group, "table/t").await, Some(79));
    let left = segments(&group, 0);
    assert!(
        left <= kept / 2,
        "{kept} segments while one was away, {left} when all had them"
    );
}
