//! How a node is doing among the replicas of its ledger.

use dab_proof::tree::TreeSize;

use super::Node;
use crate::peer::{PeerStatus, ReplicaId};

/// How a node is doing, as it sees itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its raft id.
    pub id: ReplicaId,
    /// Whom it follows, itself where it leads; `None` while an election goes on.
    pub leader: Option<ReplicaId>,
    /// Raft's term.
    pub term: u64,
    /// Leaves that it has applied, certified or not.
    pub tree_size: TreeSize,
    /// Leaves that the last certified checkpoint covers.
    pub certified_size: TreeSize,
    /// How the others are doing, as seen from here; empty where it certifies alone.
    pub peers: Vec<PeerStatus>,
}

impl Node {
    /// How the node was doing after its last round of work.
    pub fn status(&self) -> NodeStatus {
        let standing = self.shared.standing();
        NodeStatus {
            id: self
                .member()
                .map_or(ReplicaId(super::RAFT_ID_FIRST), |member| member.id),
            leader: standing.leader.map(ReplicaId),
            term: standing.term,
            tree_size: standing.tree_size,
            certified_size: self.shared.visible.read().certified.size,
            peers: self.post.peers(),
        }
    }
}
