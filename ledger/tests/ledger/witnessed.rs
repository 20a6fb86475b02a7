//! A node alone whose policy asks for a witness: does it wait for it, and go on when it is back?

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dab_ledger::Error;
use dab_ledger::clock::SystemClock;
use dab_ledger::node::{Node, NodeConfig, NodeLimits};
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::statement;
use dab_ledger::witness::{ANSWER_BYTES_MAX, HttpAnswer, Witness, WitnessConfig, WitnessHttp, router};
use tower::ServiceExt;

/// A witness in this process, which may be away.
#[derive(Clone, Debug)]
struct Nearby {
    witness: Arc<Witness>,
    is_away: Arc<AtomicBool>,
}

#[async_trait]
impl WitnessHttp for Nearby {
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err("nobody listens".to_owned());
        }
        let request = Request::post("/add-checkpoint").body(Body::from(body)).unwrap();
        let answer = router(Arc::clone(&self.witness)).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.unwrap().to_vec();
        Ok(HttpAnswer { status, body })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_certifies_with_its_witness_and_not_without() {
    let dir = tempfile::tempdir().unwrap();
    let config = NodeConfig {
        limits: NodeLimits {
            request_ticks_max: 3,
            ..NodeLimits::default()
        },
        ..NodeConfig::in_dir(dir.path().join("node"))
    };
    drop(Node::start(config.clone()).unwrap());
    let policy = config.trust_dir.join("policy");
    let log = fs::read_to_string(&policy).unwrap();
    let log = log.lines().find(|line| line.starts_with("log ")).unwrap().to_owned();
    let witness = Witness::open(WitnessConfig {
        dir: dir.path().join("witness"),
        name: Some("w.example".to_owned()),
        logs: vec![log.split(' ').nth(1).unwrap().parse().unwrap()],
        clock: Arc::new(SystemClock),
    });
    let nearby = Nearby {
        witness: Arc::new(witness.unwrap()),
        is_away: Arc::default(),
    };
    let key = nearby.witness.verifier().clone();
    // somebody whom it cannot ask
    fs::write(&policy, format!("{log}\nwitness w {key}\nquorum w\n")).unwrap();
    let told = Node::start(config.clone()).unwrap_err().to_string();
    assert!(told.contains("only witnesses with a URL"), "{told}");
    fs::write(
        &policy,
        format!("{log}\nwitness w {key} https://w.example/\nquorum w\n"),
    )
    .unwrap();
    let node = Node::start(config.clone()).unwrap();
    node.ask_witness(key.clone(), Arc::new(nearby.clone()), Arc::new(SystemClock));

    let first = statement(node.origin(), node.writer(), "table/t", 0, None, "one");
    let propose = |statement: &dab_ledger::notary::Statement| Proposal {
        statements: vec![statement.clone()],
    };
    let Outcome::Certified(receipts) = node.notarize(propose(&first)).await.unwrap() else {
        panic!("a conflict");
    };
    let verified = receipts[0].verify(&node.trust()).unwrap();
    assert_eq!(verified.certification.cosigners[0].key_name, "w.example");
    assert!(!node.certified().await.certifies_alone);

    nearby.is_away.store(true, Ordering::Relaxed);
    let parent = Some(receipts[0].leaf.hash());
    let second = statement(node.origin(), node.writer(), "table/t", 1, parent, "two");
    let told = node.notarize(propose(&second)).await.unwrap_err();
    assert!(matches!(told, Error::Sequenced { leaf_index: 1 }), "{told}");
    let subject = "table/t".parse().unwrap();
    let read = node.head(&subject).await.unwrap_err();
    assert!(matches!(read, Error::NoQuorum) && read.is_retryable(), "{read}");
    assert_eq!(node.certified().await.size.0, 1);

    // over a restart, too
    drop(node);
    let node = Node::start(config).unwrap();
    node.ask_witness(key, Arc::new(nearby.clone()), Arc::new(SystemClock));
    assert_eq!(node.certified().await.size.0, 1);
    nearby.is_away.store(false, Ordering::Relaxed);
    node.ready().await.unwrap();
    assert_eq!(node.head(&subject).await.unwrap().unwrap().sequence, 1);
    let Outcome::Certified(again) = node.notarize(propose(&second)).await.unwrap() else {
        panic!("the statement lost against itself");
    };
    assert_eq!(again[0].index.0, 1);
}
