//! The node as its callers see it.

use std::path::Path;

use dab_ledger::Error;
use dab_ledger::node::{Node, NodeConfig, NodeLimits};
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::{TestLedger, private_statement, statement};
use dab_proof::report::Verdict;
use dab_proof::tree::{LeafIndex, TreeSize};

#[tokio::test]
async fn a_notarized_statement_has_a_receipt_that_verifies_offline() {
    let ledger = TestLedger::start();
    let receipt = ledger.notarize("table/t", "one").await;
    let verified = receipt.verify(&ledger.node().trust()).unwrap();
    assert_eq!(verified.size, TreeSize(1));
    assert!(verified.certification.alone);
    let certified = ledger.node().certified().await;
    assert!(certified.certifies_alone);
    assert_eq!((certified.size, certified.quorum.as_str()), (TreeSize(1), "none"));
}

#[tokio::test]
async fn a_restart_finds_every_statement() {
    let mut ledger = TestLedger::start();
    for round in 0..5 {
        ledger.notarize("table/t", &format!("body {round}")).await;
        if round % 2 == 0 {
            ledger.crash_and_reopen();
        } else {
            ledger.stop().await;
            ledger.reopen().unwrap();
        }
        let head = ledger.node().head(&"table/t".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(head.sequence, round);
        assert_eq!(ledger.node().certified().await.size, TreeSize(round + 1));
    }
    let receipt = ledger.node().receipt(LeafIndex(2)).await.unwrap();
    receipt.verify(&ledger.node().trust()).unwrap();
}

#[tokio::test]
async fn one_lone_proposal_costs_one_fdatasync_of_the_raft_log() {
    let ledger = TestLedger::start();
    let before = ledger.node().raft_log_syncs();
    for at in 0..20 {
        ledger.notarize("table/t", &format!("body {at}")).await;
    }
    assert_eq!(ledger.node().raft_log_syncs() - before, 20);
}

#[tokio::test]
async fn a_private_body_is_kept_and_read_back() {
    let mut ledger = TestLedger::start();
    let node = ledger.node().clone();
    let statement = private_statement(node.origin(), node.writer(), "catalog", 0, None, "secret");
    let outcome = node
        .notarize(Proposal {
            statements: vec![statement],
        })
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Certified(_)));
    drop(node);
    ledger.crash_and_reopen();
    let body = ledger.node().body(&"catalog".parse().unwrap(), 0).await.unwrap();
    assert_eq!(body.as_deref(), Some(&b"secret"[..]));
}

#[tokio::test]
async fn a_conflict_names_the_head_and_a_refusal_the_rule() {
    let ledger = TestLedger::start();
    let node = ledger.node();
    let receipt = ledger.notarize("table/t", "first").await;
    let rival = statement(node.origin(), node.writer(), "table/t", 0, None, "rival");
    match node
        .notarize(Proposal {
            statements: vec![rival],
        })
        .await
        .unwrap()
    {
        Outcome::Conflict(conflict) => {
            assert_eq!(conflict.subject.as_str(), "table/t");
            let head = conflict.head.unwrap();
            assert_eq!((head.sequence, head.leaf_hash), (0, receipt.leaf.hash()));
        }
        Outcome::Certified(_) => panic!("two leaves for one sequence"),
    }
    let syncs = node.raft_log_syncs();
    let foreign = statement("dab/elsewhere", node.writer(), "table/u", 0, None, "x");
    let refused = node
        .notarize(Proposal {
            statements: vec![foreign],
        })
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { subject, .. } if subject == "table/u"),
        "{refused}"
    );
    assert!(matches!(
        node.notarize(Proposal { statements: vec![] }).await,
        Err(Error::Refused { .. })
    ));
    assert_eq!(
        node.raft_log_syncs(),
        syncs,
        "what is refused does not reach the raft log"
    );
}

#[tokio::test]
async fn readers_find_subjects_leaves_and_receipts_before_and_after_a_flush() {
    let limits = NodeLimits {
        flush_entries_max: 10,
        ..NodeLimits::default()
    };
    let mut ledger = TestLedger::start_with(limits);
    for at in 0..25 {
        ledger.notarize(&format!("table/{:02}", at % 5), &at.to_string()).await;
        ledger.notarize("catalog", &at.to_string()).await;
    }
    for _ in 0..2 {
        let node = ledger.node();
        let names = |found: Vec<(dab_proof::leaf::Subject, dab_ledger::reader::Head)>| {
            found
                .into_iter()
                .map(|(subject, head)| (subject.to_string(), head.sequence))
                .collect::<Vec<_>>()
        };
        let tables: Vec<_> = (0..5).map(|at| (format!("table/{at:02}"), 4)).collect();
        assert_eq!(names(node.subjects("table/").await.unwrap()), tables);
        assert_eq!(
            names(node.subjects("catalog").await.unwrap()),
            [("catalog".to_owned(), 24)]
        );
        assert_eq!(node.subjects("nothing").await.unwrap().len(), 0);
        assert_eq!(node.subjects("").await.unwrap().len(), 6);
        let leaves = node.leaves(LeafIndex(48), 10).await.unwrap();
        assert_eq!(leaves.iter().map(|(index, _)| index.0).collect::<Vec<_>>(), [48, 49]);
        assert_eq!(node.leaves(LeafIndex(50), 10).await.unwrap().len(), 0);
        assert_eq!(node.leaves(LeafIndex(u64::MAX), 10).await.unwrap().len(), 0);
        assert_eq!(node.leaves(LeafIndex(3), 2).await.unwrap().len(), 2);
        for index in [0, 20, 49] {
            node.receipt(LeafIndex(index))
                .await
                .unwrap()
                .verify(&node.trust())
                .unwrap();
        }
        assert!(matches!(
            node.receipt(LeafIndex(50)).await,
            Err(Error::NoSuchLeaf { tree_size: 50, .. })
        ));
        assert!(node.notarized(&"table/00".parse().unwrap(), 5).await.unwrap().is_none());
        assert!(node.head(&"table/99".parse().unwrap()).await.unwrap().is_none());
        assert_eq!(node.checkpoints().await.len(), 51);
        ledger.stop().await;
        ledger.reopen().unwrap();
    }
}

#[tokio::test]
async fn a_public_leaf_that_was_changed_on_disk_is_not_given_out() {
    let ledger = TestLedger::start();
    ledger.notarize("table/t", "x").await;
    let path = ledger.dir().join("public/tile/entries/000.p/1");
    let bytes = std::fs::read(&path).unwrap();
    let mut changed = bytes.clone();
    let at = bytes.windows(4).position(|word| word == b"TEST").unwrap();
    changed[at] = b'B';
    std::fs::write(&path, changed).unwrap();
    let node = ledger.node();
    assert!(matches!(
        node.notarized(&"table/t".parse().unwrap(), 0).await,
        Err(Error::Corrupt { .. })
    ));
    assert!(matches!(node.leaves(LeafIndex(0), 1).await, Err(Error::Corrupt { .. })));
    assert!(node.receipt(LeafIndex(0)).await.is_err());
    assert_eq!(node.fsck().unwrap().verdict(), Verdict::Invalid);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(node.fsck().unwrap().verdict(), Verdict::Valid);
}

#[tokio::test]
async fn a_check_at_start_recomputes_the_ledger_and_refuses_what_does_not_hold() {
    let mut ledger = TestLedger::start();
    for at in 0..300 {
        ledger.notarize("table/t", &at.to_string()).await;
    }
    ledger.stop().await;
    let config = || NodeConfig {
        check_at_start: true,
        ..NodeConfig::in_dir(ledger.dir())
    };
    drop(Node::start(config()).unwrap());
    // deep in a full bundle, which an ordinary start does not read
    let path = ledger.dir().join("public/tile/entries/000");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    drop(Node::start(NodeConfig::in_dir(ledger.dir())).unwrap());
    let error = Node::start(config()).unwrap_err();
    assert!(
        matches!(&error, Error::Inconsistent { reason } if reason.contains("check at start")),
        "{error}"
    );
}

/// Bytes of the files in a directory and below it.
fn bytes_below(dir: &Path) -> u64 {
    let found = std::fs::read_dir(dir).unwrap().map(|found| found.unwrap());
    let bytes = found.map(|found| match found.file_type().unwrap().is_dir() {
        true => bytes_below(&found.path()),
        false => found.metadata().unwrap().len(),
    });
    bytes.sum()
}

/// 180 small appends once cost 10 MB of public files: each left a bundle of all leaves before it.
#[tokio::test]
async fn public_files_grow_with_the_leaves_and_not_with_the_appends() {
    let mut ledger = TestLedger::start();
    let public = ledger.dir().join("public");
    let within_bound = |leaves: u64, leaf_bytes: u64| {
        // a leaf with its length, its hash, and its share of the hashes above
        let per_leaf = leaf_bytes + 2 + 32 + 1;
        // the right edge of the last 8 sizes and of the durable state, and the checkpoint
        let constant = 9 * 255 * per_leaf + 1_000;
        let bytes = bytes_below(&public);
        assert!(
            bytes <= leaves * per_leaf + constant,
            "{bytes} bytes for {leaves} leaves of {leaf_bytes}"
        );
    };
    let mut leaf_bytes = 0;
    for leaves in 1..=520 {
        let receipt = ledger.notarize("table/t", &leaves.to_string()).await;
        leaf_bytes = leaf_bytes.max(receipt.leaf.bytes().len() as u64);
        // files are removed behind the answer, and before the next is given
        ledger.next("table/t", "").await;
        within_bound(leaves, leaf_bytes);
    }
    assert!(!public.join(".writing").exists());
    ledger.stop().await;
    within_bound(520, leaf_bytes);
    ledger.reopen().unwrap();
    let report = ledger.node().fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    // full files have no partial ones beside them any more, and a stopped ledger began anew with one size
    let partials = |name: &str| std::fs::read_dir(public.join("tile").join(name)).map_or(0, Iterator::count);
    for (folder, left) in [
        ("0/000.p", 0),
        ("entries/000.p", 0),
        ("0/002.p", 1),
        ("entries/002.p", 1),
        ("1/000.p", 1),
    ] {
        assert_eq!(partials(folder), left, "{folder}");
    }
}

/// The leaves stand, so an error that says otherwise would have the client write its rows twice.
#[tokio::test]
async fn a_receipt_that_cannot_be_made_leaves_the_outcome_unknown_and_not_denied() {
    let ledger = TestLedger::start();
    let node = ledger.node();
    let first = statement(node.origin(), node.writer(), "table/t", 0, None, "one");
    let proposal = || Proposal {
        statements: vec![first.clone()],
    };
    assert!(matches!(node.notarize(proposal()).await, Ok(Outcome::Certified(_))));
    // the last bundle, while it is not full, is held in memory
    let filling = (1..256).map(|n| statement(node.origin(), node.writer(), &format!("table/t{n}"), 0, None, "more"));
    let filling = Proposal {
        statements: filling.collect(),
    };
    assert!(matches!(node.notarize(filling).await, Ok(Outcome::Certified(_))));
    let (bundle, aside) = ("tile/entries/000", "aside");
    let public = node.public_dir();
    std::fs::rename(public.join(bundle), public.join(aside)).unwrap();
    assert!(matches!(node.notarize(proposal()).await, Err(Error::OutcomeUnknown)));
    std::fs::rename(public.join(aside), public.join(bundle)).unwrap();
    match node.notarize(proposal()).await.unwrap() {
        Outcome::Certified(receipts) => assert_eq!(receipts[0].index, LeafIndex(0)),
        Outcome::Conflict(conflict) => panic!("a conflict: {conflict:?}"),
    }
}
