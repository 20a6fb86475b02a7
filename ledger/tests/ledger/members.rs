//! Members that come and go: does the ledger go on under those who are there, and can everybody follow?

use dab_ledger::Error;
use dab_ledger::approval::{apply_change, approve, draft};
use dab_ledger::epoch::Change;
use dab_ledger::node::Node;
use dab_ledger::notary::{Notary, Proposal};
use dab_ledger::peer::ReplicaId;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::group::TestGroup;
use dab_ledger::testing::statement;
use dab_proof::epoch::{EpochChange, parse_changes};
use dab_proof::report::Verdict;
use dab_proof::trust::Trust;

use crate::writing::{last, write};

/// The trust of those who knew the ledger's beginning, after all changes that a replica keeps for them.
fn followed(group: &TestGroup, n: usize, first: &Trust) -> Trust {
    let changes = std::fs::read(group.dir(n).join("trust/changes")).unwrap();
    let follow = |trust: Trust, (epoch, change): (u64, EpochChange)| change.follow(&trust, epoch).unwrap();
    (0..).zip(parse_changes(&changes).unwrap()).fold(first.clone(), follow)
}

/// A machine is lost, another takes its place, and then the quorum rests on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_replica_is_replaced_under_a_new_id() {
    let mut group = TestGroup::start(4).await;
    let first = Trust::clone(&group.node(0).trust());
    let before = write(group.node(0), "table/t", "before").await;
    let lost = group.leader().await;
    group.crash(lost);
    let asked = (lost + 1) % 4;
    let new = group.join(asked, Some(lost)).await.unwrap();
    group.node(new).ready().await.unwrap();
    assert_eq!(last(group.node(new), "table/t").await, Some(0));
    let names = |node: &Node| -> Vec<String> {
        node.members()
            .unwrap()
            .iter()
            .map(|member| member.is.name.clone())
            .collect()
    };
    assert_eq!(names(group.node(new)), names(group.node(asked)));
    assert!(names(group.node(new)).contains(&"n5".to_owned()));
    // three of the four are needed now, and the new one is among them
    group.crash((lost + 2) % 4);
    let receipt = write(group.node(new), "table/t", "after").await;
    receipt.verify(&group.node(asked).trust()).unwrap();
    assert!(receipt.verify(&first).is_err(), "two of the founders cannot certify");
    receipt.verify(&followed(&group, asked, &first)).unwrap();
    before.verify(&first).unwrap();
    let report = group.node(new).fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    // all start again, and it goes on
    for n in [asked, new, (lost + 3) % 4] {
        group.crash(n);
        group.restart(n).await.unwrap();
    }
    write(group.node(asked), "table/t", "again").await;
    assert_eq!(last(group.node(new), "table/t").await, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_one_by_one_and_go_the_leader_too() {
    let mut group = TestGroup::start_with(2, |limits| {
        limits.segment_bytes = 4096;
        limits.raft_log_bytes_max = 0;
        limits.flush_entries_max = 4;
    })
    .await;
    let first = Trust::clone(&group.node(0).trust());
    for n in 0..40 {
        write(group.node(0), "table/t", &n.to_string()).await;
    }
    // what the logs have given up comes as leaves, and the changes before with it
    for n in [2, 3] {
        let joined = group.join(0, None).await.unwrap();
        assert_eq!(joined, n);
        group.node(n).ready().await.unwrap();
        for more in 0..20 {
            write(group.node(n), "table/t", &format!("{n} {more}")).await;
        }
    }
    assert_eq!(group.node(3).certified().await.quorum, "replicas (3 of n1 n2 n3 n4)");
    let leader = group.leader().await;
    let there = (leader + 1) % 4;
    let change = Change {
        leaves: Some(ReplicaId(leader as u64 + 1)),
        ..Change::default()
    };
    group.change(there, &change).await.unwrap();
    write(group.node(there), "table/t", "without it").await;
    group.crash(leader);
    write(group.node(there), "table/t", "still").await;
    let count = group.node(there).members().unwrap().count();
    assert_eq!(count, 3);
    // an id is never given again
    let new = group.join(there, None).await.unwrap();
    group.node(new).ready().await.unwrap();
    let receipt = write(group.node(new), "table/t", "with another").await;
    receipt.verify(&followed(&group, new, &first)).unwrap();
    assert_eq!(
        last(group.node(there), "table/t").await,
        last(group.node(new), "table/t").await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_the_members_cannot_make_is_refused_and_changes_nothing() {
    let mut group = TestGroup::start(4).await;
    let node = group.node(0).clone();
    let told = |change: &Change| draft(group.config(0), change).unwrap_err().to_string();
    let nobody = told(&Change::default());
    assert!(nobody.contains("nobody leaves and nobody joins"), "{nobody}");
    let leaves = Some(ReplicaId(9));
    let unknown = told(&Change {
        leaves,
        ..Change::default()
    });
    assert!(unknown.contains("there is no replica 9"), "{unknown}");
    let twice = node.members().unwrap().iter().next().unwrap().is.clone();
    let joins = Some(twice);
    let twice = told(&Change {
        joins,
        ..Change::default()
    });
    assert!(twice.contains("of another member"), "{twice}");
    // one member, or two, cannot throw out a third
    let leaves = Some(ReplicaId(4));
    let alone = draft(
        group.config(0),
        &Change {
            leaves,
            ..Change::default()
        },
    )
    .unwrap();
    assert_eq!((alone.approved_by.len(), alone.needed), (1, 3));
    let two = approve(group.config(1), &alone.change.to_bytes()).unwrap();
    let again = approve(group.config(1), &two.change.to_bytes()).unwrap();
    assert_eq!(again.approved_by, ["n1", "n2"]);
    let few = apply_change(&*node, &*node, node.writer(), &again.change)
        .await
        .unwrap_err();
    let few = few.to_string();
    assert!(
        few.contains("3 of 4 members have to approve, and these do: n1, n2"),
        "{few}"
    );
    // not by a leaf of one's own making either
    let body = "no epoch";
    let made_up = statement(node.origin(), node.writer(), "members", 0, None, body);
    let refused = node
        .notarize(Proposal {
            statements: vec![made_up],
        })
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert_eq!(node.members().unwrap().count(), 4);
    assert_eq!(node.certified().await.size.0, 0);
    drop(node);
    group.crash(3);
    write(group.node(0), "table/t", "it goes on").await;
}
