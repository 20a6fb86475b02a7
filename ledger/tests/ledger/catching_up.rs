//! A replica that was away for longer than the others keep their raft logs: does it come to have what they have?

use dab_ledger::node::{Node, NodeLimits};
use dab_ledger::notary::{Notary, Outcome, Proposal, Statement};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::group::TestGroup;
use dab_ledger::testing::sim_disk::DiskFaults;
use dab_ledger::testing::{private_statement, statement};
use dab_proof::leaf::Subject;
use dab_proof::report::Verdict;
use dab_proof::tile::{self, BundlePath};

use crate::cores::{Cores, Lie, ORIGIN, ROUNDS_MAX, writer};
use crate::writing::last;

/// More than one bundle, so that a whole one is fetched and one that is not.
const LEAVES: u64 = 300;

/// A group that keeps hardly any raft log.
async fn forgetful_group() -> TestGroup {
    TestGroup::start_with(4, |limits| {
        limits.segment_bytes = 4096;
        limits.raft_log_bytes_max = 0;
        limits.flush_entries_max = 4;
    })
    .await
}

/// The statements that follow one another on a subject; every tenth with a private body.
fn statements(
    node: &Node,
    subject: &str,
    from: u64,
    count: u64,
    mut parent: Option<dab_proof::hash::Hash>,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    for sequence in from..from + count {
        let make = if sequence.is_multiple_of(10) {
            private_statement
        } else {
            statement
        };
        let body = format!("body {sequence}");
        let one = make(node.origin(), node.writer(), subject, sequence, parent, &body);
        parent = Some(one.leaf.hash());
        statements.push(one);
    }
    statements
}

async fn write(node: &Node, subject: &str, count: u64) {
    let parsed: Subject = subject.parse().unwrap();
    let head = node.head(&parsed).await.unwrap();
    let (from, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
    for one in statements(node, subject, from, count, parent) {
        let outcome = node.notarize(Proposal { statements: vec![one] }).await.unwrap();
        assert!(matches!(outcome, Outcome::Certified(_)), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_raft_logs_hold_no_more_is_taken_over_leaf_by_leaf() {
    let mut group = forgetful_group().await;
    write(group.node(0), "table/t", 3).await;
    let away = (group.leader().await + 1) % 4;
    group.crash(away);
    let there = (away + 1) % 4;
    write(group.node(there), "table/t", LEAVES).await;
    write(group.node(there), "digest/x", 2).await;
    group.restart(away).await.unwrap();
    let back = group.node(away);
    back.ready().await.unwrap();
    let incoming = group.dir(away).join("private/incoming");
    assert!(
        incoming.is_dir(),
        "it did not have to fetch anything, so this test shows nothing"
    );
    assert_eq!(
        std::fs::read_dir(&incoming).unwrap().count(),
        0,
        "what was fetched is left behind"
    );
    assert_eq!(last(back, "table/t").await, Some(LEAVES + 2));
    assert_eq!(last(back, "digest/x").await, Some(1));
    let subject: Subject = "table/t".parse().unwrap();
    for sequence in [0, 10, 270, LEAVES] {
        let body = back.body(&subject, sequence).await.unwrap().unwrap();
        assert_eq!(body, format!("body {sequence}").as_bytes());
    }
    assert_eq!(back.body(&subject, 11).await.unwrap(), None);
    let report = back.fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let files = ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"];
    for file in files {
        let of = |n: usize| std::fs::read(group.dir(n).join("public").join(file)).unwrap();
        assert!(of(away) == of(there), "{file} differs");
    }
    // it counts again: without another one, the quorum needs it
    let gone = (0..4).find(|n| *n != away && *n != there).unwrap();
    group.crash(gone);
    write(group.node(away), "table/t", 3).await;
    assert_eq!(last(group.node(there), "table/t").await, Some(LEAVES + 5));
    // and it starts again from its own files
    group.crash(away);
    group.restart(away).await.unwrap();
    write(group.node(away), "table/t", 1).await;
    assert_eq!(last(group.node(there), "table/t").await, Some(LEAVES + 6));
}

/// Cores that keep hardly any raft log, of which the fourth has missed what the others certified.
fn left_behind() -> (Cores, Statement) {
    let mut cores = Cores::start(NodeLimits {
        segment_bytes: 2048,
        raft_log_bytes_max: 0,
        flush_entries_max: 4,
        flush_leaves_max: 64,
        ..NodeLimits::default()
    });
    let mut parent = None;
    for sequence in 0..280 {
        if sequence == 2 {
            cores.stop(4);
        }
        let one = statement(ORIGIN, &writer(), "table/t", sequence, parent, "body");
        parent = Some(one.leaf.hash());
        cores.certify(1, one);
    }
    (cores, statement(ORIGIN, &writer(), "table/t", 280, parent, "body"))
}

fn is_even(cores: &mut Cores) -> bool {
    let one = cores.core(1).state();
    let four = cores.core(4).state();
    one.tree == four.tree && four.certified == one.tree.0
}

/// Behind each write and sync of a take-over the disk fails and the power goes: whatever it kept, the replica starts again
/// from it, and comes to have what the others have.
#[test]
fn a_take_over_goes_on_wherever_the_power_was_cut() {
    let (behind, next) = left_behind();
    let mut cuts = 0;
    for successes in 0.. {
        let mut cores = behind.again();
        cores.disk(4).set_faults(DiskFaults {
            successes_left: Some(successes),
            ..DiskFaults::default()
        });
        let mut failed = Vec::new();
        for _ in 0..ROUNDS_MAX {
            failed = cores.round();
            if !failed.is_empty() || is_even(&mut cores) {
                break;
            }
        }
        if failed.is_empty() {
            break;
        }
        cuts += 1;
        cores.disk(4).set_faults(DiskFaults::default());
        let mut drawn = successes;
        cores.disk(4).crash(&mut |count| {
            // any spread will do, as long as a run can be repeated
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (drawn >> 33) as usize % count
        });
        let restarted = cores.restart(4);
        assert!(restarted.is_ok(), "after {successes} writes: {restarted:?}");
        cores.rounds_until(is_even);
        // the leader hears of it, so that what comes next comes here
        cores.certify(1, next.clone());
        cores.rounds_until(is_even);
    }
    assert!(cuts > 20, "only {cuts} cuts: this test shows little");
}

/// Whoever lies about the leaves is found out, and another one asked.
#[test]
fn a_lying_source_costs_time_and_nothing_else() {
    let lies: [(&str, Lie); 4] = [
        ("nothing", |_, _| None),
        ("garbage", |_, _| Some(b"garbage".to_vec())),
        ("a changed byte", |_, mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            Some(bytes)
        }),
        // well formed and signed, but not what is certified
        ("another history", |path, bytes| {
            match path.starts_with("tile/entries") {
                true => {
                    let count = tile::decode_bundle(&bytes, path.parse::<BundlePath>().unwrap().width())
                        .unwrap()
                        .len();
                    let other = |n: usize| statement(ORIGIN, &writer(), &format!("table/x{n}"), 0, None, "x");
                    let entries: Vec<_> = (0..count).map(|n| other(n).leaf.bytes().to_vec()).collect();
                    Some(tile::encode_bundle(&entries).unwrap())
                }
                false => Some(bytes),
            }
        }),
    ];
    let (behind, _) = left_behind();
    for (name, lie) in lies {
        let mut cores = behind.again();
        cores.lie = Some(lie);
        cores.rounds_until(is_even);
        assert!(cores.lies_told > 0, "{name}: the liar was never asked");
    }
}
