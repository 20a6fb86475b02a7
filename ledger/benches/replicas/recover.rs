//! A ledger after a crash of all its replicas: how soon it is there again, what its proofs cost, what an audit takes.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use dab_ledger::node::{Node, NodeConfig};
use dab_ledger::reader::LedgerReader;
use dab_proof::audit::audit_ledger;
use dab_proof::files::{DirSource, read_trust};
use dab_proof::receipt::Receipt;
use dab_proof::report::Verdict;
use dab_proof::tree::LeafIndex;
use dab_proof::trust::Trust;
use serde_json::{Value, json};

use crate::clients::{self, Client, Load, at, ms};
use crate::lasting_group::{FILLED, LastingGroup};
use crate::process::resident_bytes;

/// Spreads the looked-at leaves over the ledger: prime, and far from a power of two.
const STRIDE: u64 = 7_368_787;
/// Clients on the ledger as it is.
const CLIENTS: usize = 64;

pub(crate) async fn measure(dir: &Path, proofs: usize) -> Value {
    let group = LastingGroup::in_dir(dir);
    let (resident, began) = (resident_bytes(), Instant::now());
    let mut nodes = vec![group.start(0).await];
    let replayed = began.elapsed();
    let resident = resident_bytes().saturating_sub(resident);
    for n in 1..FILLED {
        nodes.push(group.start(n).await);
    }
    let started = began.elapsed();
    let mut client = Client::new(&nodes[0], "table/recovered".to_owned()).await;
    let statement = client.next();
    client.notarize(statement).await;
    let certified = began.elapsed();
    let config = group.config(0);
    let trust = read_trust(&config.trust_dir).expect("the trust folder");
    let proofs = receipts(&nodes[0], &trust, proofs).await;
    let derived = nodes[0].status().certified_size.0 as f64 / audit(&config, &trust).as_secs_f64();
    let load = Load {
        clients: CLIENTS,
        ..Load::default()
    };
    let answered = clients::run(&nodes, &load).await;
    json!({
        "leaves": nodes[0].status().certified_size.0,
        "replayed_ms": ms(replayed),
        "started_ms": ms(started),
        "certified_ms": ms(certified),
        "resident_bytes": resident,
        "proofs": proofs,
        "leaves_derived_per_s": derived,
        "load": answered.figures(),
    })
}

/// Sizes of receipts and the time to check one, from its text.
async fn receipts(node: &Node, trust: &Trust, count: usize) -> Value {
    let leaves = node.certified().await.size.0;
    let (mut bytes, mut hashes, mut made, mut checked) = (Vec::new(), 0, Vec::new(), Vec::new());
    for number in 0..count as u64 {
        let index = LeafIndex(number.wrapping_mul(STRIDE) % leaves);
        let began = Instant::now();
        let receipt = node.receipt(index).await.expect("a receipt");
        made.push(began.elapsed());
        let text = receipt.to_text();
        hashes = hashes.max(receipt.proof.len());
        bytes.push(text.len());
        let began = Instant::now();
        let receipt = Receipt::parse(text.as_bytes()).expect("a receipt");
        black_box(receipt.verify(trust).expect("a good receipt"));
        checked.push(began.elapsed());
    }
    made.sort();
    checked.sort();
    bytes.sort_unstable();
    json!({
        "count": count,
        "bytes_median": bytes[bytes.len() / 2],
        "bytes_max": bytes.last(),
        "hashes_max": hashes,
        "made_p50_ms": ms(at(&made, 500)),
        "made_p99_ms": ms(at(&made, 990)),
        "checked_p50_ms": ms(at(&checked, 500)),
        "checked_p99_ms": ms(at(&checked, 990)),
    })
}

/// Everything derived again from the public files, as an auditor does: on one core.
fn audit(config: &NodeConfig, trust: &Trust) -> Duration {
    let began = Instant::now();
    let report = audit_ledger(&DirSource::new(&config.public_dir), trust, None);
    let taken = began.elapsed();
    assert_eq!(report.verdict(), Verdict::Valid, "{report:?}");
    taken
}
