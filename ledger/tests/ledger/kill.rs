//! A process that is killed while it notarizes: what it acknowledged is there, once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dab_ledger::node::{Node, NodeConfig, NodeLimits};
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::statement;
use dab_proof::report::Verdict;

const CHILD_DIR: &str = "DAB_LEDGER_KILL_TEST_DIR";
const KILLS: u64 = 12;

fn config(dir: &Path) -> NodeConfig {
    let limits = NodeLimits {
        flush_entries_max: 20,
        segment_bytes: 32 << 10,
        ..NodeLimits::default()
    };
    NodeConfig {
        limits,
        ..NodeConfig::in_dir(dir)
    }
}

/// Not a test: the process that is killed. Four writers, each on its own subject, print what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test that kills it"]
async fn child_that_notarizes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let node = Node::start(config(Path::new(&dir))).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        writers.spawn(notarize_for_ever(Arc::clone(&node), writer));
    }
    // only a failure ends a writer
    writers.join_next().await.unwrap().unwrap();
}

async fn notarize_for_ever(node: Arc<Node>, writer: u64) {
    let name = format!("table/{writer}");
    loop {
        let head = node.head(&name.parse().unwrap()).await.unwrap();
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        let next = statement(
            node.origin(),
            node.writer(),
            &name,
            sequence,
            parent,
            &sequence.to_string(),
        );
        match node.notarize(Proposal { statements: vec![next] }).await.unwrap() {
            Outcome::Certified(receipts) => println!("ack {writer} {sequence} {}", receipts[0].index),
            Outcome::Conflict(conflict) => panic!("{conflict:?}"),
        }
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(u64, u64, u64)> = Vec::new();
    for kill in 0..KILLS {
        // later each time, and never at a round number
        acknowledged.extend(run_and_kill(dir.path(), Duration::from_millis(150 + kill * 37)));
        let node = Node::start(config(dir.path())).unwrap();
        for &(writer, sequence, index) in &acknowledged {
            let subject = format!("table/{writer}").parse().unwrap();
            let found = node
                .notarized(&subject, sequence)
                .await
                .unwrap()
                .expect("an acknowledged leaf");
            assert_eq!(found.leaf_index.0, index);
        }
        let heads = node.subjects("table/").await.unwrap();
        let leaves: u64 = heads.iter().map(|(_, head)| head.sequence + 1).sum();
        assert_eq!(leaves, node.certified().await.size.0);
        let report = node.fsck().unwrap();
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    }
    assert!(
        acknowledged.len() > 50,
        "only {} acknowledgements in {KILLS} runs",
        acknowledged.len()
    );
}

fn run_and_kill(dir: &Path, after: Duration) -> Vec<(u64, u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::child_that_notarizes_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        // a line that the kill tore does not count as read by the client
        let numbers = |line: String| -> Option<(u64, u64, u64)> {
            let mut words = line.strip_prefix("ack ")?.split(' ').map(str::parse);
            let ack = (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
            Some(ack)
        };
        lines.filter_map(numbers).collect::<Vec<_>>()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}
