//! Four replicas in a directory that stays: a later process finds what a crash of this one leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dab_ledger::founding::{Founding, candidate, join};
use dab_ledger::node::{Node, NodeConfig, NodeLimits};
use dab_ledger::testing::copy_dir;
use tokio::net::TcpListener;

use crate::load::REPLICAS;

/// The replicas that take leaves; a quorum.
pub(crate) const FILLED: usize = REPLICAS - 1;
/// The one that stays empty.
pub(crate) const EMPTY: usize = FILLED;

/// Bytes of raft log that are kept for whoever is behind: so few that the empty replica has to fetch the leaves.
const RAFT_LOG_BYTES_MAX: u32 = 1 << 20;

const ORIGIN: &str = "dab/bench";

/// The directories of four replicas.
#[derive(Debug)]
pub(crate) struct LastingGroup {
    dir: PathBuf,
}

impl LastingGroup {
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the keys and directories of a new ledger.
    pub(crate) async fn found(&self) {
        let (mut candidates, mut held) = (Vec::new(), Vec::new());
        for n in 0..REPLICAS {
            // all are held until all are known, so that no two are the same
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address").to_string();
            candidates.push(candidate(&self.config(n), ORIGIN, &format!("n{n}"), &address).expect("keys"));
            held.push(listener);
        }
        let founding = Founding::new(ORIGIN, candidates, Vec::new()).expect("a founding");
        for n in 0..REPLICAS {
            join(&self.config(n), &founding).expect("a replica");
        }
        copy_dir(&self.replica_dir(EMPTY), &self.as_founded());
    }

    /// Makes the empty replica empty again.
    pub(crate) fn empty_again(&self) {
        let dir = self.replica_dir(EMPTY);
        std::fs::remove_dir_all(&dir).expect("the replica's directory");
        copy_dir(&self.as_founded(), &dir);
    }

    /// Starts a replica and connects it to the others.
    pub(crate) async fn start(&self, n: usize) -> Arc<Node> {
        let node = Node::start(self.config(n)).expect("the replica starts");
        let address = &node.member().expect("a replica").is.address;
        let listener = TcpListener::bind(address).await.expect("its port is free");
        node.connect(listener).await.expect("the replica is connected");
        node
    }

    /// Starts those that have the leaves, and waits until they serve.
    pub(crate) async fn start_filled(&self) -> Vec<Arc<Node>> {
        let mut nodes = Vec::new();
        for n in 0..FILLED {
            nodes.push(self.start(n).await);
        }
        for node in &nodes {
            node.ready().await.expect("the replica serves");
        }
        nodes
    }

    pub(crate) fn config(&self, n: usize) -> NodeConfig {
        NodeConfig {
            limits: NodeLimits {
                segment_bytes: RAFT_LOG_BYTES_MAX,
                raft_log_bytes_max: u64::from(RAFT_LOG_BYTES_MAX),
                ..NodeLimits::default()
            },
            ..NodeConfig::in_dir(self.replica_dir(n))
        }
    }

    fn replica_dir(&self, n: usize) -> PathBuf {
        self.dir.join(format!("n{n}"))
    }

    /// A copy of the empty replica's directory.
    fn as_founded(&self) -> PathBuf {
        self.dir.join("as-founded")
    }
}
