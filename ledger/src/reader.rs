//! What the ledger holds, for those who read it.

use async_trait::async_trait;
use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::head_proof::HeadProof;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::receipt::Receipt;
use dab_proof::tree::{LeafIndex, TreeSize};

use crate::Error;
use crate::notary::Once;

/// The most leaves that one call of [`LedgerReader::leaves`] gives.
pub const LEAVES_PER_CALL_MAX: usize = 4096;

/// The last leaf of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sequence: for a table, the Delta version.
    pub sequence: u64,
    /// Its leaf hash, the parent of the next leaf.
    pub leaf_hash: Hash,
    /// Its place in the tree.
    pub leaf_index: LeafIndex,
}

/// A leaf that is in the certified tree.
#[derive(Clone, Debug)]
pub struct Notarized {
    /// Its place in the tree.
    pub leaf_index: LeafIndex,
    /// The leaf.
    pub leaf: SignedLeaf,
}

/// How far the ledger is certified, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Leaves of the certified tree.
    pub size: TreeSize,
    /// True when the policy asks for no signature but the ledger's own: whoever runs this node could then show
    /// different trees to different people, and only comparing checkpoints would tell.
    pub certifies_alone: bool,
    /// The policy's quorum, as written there (`none` when the node certifies alone).
    pub quorum: String,
}

/// A checkpoint that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedCheckpoint {
    /// Leaves that it covers.
    pub size: TreeSize,
    /// The root that it signs.
    pub root: Hash,
    /// When this node issued it, in milliseconds since 1970-01-01 UTC by its own clock; evidence of nothing.
    pub unix_ms: u64,
}

/// A replica of the ledger, as the node that is asked sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its raft id.
    pub id: u64,
    /// Its name among the members; `None` for a node that certifies alone.
    pub name: Option<String>,
    /// Where it listens for the others, `host:port`.
    pub address: Option<String>,
    /// Whether it is the node that was asked.
    pub is_asked: bool,
    /// Whether the node that was asked follows it, or leads itself.
    pub leads: bool,
    /// Whether messages reach it at the moment.
    pub is_connected: bool,
    /// Why they do not.
    pub trouble: Option<String>,
    /// Time since anything came from it; `None` when nothing ever did.
    pub heard_ago: Option<std::time::Duration>,
}

/// Reads the ledger. Everything it shows is certified.
#[async_trait]
pub trait LedgerReader: Send + Sync {
    /// The ledger's origin, fixed at its first start.
    fn origin(&self) -> &str;

    /// The latest certified checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::NoCheckpoint`] before the first.
    async fn checkpoint(&self) -> Result<SignedCheckpoint, Error>;

    /// The last leaf of a subject, `None` when it has none. Linearizable: it reflects every proposal that was answered
    /// before the call.
    async fn head(&self, subject: &Subject) -> Result<Option<Head>, Error>;

    /// A proof of which leaf of a subject is the last, or that it has none, among everything certified before the call. Where
    /// the last heads leaf is older than that, a new one is notarized first; those who ask at the same time share it.
    ///
    /// # Errors
    ///
    /// Those of [`crate::notary::Notary::notarize`]; [`Error::Refused`] for the subject `heads`, which is in no head map, and
    /// where this node's writer may not write it.
    async fn head_proof(&self, subject: &Subject) -> Result<HeadProof, Error>;

    /// The same of the last heads leaf that there is: nothing is written, and the proof is as old as that. `None` before the
    /// first.
    ///
    /// # Errors
    ///
    /// [`dab_proof::Error::ProofRejected`] for the subject `heads`.
    async fn last_head_proof(&self, subject: &Subject) -> Result<Option<HeadProof>, Error>;

    /// The leaf at a sequence of a subject.
    async fn notarized(&self, subject: &Subject, sequence: u64) -> Result<Option<Notarized>, Error>;

    /// A receipt for a leaf against the latest certified checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchLeaf`] when the checkpoint does not cover the leaf.
    async fn receipt(&self, leaf_index: LeafIndex) -> Result<Receipt, Error>;

    /// The leaves of the request, where it was carried out; `None` where it was not, or is forgotten. Linearizable, as
    /// [`Self::head`].
    ///
    /// # Errors
    ///
    /// [`Error::OtherStatement`] where the request stands for another statement.
    async fn carried_out(&self, once: &Once) -> Result<Option<Vec<LeafIndex>>, Error>;

    /// The private body at a sequence of a subject; `None` when there is no such leaf or its body is not kept here.
    async fn body(&self, subject: &Subject, sequence: u64) -> Result<Option<Bytes>, Error>;

    /// The subjects that begin with `prefix`, in order of their bytes, with their heads.
    async fn subjects(&self, prefix: &str) -> Result<Vec<(Subject, Head)>, Error>;

    /// Leaves from an index on, at most `limit` and at most [`LEAVES_PER_CALL_MAX`]; none beyond the certified tree.
    async fn leaves(&self, from: LeafIndex, limit: usize) -> Result<Vec<(LeafIndex, SignedLeaf)>, Error>;

    /// How far the ledger is certified, and by whom.
    async fn certified(&self) -> Certified;

    /// Checkpoints that this node issued, oldest first; a bounded list of the latest.
    async fn checkpoints(&self) -> Vec<IssuedCheckpoint>;

    /// The replicas of the ledger, by id; one where the node certifies alone.
    async fn replicas(&self) -> Vec<ReplicaStatus>;
}
