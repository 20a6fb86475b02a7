//! A ledger node in a temporary directory, for tests; a replica's core and a disk in memory, for simulations; decoders,
//! for fuzzing.

pub mod core;
pub mod decoders;
pub mod group;
pub mod rot;
pub mod sim_disk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dab_proof::hash::Hash;
use dab_proof::heads_leaf::{HEADS_OPERATION, HeadsBody};
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::SigningKey;
use tempfile::TempDir;

pub use crate::checked::believe_signatures;

use crate::Error;
use crate::node::{Node, NodeConfig, NodeLimits};
use crate::notary::{Notary, Outcome, Proposal, Statement};
use crate::reader::LedgerReader;

/// A running node and the directory that goes when it does.
#[derive(Debug)]
pub struct TestLedger {
    // before the directory, so that the node ends first
    node: Option<Arc<Node>>,
    limits: NodeLimits,
    dir: Arc<TempDir>,
}

impl TestLedger {
    /// A new ledger in a new directory.
    ///
    /// # Panics
    ///
    /// When it cannot be started, as everything here.
    pub fn start() -> Self {
        Self::start_with(NodeLimits::default())
    }

    /// A new ledger with these bounds.
    pub fn start_with(limits: NodeLimits) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let mut ledger = Self {
            node: None,
            limits,
            dir,
        };
        ledger.node = Some(ledger.open().expect("the ledger starts"));
        ledger
    }

    /// The node.
    pub fn node(&self) -> &Arc<Node> {
        self.node.as_ref().expect("the node runs")
    }

    /// The data directory, with `private`, `public` and `trust`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the node as a crash of its process would. Every other handle on the node must be gone.
    pub fn crash(&mut self) {
        let node = self.node.take().expect("the node runs");
        let node = Arc::into_inner(node).expect("nobody else holds the node");
        drop(node);
    }

    /// Starts the node again on the same directory, or says why it refuses.
    pub fn reopen(&mut self) -> Result<(), Error> {
        self.node = None;
        self.node = Some(self.open()?);
        Ok(())
    }

    /// [`Self::crash`], then [`Self::reopen`], which must succeed.
    pub fn crash_and_reopen(&mut self) {
        self.crash();
        self.reopen().expect("the ledger starts again");
    }

    /// Stops the node cleanly.
    pub async fn stop(&mut self) {
        self.node
            .take()
            .expect("the node runs")
            .stop()
            .await
            .expect("the node stops");
    }

    /// Copies the data directory, whose node must not run, and gives a ledger over the copy that is not started yet.
    pub fn copy(&self) -> Self {
        assert!(
            self.node.is_none(),
            "a running node changes its files while they are copied"
        );
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        copy_dir(self.dir.path(), dir.path());
        Self {
            node: None,
            limits: self.limits.clone(),
            dir,
        }
    }

    /// A statement that follows the head of `subject`, with a public body made of `body`.
    pub async fn next(&self, subject: &str, body: &str) -> Statement {
        let subject: Subject = subject.parse().expect("a subject");
        let head = self.node().head(&subject).await.expect("the head");
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        statement(
            self.node().origin(),
            self.node().writer(),
            subject.as_str(),
            sequence,
            parent,
            body,
        )
    }

    /// Notarizes the next statement on `subject`, which must be certified.
    pub async fn notarize(&self, subject: &str, body: &str) -> dab_proof::receipt::Receipt {
        let proposal = Proposal {
            statements: vec![self.next(subject, body).await],
        };
        match self.node().notarize(proposal).await.expect("an outcome") {
            Outcome::Certified(mut receipts) => receipts.remove(0),
            Outcome::Conflict(conflict) => panic!("a conflict: {conflict:?}"),
        }
    }

    fn open(&self) -> Result<Arc<Node>, Error> {
        Node::start(NodeConfig {
            limits: self.limits.clone(),
            ..NodeConfig::in_dir(self.dir.path())
        })
    }
}

/// A statement signed by `writer`, without a private body.
pub fn statement(
    origin: &str,
    writer: &SigningKey,
    subject: &str,
    sequence: u64,
    parent: Option<Hash>,
    body: &str,
) -> Statement {
    let leaf = Leaf {
        origin: origin.to_owned(),
        subject: subject.parse().expect("a subject"),
        sequence,
        parent,
        body: BodyDigest::of(body.as_bytes()),
        files: None,
        operation: "TEST".to_owned(),
    };
    Statement {
        leaf: leaf.sign(writer).expect("a leaf"),
        body: None,
    }
}

/// The same statement with its body as private state.
pub fn private_statement(
    origin: &str,
    writer: &SigningKey,
    subject: &str,
    sequence: u64,
    parent: Option<Hash>,
    body: &str,
) -> Statement {
    let public = statement(origin, writer, subject, sequence, parent, body);
    Statement {
        body: Some(Bytes::copy_from_slice(body.as_bytes())),
        ..public
    }
}

/// The statement of a heads leaf that says `body`, with it.
pub fn heads_statement(writer: &SigningKey, sequence: u64, parent: Option<Hash>, body: &HeadsBody) -> Statement {
    let text = body.text();
    let leaf = Leaf {
        origin: body.origin.clone(),
        subject: Subject::heads(),
        sequence,
        parent,
        body: BodyDigest::of(text.as_bytes()),
        files: None,
        operation: HEADS_OPERATION.to_owned(),
    };
    Statement {
        leaf: leaf.sign(writer).expect("a leaf"),
        body: Some(text.into()),
    }
}

/// Copies a directory and everything in it.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for found in std::fs::read_dir(from).expect("a directory") {
        let path = found.expect("an entry").path();
        let target: PathBuf = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
