//! Writers that are registered and revoked: who may write from which leaf on, alone and among replicas, and who can check it.

use dab_ledger::Error;
use dab_ledger::approval::{apply_change, approve, draft, review, writers};
use dab_ledger::epoch::{Change, NewWriter};
use dab_ledger::node::{Node, NodeConfig};
use dab_ledger::peer::ReplicaId;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_ledger::testing::group::TestGroup;
use dab_proof::epoch::{follow_changes, parse_changes};
use dab_proof::note::SigningKey;
use dab_proof::receipt::Receipt;
use dab_proof::report::Verdict;
use dab_proof::trust::Trust;

use crate::writing::{next, notarize};

fn backup() -> SigningKey {
    SigningKey::generate("backup", &[60; 32]).unwrap()
}

fn register(key: &SigningKey, globs: &[&str]) -> Change {
    Change {
        registers: Some(NewWriter {
            key: key.verifier().clone(),
            globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
        }),
        ..Change::default()
    }
}

fn revoke(key: &SigningKey) -> Change {
    Change {
        revokes: Some(key.verifier().clone()),
        ..Change::default()
    }
}

async fn write_as(node: &Node, key: &SigningKey, subject: &str, body: &str) -> Result<Receipt, Error> {
    notarize(node, next(node, key, subject, body).await).await
}

#[track_caller]
fn refused<T>(outcome: Result<T, Error>, reason: &str) {
    match outcome.map(drop) {
        Err(error @ Error::Refused { .. }) => assert!(error.to_string().contains(reason), "{error}"),
        other => panic!("{other:?} instead of a refusal"),
    }
}

/// Applies a change where one node is alone; the index of its leaf.
async fn change(ledger: &TestLedger, change: &Change) -> u64 {
    let node = ledger.node();
    let approved = draft(&NodeConfig::in_dir(ledger.dir()), change).unwrap();
    assert!(approved.is_approved());
    let receipt = apply_change(&**node, &**node, node.writer(), &approved.change)
        .await
        .unwrap();
    // who may write is known everywhere by now
    let known = review(&NodeConfig::in_dir(ledger.dir()), &approved.change.to_bytes()).unwrap();
    assert_eq!(known.applied_by, Some(receipt.index));
    receipt.index.0
}

/// The trust directory as it lies there, and whether the ledger's own audit agrees with it.
fn trusted(ledger: &TestLedger) -> Trust {
    let text = |name: &str| std::fs::read_to_string(ledger.dir().join("trust").join(name)).unwrap();
    let report = ledger.node().fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    Trust::from_texts(text("policy"), text("writers"), None).unwrap()
}

#[tokio::test]
async fn a_policy_that_a_lone_operator_has_changed_meanwhile_is_no_part_of_a_change_of_writers() {
    let (ledger, backup) = (TestLedger::start(), backup());
    change(&ledger, &register(&backup, &["digest/backup"])).await;
    let path = ledger.dir().join("trust/policy");
    let witness = SigningKey::generate_cosigner("w.example/w", &[61; 32]).unwrap();
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("{policy}witness w {} https://w.example/\n", witness.verifier()),
    )
    .unwrap();
    // it is drafted, applied and reviewed under the new policy, behind a change that was under the old one
    change(&ledger, &revoke(&backup)).await;
}

#[tokio::test]
async fn a_node_that_is_alone_registers_a_key_and_revokes_it_and_old_leaves_still_verify() {
    let mut ledger = TestLedger::start();
    let (backup, first) = (backup(), trusted(&ledger));
    ledger.notarize("table/t", "before").await;
    refused(
        write_as(ledger.node(), &backup, "digest/backup", "early").await,
        "does not list",
    );
    assert_eq!(change(&ledger, &register(&backup, &["digest/backup"])).await, 1);
    let old = write_as(ledger.node(), &backup, "digest/backup", "old").await.unwrap();
    refused(
        write_as(ledger.node(), &backup, "digest/other", "elsewhere").await,
        "may not write subject digest/other",
    );
    old.verify(&trusted(&ledger)).unwrap();
    assert!(old.verify(&first).is_err());
    // a restart goes on with what the ledger says, also where nothing was flushed
    ledger.crash_and_reopen();
    write_as(ledger.node(), &backup, "digest/backup", "again")
        .await
        .unwrap();
    let revoked = change(&ledger, &revoke(&backup)).await;
    assert_eq!(revoked, 4);
    for _ in 0..2 {
        refused(
            write_as(ledger.node(), &backup, "digest/backup", "late").await,
            "a key that is revoked from leaf 5 on",
        );
        old.verify(&trusted(&ledger)).unwrap();
        old.verify(&ledger.node().trust()).unwrap();
        ledger.crash_and_reopen();
    }
    ledger.notarize("table/t", "the node itself goes on").await;
    // whoever has the first trust directory follows by the ledger's own word
    let policy = std::fs::read(ledger.dir().join("trust/policy")).unwrap();
    let changes = std::fs::read(ledger.dir().join("trust/changes")).unwrap();
    let own = format!("{} *\n", ledger.node().writer().verifier());
    let header = std::fs::read_to_string(ledger.dir().join("trust/writers")).unwrap();
    let first_text = format!("{}\n{own}", header.lines().next().unwrap());
    let steps = follow_changes(&policy, first_text.as_bytes(), None, &parse_changes(&changes).unwrap()).unwrap();
    assert_eq!(steps.iter().map(|step| step.epoch).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(steps[1].text.writers, header);
    assert_eq!(
        std::fs::read_to_string(ledger.dir().join("trust/epoch")).unwrap(),
        "2\n"
    );
}

#[tokio::test]
async fn the_file_of_a_ledger_that_has_changed_its_writers_follows_the_ledger() {
    let mut ledger = TestLedger::start();
    change(&ledger, &register(&backup(), &["digest/*"])).await;
    let trust = ledger.dir().join("trust");
    let right = std::fs::read_to_string(trust.join("writers")).unwrap();
    ledger.crash();
    // edited by hand, lost with all that followed, or never written: as a crash behind the leaf leaves it
    let own = right.split_inclusive('\n').take(2).collect::<String>();
    let stranger = SigningKey::generate("stranger", &[61; 32]).unwrap();
    for found in [own.clone(), format!("{right}{} *\n", stranger.verifier())] {
        std::fs::write(trust.join("writers"), found).unwrap();
        for name in ["changes", "epoch"] {
            std::fs::remove_file(trust.join(name)).unwrap();
        }
        ledger.reopen().unwrap();
        assert_eq!(std::fs::read_to_string(trust.join("writers")).unwrap(), right);
        assert_eq!(std::fs::read_to_string(trust.join("epoch")).unwrap(), "1\n");
        refused(
            write_as(ledger.node(), &stranger, "digest/x", "x").await,
            "does not list",
        );
        ledger.crash();
    }
    // the state anew, from the raft log alone
    std::fs::remove_file(ledger.dir().join("private/state.redb")).unwrap();
    std::fs::remove_dir_all(ledger.dir().join("public/tile")).unwrap();
    std::fs::write(trust.join("writers"), own).unwrap();
    std::fs::remove_file(trust.join("changes")).unwrap();
    ledger.reopen().unwrap();
    assert_eq!(std::fs::read_to_string(trust.join("writers")).unwrap(), right);
    change(&ledger, &revoke(&backup())).await;
    trusted(&ledger);
}

#[tokio::test]
async fn what_a_lone_node_must_not_change_is_refused() {
    let ledger = TestLedger::start();
    let (config, node) = (NodeConfig::in_dir(ledger.dir()), ledger.node());
    let told = draft(&config, &revoke(node.writer())).unwrap_err().to_string();
    assert!(told.contains("is the node's own key"), "{told}");
    // without its signature, with that of a key that it has registered
    change(&ledger, &register(&backup(), &["digest/*", "table/*"])).await;
    let thief = SigningKey::generate("thief", &[61; 32]).unwrap();
    let good = draft(&config, &register(&thief, &["digest/*"])).unwrap().change;
    let forged = dab_proof::note::SignedNote::sign(good.note().text(), &backup()).unwrap();
    let forged = forged.try_into().unwrap();
    refused(
        apply_change(&**node, &**node, node.writer(), &forged).await,
        "the node's own key has to approve",
    );
    refused(
        apply_change(&**node, &**node, &backup(), &good).await,
        "may not write subject members",
    );
    // approved once is applied once
    apply_change(&**node, &**node, node.writer(), &good).await.unwrap();
    change(&ledger, &revoke(&thief)).await;
    refused(
        apply_change(&**node, &**node, node.writer(), &good).await,
        "draft it anew",
    );
    let nowhere = tempfile::tempdir().unwrap();
    let told = draft(&NodeConfig::in_dir(nowhere.path()), &revoke(&thief))
        .unwrap_err()
        .to_string();
    assert!(told.contains("there is no ledger here"), "{told}");
    assert!(!nowhere.path().join("private").exists(), "asking makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_register_and_revoke_by_a_quorum_and_each_of_them_heeds_it() {
    let mut group = TestGroup::start_with(4, |limits| limits.flush_entries_max = 4).await;
    let (backup, first) = (backup(), Trust::clone(&group.node(0).trust()));
    refused(
        write_as(group.node(1), &backup, "digest/backup", "early").await,
        "does not list",
    );
    let two = {
        let drafted = draft(group.config(0), &register(&backup, &["digest/backup"])).unwrap();
        assert_eq!((drafted.approved_by.len(), drafted.needed), (1, 3));
        approve(group.config(1), &drafted.change.to_bytes()).unwrap()
    };
    let node = group.node(0).clone();
    refused(
        apply_change(&*node, &*node, node.writer(), &two.change).await,
        "3 of 4 members have to approve",
    );
    drop(node);
    group.change(0, &register(&backup, &["digest/backup"])).await.unwrap();
    let old = write_as(group.node(2), &backup, "digest/backup", "old").await.unwrap();
    assert!(old.verify(&first).is_err());
    let (_, receipt) = group.change(3, &revoke(&backup)).await.unwrap();
    for n in 0..4 {
        group.node(n).ready().await.unwrap();
        refused(
            write_as(group.node(n), &backup, "digest/backup", "late").await,
            &format!("revoked from leaf {} on", receipt.index.0 + 1),
        );
        old.verify(&group.node(n).trust()).unwrap();
        let report = group.node(n).fsck().unwrap();
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    }
    // one that starts again knows it too
    group.crash(1);
    group.restart(1).await.unwrap();
    group.node(1).ready().await.unwrap();
    refused(
        write_as(group.node(1), &backup, "digest/backup", "late").await,
        "revoked from leaf",
    );
}

/// Before, whoever left could write for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_writes_no_more_and_what_was_written_before_stays_good() {
    let mut group = TestGroup::start_with(4, |limits| {
        limits.segment_bytes = 4096;
        limits.raft_log_bytes_max = 0;
        limits.flush_entries_max = 4;
    })
    .await;
    let first = Trust::clone(&group.node(0).trust());
    let leaving = group.node(3).writer().clone();
    let written = write_as(group.node(3), &leaving, "table/t", "a member's")
        .await
        .unwrap();
    let leaves = Change {
        leaves: Some(ReplicaId(4)),
        ..Change::default()
    };
    // its own node applies it: the leaf of the change is the last one that it may write
    let (_, receipt) = group.change(3, &leaves).await.unwrap();
    group.crash(3);
    for n in 0..3 {
        group.node(n).ready().await.unwrap();
        refused(
            write_as(group.node(n), &leaving, "table/t", "late").await,
            "a key that is revoked from leaf",
        );
        written.verify(&group.node(n).trust()).unwrap();
        receipt.verify(&group.node(n).trust()).unwrap();
    }
    for n in 0..40 {
        write_as(group.node(n % 3), group.node(n % 3).writer(), "table/t", &n.to_string())
            .await
            .unwrap();
    }
    // one that comes later is given the leaves, those of the gone one too, and a number of its own
    let new = group.join(0, None).await.unwrap();
    group.node(new).ready().await.unwrap();
    assert_eq!(group.node(new).member().map(|member| member.id.0), Some(5));
    refused(
        write_as(group.node(new), &leaving, "table/t", "late").await,
        "a key that is revoked from leaf",
    );
    // the first tree that the new members certify
    write_as(group.node(new), group.node(new).writer(), "table/t", "new")
        .await
        .unwrap();
    let report = group.node(new).fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let listed = writers(group.config(0)).unwrap();
    let gone = listed.find(leaving.name(), leaving.verifier().key_id()).unwrap();
    assert_eq!(gone.revoked_from().map(|from| from.0), Some(receipt.index.0 + 1));
    let changes = parse_changes(&std::fs::read(group.dir(new).join("trust/changes")).unwrap()).unwrap();
    let followed = changes
        .iter()
        .zip(0..)
        .fold(first, |trust, (change, epoch)| change.follow(&trust, epoch).unwrap());
    let again = group.node(new).receipt(written.index).await.unwrap();
    assert_eq!(again.verify(&followed).unwrap().writer, leaving.name());
}
