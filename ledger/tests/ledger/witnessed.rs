//! Witnesses outside: does a ledger wait for them, go on when one is back, and ask those whom its epoch names?

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dab_ledger::Error;
use dab_ledger::clock::SystemClock;
use dab_ledger::epoch::{Change, WitnessAt};
use dab_ledger::node::{Node, NodeConfig, NodeLimits, ReachWitness};
use dab_ledger::notary::{Notary, Outcome, Proposal};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::group::TestGroup;
use dab_ledger::testing::statement;
use dab_ledger::witness::{ANSWER_BYTES_MAX, HttpAnswer, Witness, WitnessConfig, WitnessHttp, router};
use dab_proof::epoch::{follow_changes, parse_changes};
use dab_proof::note::VerifierKey;
use dab_proof::trust::Trust;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::writing::write;

/// A witness in this process, which may be away, and counts who asks.
#[derive(Clone, Debug)]
struct Nearby {
    witness: Arc<Witness>,
    is_away: watch::Sender<bool>,
    asked: watch::Sender<u64>,
}

impl Nearby {
    fn open(dir: &Path, name: &str, log: &VerifierKey) -> Self {
        let witness = Witness::open(WitnessConfig {
            dir: dir.join(name),
            name: Some(name.to_owned()),
            logs: vec![log.clone()],
            clock: Arc::new(SystemClock),
        });
        Self {
            witness: Arc::new(witness.unwrap()),
            is_away: watch::Sender::new(false),
            asked: watch::Sender::new(0),
        }
    }

    fn at(&self) -> WitnessAt {
        WitnessAt {
            key: self.witness.verifier().clone(),
            url: format!("https://{}/", self.witness.verifier().name()),
        }
    }

    fn asked(&self) -> u64 {
        *self.asked.borrow()
    }

    /// Waits until it is asked once more, which a ledger does again and again while it is away.
    async fn asked_again(&self) {
        let before = self.asked();
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| *asked > before).await.unwrap();
    }
}

#[async_trait]
impl WitnessHttp for Nearby {
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String> {
        self.asked.send_modify(|asked| *asked += 1);
        if *self.is_away.borrow() {
            return Err("nobody listens".to_owned());
        }
        let request = Request::post("/add-checkpoint").body(Body::from(body)).unwrap();
        let answer = router(Arc::clone(&self.witness)).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.unwrap().to_vec();
        Ok(HttpAnswer { status, body })
    }
}

/// The way to these witnesses, by their keys.
fn reach(nearby: &[&Nearby]) -> Arc<ReachWitness> {
    let nearby: Vec<Nearby> = nearby.iter().map(|nearby| (*nearby).clone()).collect();
    Arc::new(move |witness| {
        let found = nearby.iter().find(|nearby| nearby.at() == *witness);
        let found = found.ok_or_else(|| format!("nobody is at {}", witness.url))?;
        Ok(Arc::new(found.clone()))
    })
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
    let nearby = Nearby::open(
        dir.path(),
        "w.example",
        &log.split(' ').nth(1).unwrap().parse().unwrap(),
    );
    let key = nearby.at().key;
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
    let reach = reach(&[&nearby]);
    node.ask_witnesses(reach.clone(), Arc::new(SystemClock));

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

    nearby.is_away.send_replace(true);
    let parent = Some(receipts[0].leaf.hash());
    let second = statement(node.origin(), node.writer(), "table/t", 1, parent, "two");
    let told = node.notarize(propose(&second)).await.unwrap_err();
    assert!(matches!(told, Error::Sequenced { leaf_index: 1 }), "{told}");
    // what was certified before is answered as it was, whoever is away
    let Outcome::Certified(again) = node.notarize(propose(&first)).await.unwrap() else {
        panic!("the statement lost against itself");
    };
    assert_eq!(again[0].index.0, 0);
    let subject = "table/t".parse().unwrap();
    let read = node.head(&subject).await.unwrap_err();
    assert!(matches!(read, Error::NoQuorum) && read.is_retryable(), "{read}");
    assert_eq!(node.certified().await.size.0, 1);

    // over a restart, too
    drop(node);
    let node = Node::start(config).unwrap();
    node.ask_witnesses(reach, Arc::new(SystemClock));
    assert_eq!(node.certified().await.size.0, 1);
    nearby.is_away.send_replace(false);
    node.ready().await.unwrap();
    assert_eq!(node.head(&subject).await.unwrap().unwrap().sequence, 1);
    let Outcome::Certified(again) = node.notarize(propose(&second)).await.unwrap() else {
        panic!("the statement lost against itself");
    };
    assert_eq!(again[0].index.0, 1);
}

fn engage(witness: &Nearby) -> Change {
    Change {
        engages: Some(witness.at()),
        ..Change::default()
    }
}

fn dismiss(witness: &Nearby) -> Change {
    Change {
        dismisses: Some(witness.at().key),
        ..Change::default()
    }
}

/// Who cosigned the last checkpoint besides the replicas, under what the node tells auditors.
async fn outside(node: &Node) -> Vec<String> {
    let (trust, signed) = (node.trust(), node.checkpoint().await.unwrap());
    let certified = trust.policy.verify(&signed).unwrap();
    let outside = certified
        .cosigners
        .into_iter()
        .filter(|cosigner| cosigner.name.starts_with("outside."));
    outside.map(|cosigner| cosigner.key_name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_asks_whom_the_epoch_names_and_nobody_else_whoever_comes_and_goes() {
    let mut group = TestGroup::start(4).await;
    let dir = tempfile::tempdir().unwrap();
    let log = group.node(0).trust().policy.logs()[0].key.clone();
    let [one, two] = ["w1.example", "w2.example"].map(|name| Nearby::open(dir.path(), name, &log));
    let reach = reach(&[&one, &two]);
    let ask = |node: &Node| node.ask_witnesses(Arc::clone(&reach), Arc::new(SystemClock));
    group.running().for_each(|node| ask(node));
    let first = group.files_of_trust(0);
    let before = write(group.node(0), "table/t", "before").await;
    assert_eq!(one.asked() + two.asked(), 0);

    // a replica that is away meanwhile has it all to learn
    let away = (group.leader().await + 1) % 4;
    group.crash(away);
    let asked = (away + 1) % 4;
    group.change(asked, &engage(&one)).await.unwrap();
    assert_eq!(
        outside(group.node(asked)).await,
        ["w1.example"],
        "the first checkpoint of the new epoch is there"
    );
    one.is_away.send_replace(true);
    let size = group.node(asked).certified().await.size;
    let node = Arc::clone(group.node(asked));
    let waiting = tokio::spawn(async move { write(&node, "table/t", "with one").await });
    one.asked_again().await;
    one.asked_again().await;
    assert_eq!(
        group.node(asked).certified().await.size,
        size,
        "certified without its witness"
    );
    one.is_away.send_replace(false);
    waiting.await.unwrap().verify(&group.node(asked).trust()).unwrap();

    // one in place of the other: the old one has to agree, and is left alone from then on
    let replaced = Change {
        dismisses: Some(one.at().key),
        ..engage(&two)
    };
    one.is_away.send_replace(true);
    let group = Arc::new(tokio::sync::Mutex::new(group));
    let changing = Arc::clone(&group);
    let changed = tokio::spawn(async move { changing.lock().await.change(asked, &replaced).await });
    one.asked_again().await;
    one.asked_again().await;
    assert_eq!(
        two.asked(),
        0,
        "the new one is asked before the old one has agreed to be succeeded"
    );
    one.is_away.send_replace(false);
    changed.await.unwrap().unwrap();
    let mut group = Arc::into_inner(group).unwrap().into_inner();
    assert_eq!(outside(group.node(asked)).await, ["w2.example"]);
    // whoever follows the leader's epochs has heard by the time that another leaf is certified
    write(group.node(asked), "table/t", "with two").await;
    let left_alone = one.asked();
    for body in ["still", "and still"] {
        write(group.node(asked), "table/t", body).await;
    }
    assert_eq!(one.asked(), left_alone, "a witness that was dismissed is asked");

    // another leader asks too, and so does whoever comes back
    group.restart(away).await.unwrap();
    ask(group.node(away));
    group.node(away).ready().await.unwrap();
    let leader = group.leader().await;
    group.crash(leader);
    write(group.node(away), "table/t", "under another leader").await;
    assert_eq!(outside(group.node(away)).await, ["w2.example"]);
    group.restart(leader).await.unwrap();
    ask(group.node(leader));

    // the last one goes: the members certify by themselves
    group.change(away, &dismiss(&two)).await.unwrap();
    two.is_away.send_replace(true);
    let last = write(group.node(away), "table/t", "without").await;
    assert_eq!(group.node(away).certified().await.quorum, "replicas (3 of n1 n2 n3 n4)");
    // who knew the beginning can follow to the end, and is not taken there unasked
    let [policy, writers] = first;
    let knew = Trust::from_texts(&policy, &writers, None).unwrap();
    before.verify(&knew).unwrap();
    let changes = parse_changes(&fs::read(group.dir(away).join("trust/changes")).unwrap()).unwrap();
    let steps = follow_changes(&policy, &writers, Some(0), &changes).unwrap();
    assert_eq!(steps.len(), 3);
    let names: Vec<_> = steps
        .iter()
        .map(|step| step.certification.cosigners.last().unwrap().key_name.as_str())
        .collect();
    assert_eq!(
        names[1..],
        ["w1.example", "w2.example"],
        "each step is certified by the witness before"
    );
    let now = Trust::from_texts(&steps[2].text.policy, &steps[2].text.writers, None).unwrap();
    last.verify(&now).unwrap();
    let between = Trust::from_texts(&steps[1].text.policy, &steps[1].text.writers, None).unwrap();
    assert!(last.verify(&between).is_err(), "w2 has not cosigned it");
}

/// Whoever loses one of two loses nothing, and the change brings another in its place while it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_witnesses_one_may_be_lost_and_is_replaced_without_its_word() {
    let group = TestGroup::start(4).await;
    let dir = tempfile::tempdir().unwrap();
    let log = group.node(0).trust().policy.logs()[0].key.clone();
    let [one, two, three] = ["w1.example", "w2.example", "w3.example"].map(|name| Nearby::open(dir.path(), name, &log));
    let reach = reach(&[&one, &two, &three]);
    group
        .running()
        .for_each(|node| node.ask_witnesses(Arc::clone(&reach), Arc::new(SystemClock)));
    group.change(0, &engage(&one)).await.unwrap();
    group.change(1, &engage(&two)).await.unwrap();
    one.is_away.send_replace(true);
    let replaced = Change {
        dismisses: Some(one.at().key),
        ..engage(&three)
    };
    write(group.node(2), "table/t", "without one").await;
    group.change(3, &replaced).await.unwrap();
    two.is_away.send_replace(true);
    write(group.node(0), "table/t", "by three alone").await;
    assert_eq!(outside(group.node(0)).await, ["w3.example"]);
    // in its place, as the policy has them
    let policy = String::from_utf8(group.files_of_trust(0)[0].clone()).unwrap();
    let place = |name: &str| policy.find(name).unwrap();
    assert!(
        place("outside.1 w3.example") < place("outside.2 w2.example"),
        "{policy}"
    );
}
