//! Where a node keeps its files, and its bounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::raft::SEGMENT_BYTES;

/// Where a node keeps its files, and its bounds.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Keys, raft log and state database. Nobody else may read it.
    pub private_dir: PathBuf,
    /// Checkpoint and tiles, for everybody to read.
    pub public_dir: PathBuf,
    /// Policy and writers, to be handed to auditors.
    pub trust_dir: PathBuf,
    /// The ledger's origin. It is fixed at the first start, where `None` means `dab/` and a random UUID; at a later
    /// start another origin is an error.
    pub origin: Option<String>,
    /// Bounds; the defaults suit one machine.
    pub limits: NodeLimits,
    /// Whether to recompute the whole ledger before serving, as [`crate::node::Node::fsck`] does. Default false.
    pub check_at_start: bool,
    /// Tells when a checkpoint was issued.
    pub clock: Arc<dyn Clock>,
}

/// The bounds of a node.
#[derive(Clone, Debug)]
pub struct NodeLimits {
    /// Proposals and reads that may wait; one more is answered [`crate::Error::Busy`]. Default 1024.
    pub waiting_max: usize,
    /// Leaves of one raft entry, unless a single proposal has more. Default 1024.
    pub group_leaves_max: usize,
    /// Bytes of leaves and bodies in one raft entry. Default 1 MiB.
    pub group_bytes_max: usize,
    /// Raft entries applied before the state is made durable; what a restart replays. Default 1024.
    pub flush_entries_max: u64,
    /// Leaves applied before the state is made durable. Default 4096.
    pub flush_leaves_max: u64,
    /// Bytes of memory that state may take before it is made durable. Default 16 MiB.
    pub flush_bytes_max: usize,
    /// Bytes of a raft log segment. The log gives up whole segments, once the state holds what they say durably.
    /// Default 64 MiB.
    pub segment_bytes: u32,
    /// Bytes of raft log that are kept for a replica which is behind; beyond, it is given the leaves themselves. Default
    /// 1 GiB.
    pub raft_log_bytes_max: u64,
    /// Issued checkpoints that [`crate::reader::LedgerReader::checkpoints`] lists. Default 1024.
    pub checkpoints_listed_max: usize,
    /// Ticks that a proposal or a read may take before its client is told that nothing is known of it. Default 300.
    pub request_ticks_max: u64,
    /// Length of raft's tick. Default 100 ms.
    pub tick: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            waiting_max: 1024,
            group_leaves_max: 1024,
            group_bytes_max: 1 << 20,
            flush_entries_max: 1024,
            flush_leaves_max: 4096,
            flush_bytes_max: 16 << 20,
            segment_bytes: SEGMENT_BYTES,
            raft_log_bytes_max: 1 << 30,
            checkpoints_listed_max: 1024,
            request_ticks_max: 300,
            tick: Duration::from_millis(100),
        }
    }
}

impl NodeConfig {
    /// The layout of a DAB data directory: `private`, `public` and `trust` under `data_dir`.
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            private_dir: data_dir.join("private"),
            public_dir: data_dir.join("public"),
            trust_dir: data_dir.join("trust"),
            origin: None,
            check_at_start: false,
            limits: NodeLimits::default(),
            clock: Arc::new(SystemClock),
        }
    }
}
