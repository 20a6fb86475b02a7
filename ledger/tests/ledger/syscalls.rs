//! Counts what one proposal asks of the disk, as the kernel sees it.

use std::path::Path;
use std::process::Command;

use dab_ledger::node::{Node, NodeConfig};
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::statement;

use crate::say::{skip, works};

const CHILD_DIR: &str = "DAB_LEDGER_SYSCALL_TEST_DIR";
const PROPOSALS: u64 = 20;
const TEST: &str = "ledger::syscalls";

/// Not a test: the process under strace. Opening a file marks where counting begins and ends.
#[tokio::test]
#[ignore = "run under strace by the test that counts"]
async fn child_that_notarizes_between_two_marks() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let node = Node::start(NodeConfig::in_dir(Path::new(&dir).join("data"))).unwrap();
    let mark = |name: &str| drop(std::fs::File::create(Path::new(&dir).join(name)).unwrap());
    mark("mark-begin");
    let mut parent = None;
    for sequence in 0..PROPOSALS {
        let next = statement(node.origin(), node.writer(), "table/t", sequence, parent, "x");
        parent = Some(next.leaf.hash());
        let outcome = node.notarize(Proposal { statements: vec![next] }).await.unwrap();
        assert!(matches!(outcome, Outcome::Certified(_)));
    }
    mark("mark-end");
}

#[test]
fn a_lone_proposal_costs_one_fdatasync_and_no_other_sync() {
    if !works("strace", &["-o", "/dev/null", "true"]) {
        return skip(TEST, "strace is not installed, or may not trace here");
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let output = Command::new("strace")
        .args([
            "-f",
            "-s",
            "300",
            "-e",
            "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync,openat",
            "-o",
        ])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "syscalls::child_that_notarizes_between_two_marks",
            "--ignored",
        ])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let trace = std::fs::read_to_string(trace).unwrap();
    let between: Vec<&str> = trace
        .lines()
        .skip_while(|line| !line.contains("mark-begin"))
        .take_while(|line| !line.contains("mark-end"))
        .filter(|line| !line.contains("resumed"))
        .collect();
    let count = |call: &str| {
        between
            .iter()
            .filter(|line| line.contains(&format!(" {call}(")))
            .count() as u64
    };
    assert_eq!(count("fdatasync"), PROPOSALS);
    for other in ["fsync", "sync", "syncfs", "sync_file_range", "msync"] {
        assert_eq!(count(other), 0, "{other}");
    }
}
