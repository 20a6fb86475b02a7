//! A long ledger, filled as fast as honest use allows: proposals of as many statements as one may have, several of them
//! under way, each leaf signed, and each signature checked by each replica.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dab_ledger::node::Node;
use dab_ledger::notary::PROPOSAL_STATEMENTS_MAX;
use serde_json::{Value, json};

use crate::clients::{Client, certify};
use crate::lasting_group::{FILLED, LastingGroup};
use crate::process::{bytes_below, resident_bytes};

/// Proposals under way at the same time; with as many statements each, the ledger has about a thousand subjects.
const PROPOSERS: usize = 4;
/// Parts of the ledger whose times are told apart.
const PARTS: u64 = 10;

pub(crate) async fn measure(dir: &Path, leaves: u64) -> Value {
    let group = LastingGroup::in_dir(dir);
    group.found().await;
    let resident = resident_bytes();
    let nodes = group.start_filled().await;
    let (taken, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut proposers = Vec::new();
    for proposer in 0..PROPOSERS {
        let (node, taken) = (Arc::clone(&nodes[proposer % FILLED]), Arc::clone(&taken));
        proposers.push(tokio::spawn(propose(node, proposer, leaves, taken, began)));
    }
    let mut answers = Vec::new();
    for proposer in proposers {
        answers.extend(proposer.await.expect("a proposer"));
    }
    answers.sort();
    let seconds = began.elapsed().as_secs_f64();
    let leaves = nodes[0].status().certified_size.0;
    json!({
        "leaves": leaves,
        "seconds": seconds,
        "per_s": leaves as f64 / seconds,
        "per_s_by_part": rates(&answers),
        "resident_bytes_per_replica": resident_bytes().saturating_sub(resident) / FILLED as u64,
        "disk_bytes": {
            "public": bytes_below(&group.config(0).public_dir),
            "private": bytes_below(&group.config(0).private_dir),
        },
    })
}

/// Proposes until enough was taken; gives the time of each answer in seconds.
async fn propose(node: Arc<Node>, proposer: usize, leaves: u64, taken: Arc<AtomicU64>, began: Instant) -> Vec<u64> {
    let mut clients = Vec::new();
    for table in 0..PROPOSAL_STATEMENTS_MAX {
        clients.push(Client::new(&node, format!("table/{proposer}-{table}")).await);
    }
    let mut answers = Vec::new();
    while taken.fetch_add(PROPOSAL_STATEMENTS_MAX as u64, Ordering::Relaxed) < leaves {
        certify(&node, clients.iter_mut().map(Client::next).collect()).await;
        answers.push(began.elapsed().as_micros() as u64);
    }
    answers
}

/// Leaves a second in each part of the ledger, in its order.
fn rates(answers_us: &[u64]) -> Vec<f64> {
    let parts = answers_us.chunks(answers_us.len().div_ceil(PARTS as usize).max(1));
    let mut before = 0;
    parts
        .map(|part| {
            let leaves = part.len() * PROPOSAL_STATEMENTS_MAX;
            let end = *part.last().expect("a part has answers");
            let seconds = (end - before).max(1) as f64 / 1e6;
            before = end;
            leaves as f64 / seconds
        })
        .collect()
}
