//! The replicas of one ledger in one process, connected over loopback, for tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dab_proof::receipt::Receipt;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::Error;
use crate::approval::{Approval, apply_change, approve, draft};
use crate::epoch::Change;
use crate::founding::{Founding, candidate, join};
use crate::invitation::{Invitation, accept};
use crate::node::{Node, NodeConfig, NodeLimits};
use crate::peer::ReplicaId;

/// The origin of a group's ledger.
const ORIGIN: &str = "dab/group";

/// A tick at which elections take a tenth of a second.
const TICK: Duration = Duration::from_millis(10);

/// Ticks that a request may take: several elections on a busy machine.
const REQUEST_TICKS_MAX: u64 = 2000;

/// Replicas, some of them running, and the directory that goes when they do.
#[derive(Debug)]
pub struct TestGroup {
    // before the directory, so that the nodes end first
    nodes: Vec<Option<Arc<Node>>>,
    configs: Vec<NodeConfig>,
    addresses: Vec<SocketAddr>,
    dir: TempDir,
}

impl TestGroup {
    /// A new ledger of `count` replicas, all running.
    ///
    /// # Panics
    ///
    /// When it cannot be started, as everything here.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, |_| {}).await
    }

    /// The same with bounds of one's own.
    pub async fn start_with(count: usize, bound: impl Fn(&mut NodeLimits)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut group = Self {
            nodes: Vec::new(),
            configs: Vec::new(),
            addresses: Vec::new(),
            dir,
        };
        let mut listeners = Vec::new();
        let mut candidates = Vec::new();
        for n in 1..=count {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let mut limits = NodeLimits {
                tick: TICK,
                request_ticks_max: REQUEST_TICKS_MAX,
                ..NodeLimits::default()
            };
            bound(&mut limits);
            let config = NodeConfig {
                limits,
                ..NodeConfig::in_dir(group.dir.path().join(format!("n{n}")))
            };
            candidates.push(candidate(&config, ORIGIN, &format!("n{n}"), &address.to_string()).expect("keys"));
            group.configs.push(config);
            group.addresses.push(address);
            listeners.push(listener);
        }
        let founding = Founding::new(ORIGIN, candidates, Vec::new()).expect("a founding");
        for (config, listener) in group.configs.iter().zip(listeners) {
            join(config, &founding).expect("a replica");
            let node = Node::start(config.clone()).expect("the replica starts");
            node.connect(listener).await.expect("the replica is connected");
            group.nodes.push(Some(node));
        }
        group
    }

    /// The replica `n`, from 0.
    pub fn node(&self, n: usize) -> &Arc<Node> {
        self.nodes[n].as_ref().expect("the replica runs")
    }

    /// The running ones.
    pub fn running(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().flatten()
    }

    /// A replica's data directory.
    pub fn dir(&self, n: usize) -> PathBuf {
        self.configs[n]
            .private_dir
            .parent()
            .expect("a data directory")
            .to_owned()
    }

    /// What a replica hands to auditors now: policy and writers.
    pub fn files_of_trust(&self, n: usize) -> [Vec<u8>; 2] {
        ["policy", "writers"].map(|name| std::fs::read(self.configs[n].trust_dir.join(name)).expect("a file of trust"))
    }

    /// Which one leads, as a majority of the running ones agree; waits until one does.
    pub async fn leader(&self) -> usize {
        loop {
            let told: Vec<_> = self.running().filter_map(|node| node.status().leader).collect();
            let most = told
                .iter()
                .find(|id| told.iter().filter(|other| other == id).count() * 2 > self.nodes.len());
            if let Some(id) = most
                && self.nodes[id.0 as usize - 1].is_some()
            {
                return id.0 as usize - 1;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Has a new replica join, in place of the replica `replaced` where there is one; it runs and is connected, and may not
    /// have caught up yet. Asks the replica `asked`.
    pub async fn join(&mut self, asked: usize, replaced: Option<usize>) -> Result<usize, Error> {
        let n = self.nodes.len();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let config = NodeConfig {
            limits: self.configs[asked].limits.clone(),
            ..NodeConfig::in_dir(self.dir.path().join(format!("n{}", n + 1)))
        };
        let candidate = candidate(&config, ORIGIN, &format!("n{}", n + 1), &address.to_string())?;
        let change = Change {
            leaves: replaced.map(|replaced| ReplicaId(replaced as u64 + 1)),
            joins: Some(candidate.clone()),
            ..Change::default()
        };
        let (approved, receipt) = self.change(asked, &change).await?;
        let joins = approved.joins.as_ref().expect("somebody joins");
        let invitation = Invitation::of(&self.configs[asked], &approved.change, receipt.index, joins)?;
        // as it travels
        let invitation = Invitation::from_text(&invitation.to_text())?;
        assert_eq!(accept(&config, &invitation)?.id.0, n as u64 + 1);
        let node = Node::start(config.clone())?;
        node.connect(listener).await?;
        self.configs.push(config);
        self.addresses.push(address);
        self.nodes.push(Some(node));
        Ok(n)
    }

    /// Has the epoch change, drafted and submitted at the replica `asked` and approved at all that run.
    pub async fn change(&self, asked: usize, change: &Change) -> Result<(Approval, Receipt), Error> {
        let mut approved = draft(&self.configs[asked], change)?;
        for n in (0..self.nodes.len()).filter(|n| self.nodes[*n].is_some() && *n != asked) {
            approved = approve(&self.configs[n], &approved.change.to_bytes())?;
        }
        let node = self.node(asked);
        let receipt = apply_change(&**node, &**node, node.writer(), &approved.change).await?;
        Ok((approved, receipt))
    }

    /// What a replica is started with.
    pub fn config(&self, n: usize) -> &NodeConfig {
        &self.configs[n]
    }

    /// Ends a replica as a crash of its process would. Every other handle on it must be gone.
    pub fn crash(&mut self, n: usize) {
        let node = self.nodes[n].take().expect("the replica runs");
        drop(Arc::into_inner(node).expect("nobody else holds the replica"));
    }

    /// Starts a replica again, or says why it refuses.
    pub async fn restart(&mut self, n: usize) -> Result<(), Error> {
        let node = Node::start(self.configs[n].clone())?;
        let listener = TcpListener::bind(self.addresses[n])
            .await
            .expect("its port is free again");
        node.connect(listener).await?;
        self.nodes[n] = Some(node);
        Ok(())
    }
}
