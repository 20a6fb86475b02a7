//! Leaves a second and the time from the call to the certified proof, of a new ledger.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dab_ledger::node::{Node, NodeLimits};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::group::TestGroup;
use dab_ledger::testing::{believe_signatures, statement};
use dab_proof::writers::Writers;
use serde_json::Value;

use crate::clients::{self, Load, at};
use crate::process::Cpu;

/// The smallest group of which one may lie.
pub(crate) const REPLICAS: usize = 4;

/// Checks of a signature that are timed.
const CHECKS: u64 = 1000;

pub(crate) async fn measure(load: &Load) -> Value {
    if load.unsigned {
        believe_signatures();
    }
    let group = start().await;
    let nodes: Vec<_> = group.running().cloned().collect();
    let check = check_of_a_signature(&nodes[0]);
    let (cpu, syncs) = (Cpu::now(), raft_log_syncs(&nodes));
    let answered = clients::run(&nodes, load).await;
    // of the warm-up as well: shares and ratios, no rates
    let (cpu, syncs) = (Cpu::now().since(&cpu), raft_log_syncs(&nodes) - syncs);
    let leaves: u64 = nodes[0].status().tree_size.0;
    let mut figures = answered.figures();
    figures["fdatasyncs_per_leaf"] = (syncs as f64 / leaves as f64).into();
    figures["cpu_ms_per_leaf"] = (cpu.total_s * 1e3 / leaves as f64).into();
    figures["raft_threads_share"] = (cpu.raft_threads_s / cpu.total_s).into();
    figures["check_us"] = (check.as_secs_f64() * 1e6).into();
    figures
}

/// A new group with a node's own bounds, all of whose replicas serve.
pub(crate) async fn start() -> TestGroup {
    let group = TestGroup::start_with(REPLICAS, |limits| *limits = NodeLimits::default()).await;
    for node in group.running() {
        node.ready().await.expect("the replica serves");
    }
    group
}

fn raft_log_syncs(nodes: &[Arc<Node>]) -> u64 {
    nodes.iter().map(|node| node.raft_log_syncs()).sum()
}

/// Time to check one leaf's signature and writer: the median.
fn check_of_a_signature(node: &Node) -> Duration {
    let writers = format!("{} *\n", node.writer().verifier());
    let writers = Writers::parse(writers.as_bytes()).expect("a writer");
    let times = (0..CHECKS).map(|number| {
        let body = number.to_string();
        let leaf = statement(node.origin(), node.writer(), "table/check", 0, None, &body).leaf;
        let began = Instant::now();
        let _ = black_box(leaf.verify_new(&writers)).expect("its writer's");
        began.elapsed()
    });
    let mut times: Vec<_> = times.collect();
    times.sort();
    at(&times, 500)
}
