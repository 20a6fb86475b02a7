//! Latency and throughput of notarizing, on the disk that holds the temporary directory (`TMPDIR` chooses another).
//!
//! `cargo bench -p dab-ledger --features testing --bench notarize`
//!
//! Back to back is the harder case: ext4 does not give out an inode again for seconds after it was freed, and looks past
//! all of them whenever a file is made, so thousands of replaced checkpoints make each new file dearer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::{TestLedger, statement};

const CLIENTS: u64 = 64;
const PROPOSALS_PER_CLIENT: u64 = 100;

#[tokio::main]
async fn main() {
    let disk = fdatasync_alone();
    println!("fdatasync of 1 KiB appended: median {}", ms(disk[disk.len() / 2]));
    lone("one client, 20 proposals a second", 100, Duration::from_millis(50)).await;
    lone("one client, back to back", 500, Duration::ZERO).await;
    crowd().await;
}

async fn lone(what: &str, proposals: u64, pause: Duration) {
    let ledger = TestLedger::start();
    let node = ledger.node();
    let syncs = node.raft_log_syncs();
    let (mut times, mut parent) = (Vec::new(), None);
    for sequence in 0..proposals {
        tokio::time::sleep(pause).await;
        let next = statement(node.origin(), node.writer(), "table/t", sequence, parent, "x");
        parent = Some(next.leaf.hash());
        let start = Instant::now();
        let outcome = node
            .notarize(Proposal { statements: vec![next] })
            .await
            .expect("an outcome");
        times.push(start.elapsed());
        assert!(matches!(outcome, Outcome::Certified(_)));
    }
    times.sort();
    let at = |per_mille: usize| ms(times[times.len() * per_mille / 1000]);
    let syncs = (node.raft_log_syncs() - syncs) as f64 / proposals as f64;
    println!(
        "{what}: median {}, p99 {}, {syncs} fdatasync per proposal",
        at(500),
        at(990)
    );
}

async fn crowd() {
    let ledger = TestLedger::start();
    let node = ledger.node();
    let syncs = node.raft_log_syncs();
    let start = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let node = Arc::clone(node);
            tokio::spawn(async move {
                let (name, mut parent) = (format!("table/{client}"), None);
                for sequence in 0..PROPOSALS_PER_CLIENT {
                    let next = statement(node.origin(), node.writer(), &name, sequence, parent, "x");
                    parent = Some(next.leaf.hash());
                    let outcome = node
                        .notarize(Proposal { statements: vec![next] })
                        .await
                        .expect("an outcome");
                    assert!(matches!(outcome, Outcome::Certified(_)));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    let seconds = start.elapsed().as_secs_f64();
    let leaves = CLIENTS * PROPOSALS_PER_CLIENT;
    let syncs = node.raft_log_syncs() - syncs;
    println!(
        "{CLIENTS} clients: {:.0} leaves/s, {:.1} leaves per fdatasync",
        leaves as f64 / seconds,
        leaves as f64 / syncs as f64
    );
}

fn fdatasync_alone() -> Vec<Duration> {
    use std::io::Write;
    let mut file = tempfile::tempfile().expect("a file");
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            file.write_all(&[7; 1024]).expect("a write");
            let start = Instant::now();
            file.sync_data().expect("a sync");
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
