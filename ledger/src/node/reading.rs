//! A node as a reader of its ledger.

use async_trait::async_trait;
use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::head_proof::HeadProof;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::receipt::Receipt;
use dab_proof::tile::TilesOnce;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE};
use dab_proof::tree::LeafIndex;
use tokio::sync::oneshot;

use super::Node;
use crate::Error;
use crate::members::Member;
use crate::notary::Once;
use crate::pool::Command;
use crate::reader::{Certified, Head, IssuedCheckpoint, LEAVES_PER_CALL_MAX, LedgerReader, Notarized, ReplicaStatus};
use crate::shared::{leaf_at, receipt};

#[async_trait]
impl LedgerReader for Node {
    fn origin(&self) -> &str {
        &self.shared.origin
    }

    async fn checkpoint(&self) -> Result<SignedCheckpoint, Error> {
        self.shared.visible.read().checkpoint.clone().ok_or(Error::NoCheckpoint)
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        self.catch_up_unless_failed().await?;
        self.shared.head(subject)
    }

    async fn head_proof(&self, subject: &Subject) -> Result<HeadProof, Error> {
        self.prove_head_now(subject).await
    }

    async fn last_head_proof(&self, subject: &Subject) -> Result<Option<HeadProof>, Error> {
        self.prove_head(subject).await
    }

    async fn notarized(&self, subject: &Subject, sequence: u64) -> Result<Option<Notarized>, Error> {
        let Some(placed) = self.shared.placed(subject, sequence)? else {
            return Ok(None);
        };
        let size = self.shared.visible.read().certified.size;
        let leaf = leaf_at(&self.shared.files, placed.leaf_index, size)?;
        self.shared.check_leaf(placed.leaf_index, &leaf)?;
        Ok(Some(Notarized {
            leaf_index: placed.leaf_index,
            leaf,
        }))
    }

    async fn receipt(&self, leaf_index: LeafIndex) -> Result<Receipt, Error> {
        let checkpoint = self.checkpoint().await?;
        let leaf = leaf_at(&self.shared.files, leaf_index, checkpoint.checkpoint().size)?;
        let mut tiles = TilesOnce::new(&self.shared.files, checkpoint.checkpoint().size);
        receipt(&mut tiles, &checkpoint, leaf_index, leaf)
    }

    async fn carried_out(&self, once: &Once) -> Result<Option<Vec<LeafIndex>>, Error> {
        self.catch_up_unless_failed().await?;
        self.shared.carried_out(once)
    }

    async fn body(&self, subject: &Subject, sequence: u64) -> Result<Option<Bytes>, Error> {
        if self.shared.placed(subject, sequence)?.is_none() {
            return Ok(None);
        }
        self.shared.read(|_, state| state.body(subject, sequence))
    }

    async fn subjects(&self, prefix: &str) -> Result<Vec<(Subject, Head)>, Error> {
        self.shared.subjects(prefix)
    }

    async fn leaves(&self, from: LeafIndex, limit: usize) -> Result<Vec<(LeafIndex, SignedLeaf)>, Error> {
        let size = self.shared.visible.read().certified.size;
        let end = size.0.min(from.0.saturating_add(limit.min(LEAVES_PER_CALL_MAX) as u64));
        let mut leaves = Vec::new();
        let mut at = from.0;
        while at < end {
            let path = BundlePath::holding(LeafIndex(at), size)?;
            let first = path.index() * u64::from(HASHES_PER_TILE);
            let entries = tile::read_bundle(&self.shared.files, path)?;
            for entry in entries.iter().skip((at - first) as usize).take((end - at) as usize) {
                let leaf = SignedLeaf::from_bytes(entry)?;
                self.shared.check_leaf(LeafIndex(at), &leaf)?;
                leaves.push((LeafIndex(at), leaf));
                at += 1;
            }
        }
        Ok(leaves)
    }

    async fn certified(&self) -> Certified {
        self.shared.visible.read().certified.clone()
    }

    async fn checkpoints(&self) -> Vec<IssuedCheckpoint> {
        let issued = self.shared.read(|_, state| Ok(state.issued().copied().collect()));
        // a stopped node lists nothing
        issued.unwrap_or_default()
    }

    async fn replicas(&self) -> Vec<ReplicaStatus> {
        let status = self.status();
        let Some(members) = self.members() else {
            return vec![ReplicaStatus {
                id: status.id.0,
                name: None,
                address: None,
                is_asked: true,
                leads: status.leader == Some(status.id),
                is_connected: true,
                trouble: None,
                heard_ago: None,
            }];
        };
        let replica = |member: &Member| {
            let is_asked = member.id == status.id;
            let seen = status.peers.iter().find(|peer| peer.id == member.id);
            ReplicaStatus {
                id: member.id.0,
                name: Some(member.is.name.clone()),
                address: Some(member.is.address.clone()),
                is_asked,
                leads: status.leader == Some(member.id),
                is_connected: is_asked || seen.is_some_and(|peer| peer.connected),
                trouble: seen.and_then(|peer| peer.trouble.clone()),
                heard_ago: seen.and_then(|peer| peer.heard_ago),
            }
        };
        members.iter().map(replica).collect()
    }
}

impl Node {
    /// [`Self::catch_up`], but for a node that failed (a full disk, a failed sync): it takes no more leaves, so nothing can come
    /// after what it shows.
    pub(super) async fn catch_up_unless_failed(&self) -> Result<(), Error> {
        match self.catch_up().await {
            Err(Error::Stopped { .. }) if self.shared.has_failed() => Ok(()),
            other => other,
        }
    }

    /// Waits until everything that was decided before this call is visible.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        let (answer, ready) = oneshot::channel();
        self.submit(Command::Read(answer))?;
        ready.await.map_err(|_| self.shared.stopped())?
    }
}
