//! Clients that notarize, each one leaf after the other on a subject of its own, and how long they waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dab_ledger::node::Node;
use dab_ledger::notary::{Notary, Outcome, Proposal, Statement};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::statement;
use dab_proof::hash::Hash;
use dab_proof::leaf::{Leaf, SignedLeaf};
use serde_json::{Value, json};
use tokio::time::Instant as TokioInstant;

/// How many clients there are, and what they do.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// Leaves a second of each client; as soon as the last is certified where it is `None`.
    pub(crate) per_second: Option<f64>,
    /// Whether leaves are as long as others, with a signature that nobody makes and nobody checks.
    pub(crate) unsigned: bool,
    /// Time before anything counts.
    pub(crate) warm_up: Duration,
    /// Time that counts.
    pub(crate) span: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            clients: 1,
            per_second: None,
            unsigned: false,
            warm_up: Duration::from_secs(1),
            span: Duration::from_secs(5),
        }
    }
}

/// The leaves that were certified while it counted.
#[derive(Debug)]
pub(crate) struct Answered {
    /// From the call to the answer, shortest first.
    times: Vec<Duration>,
    span: Duration,
    leaf_bytes: usize,
}

impl Answered {
    pub(crate) fn leaves(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn figures(&self) -> Value {
        let seconds = self.span.as_secs_f64();
        json!({
            "writes": self.leaves(),
            "seconds": seconds,
            "per_s": self.leaves() as f64 / seconds,
            "p50_ms": ms(at(&self.times, 500)),
            "p99_ms": ms(at(&self.times, 990)),
            "max_ms": ms(at(&self.times, 1000)),
            "bytes": self.leaf_bytes,
        })
    }
}

/// One who writes to a subject of its own.
#[derive(Debug)]
pub(crate) struct Client {
    node: Arc<Node>,
    subject: String,
    sequence: u64,
    parent: Option<Hash>,
    /// What all leaves are like, and the signature of one of them that all get, where nobody checks it.
    unsigned: Option<(Leaf, Vec<u8>)>,
}

impl Client {
    /// Goes on behind the last leaf of its subject.
    pub(crate) async fn new(node: &Arc<Node>, subject: String) -> Self {
        let head = node.head(&subject.parse().expect("a subject")).await.expect("the head");
        Self {
            node: Arc::clone(node),
            subject,
            sequence: head.map_or(0, |head| head.sequence + 1),
            parent: head.map(|head| head.leaf_hash),
            unsigned: None,
        }
    }

    /// The same, who signs one leaf only.
    pub(crate) fn unsigned(mut self) -> Self {
        let signed = self.sign().leaf;
        let signature = signed.bytes()[signed.text().len()..].to_vec();
        self.unsigned = Some((signed.leaf().clone(), signature));
        self
    }

    /// Signs the next leaf.
    pub(crate) fn next(&mut self) -> Statement {
        let next = match &self.unsigned {
            Some((like, signature)) => self.leave_unsigned(like.clone(), signature),
            None => self.sign(),
        };
        self.sequence += 1;
        self.parent = Some(next.leaf.hash());
        next
    }

    fn sign(&self) -> Statement {
        let (origin, writer) = (self.node.origin(), self.node.writer());
        let body = "the body of a commit";
        statement(origin, writer, &self.subject, self.sequence, self.parent, body)
    }

    fn leave_unsigned(&self, like: Leaf, signature: &[u8]) -> Statement {
        let next = Leaf {
            sequence: self.sequence,
            parent: self.parent,
            ..like
        };
        let bytes = [next.text().as_bytes(), signature].concat();
        Statement {
            leaf: SignedLeaf::from_bytes(&bytes).expect("a leaf"),
            body: None,
        }
    }

    /// Has it certified, and tries again where that may help.
    pub(crate) async fn notarize(&self, statement: Statement) {
        certify(&self.node, vec![statement]).await;
    }
}

/// Has statements certified, and tries again where that may help.
pub(crate) async fn certify(node: &Node, statements: Vec<Statement>) {
    let proposal = Proposal { statements };
    loop {
        match node.notarize(proposal.clone()).await {
            Ok(Outcome::Certified(_)) => return,
            Ok(Outcome::Conflict(conflict)) => panic!("nobody else writes here: {conflict:?}"),
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs a load on nodes, whose clients are spread over them.
pub(crate) async fn run(nodes: &[Arc<Node>], load: &Load) -> Answered {
    let mut clients = Vec::new();
    for number in 0..load.clients {
        let subject = format!("table/client-{number}");
        let client = Client::new(&nodes[number % nodes.len()], subject).await;
        clients.push(if load.unsigned { client.unsigned() } else { client });
    }
    let begin = Instant::now() + load.warm_up;
    let end = begin + load.span;
    let per_second = load.per_second;
    let running: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(one(client, per_second, begin, end)))
        .collect();
    let (mut times, mut leaf_bytes) = (Vec::new(), 0);
    for client in running {
        let (of_client, bytes) = client.await.expect("a client");
        times.extend(of_client);
        leaf_bytes = leaf_bytes.max(bytes);
    }
    times.sort();
    Answered {
        times,
        span: load.span,
        leaf_bytes,
    }
}

/// The times of one client, and the bytes of its longest leaf.
async fn one(mut client: Client, per_second: Option<f64>, begin: Instant, end: Instant) -> (Vec<Duration>, usize) {
    let (mut times, mut leaf_bytes) = (Vec::new(), 0);
    let mut next = TokioInstant::now();
    loop {
        if let Some(per_second) = per_second {
            tokio::time::sleep_until(next).await;
            next += Duration::from_secs_f64(1.0 / per_second);
        }
        if Instant::now() >= end {
            return (times, leaf_bytes);
        }
        let statement = client.next();
        leaf_bytes = leaf_bytes.max(statement.leaf.bytes().len());
        let started = Instant::now();
        client.notarize(statement).await;
        let answered = Instant::now();
        if answered >= begin && answered < end {
            times.push(answered - started);
        }
    }
}

/// The time below which so many of a thousand lie.
pub(crate) fn at(sorted: &[Duration], per_mille: usize) -> Duration {
    let last = sorted.len().checked_sub(1).expect("something was answered in time");
    sorted[(sorted.len() * per_mille / 1000).min(last)]
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
