//! What can go wrong, and what the caller can do about it.

use std::path::PathBuf;

/// An error of the ledger.
///
/// A lost race is none of these: it is [`crate::notary::Outcome::Conflict`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too many proposals wait already. Nothing was proposed; try again later.
    #[error("the ledger is busy: {waiting} proposals are waiting, which is the limit")]
    Busy {
        /// Proposals that wait.
        waiting: usize,
    },
    /// The proposal breaks a rule of the ledger and will break it again. Nothing was notarized.
    #[error("the ledger refuses the statement on {subject}: {reason}")]
    Refused {
        /// Subject of the statement at fault, `-` when the proposal as a whole is.
        subject: String,
        /// The rule that is broken.
        reason: String,
    },
    /// The request was carried out before, and nothing of this proposal is in the ledger: the leaves are those of the first.
    #[error("this request was carried out before, by leaf {}", leaf_indexes.first().copied().unwrap_or_default())]
    CarriedOut {
        /// The leaves, in the order of the first proposal's statements.
        leaf_indexes: Vec<u64>,
    },
    /// The request stands for another statement, and nothing of this proposal is in the ledger: choose another key.
    #[error("this key stands for another statement, carried out by leaf {leaf_index}")]
    OtherStatement {
        /// The first leaf of the other statement.
        leaf_index: u64,
    },
    /// The node has stopped or failed. A proposal that was under way may have been notarized or not: propose the very
    /// same statements again at a running node to learn which.
    #[error("the ledger node has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// The node lost its leadership while the proposal was under way, or could not make the receipts, so it may have been
    /// notarized or not: propose the very same statements again.
    #[error("the ledger did not learn the outcome of the proposal; propose the same statements again")]
    OutcomeUnknown,
    /// The proposal is sequenced: its leaves have their places, and nobody sees them, since no quorum of cosigners has certified
    /// them for longer than one may wait. They will be certified when enough cosigners answer: propose the very same statements
    /// again then. They are lost only where so many replicas lose their disks before that no majority holds them.
    #[error(
        "sequenced as leaf {leaf_index} and not certified: too few cosigners answer; send the same again when they do"
    )]
    Sequenced {
        /// The place of its first leaf.
        leaf_index: u64,
    },
    /// A change of the epoch is certified, and nothing under the policy that it brings is: see that the new witness answers.
    #[error(
        "the change is certified, by leaf {leaf_index}, and no checkpoint under its policy yet: see that its witness answers ({reason})"
    )]
    Unfollowed {
        /// The leaf of the change.
        leaf_index: u64,
        /// Why there is no checkpoint.
        reason: String,
    },
    /// No replica leads at the moment, or too much waits to be committed. Nothing was proposed; try again.
    #[error("the ledger has no leader that can take a proposal now")]
    NoLeader,
    /// Not enough cosigners have answered for longer than one may wait. Nothing was read; try again.
    #[error("the ledger finds no quorum of cosigners for its latest leaves")]
    NoQuorum,
    /// A disk of the node has too little room to take an entry safely. Nothing was proposed; free some and try again.
    #[error("no space left on the disk that holds the ledger: {free_bytes} bytes are free; nothing was notarized")]
    NoRoom {
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// No certified checkpoint covers this leaf.
    #[error("leaf {leaf_index} is not in the certified tree of {tree_size} leaves")]
    NoSuchLeaf {
        /// The leaf asked for.
        leaf_index: u64,
        /// Leaves that the certified tree has.
        tree_size: u64,
    },
    /// No checkpoint has been issued yet.
    #[error("the ledger has not issued a checkpoint yet")]
    NoCheckpoint,
    /// Another process, or another node of this one, uses the data directory.
    #[error("another process uses this ledger: it holds the lock {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file holds bytes that this node did not write there. The node touches nothing; restore the file.
    #[error("{} is corrupt at byte {offset}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The node's files contradict each other, as after restoring one of them from an old copy.
    #[error("the ledger contradicts itself: {reason}")]
    Inconsistent {
        /// Both sides of the contradiction.
        reason: String,
    },
    /// A setting of the node cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    Setting {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The file system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The state database failed.
    #[error("the state database {} failed: {reason}", path.display())]
    State {
        /// The database.
        path: PathBuf,
        /// Its answer.
        reason: String,
    },
    /// The raft core refused to go on.
    #[error("raft: {reason}")]
    Raft {
        /// Its answer.
        reason: String,
    },
    /// Another replica cannot be reached, or does not answer as agreed. Ask later, or ask another.
    #[error("replica {replica}: {reason}")]
    Peer {
        /// Its raft id.
        replica: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Machines cannot become the replicas of one ledger like this.
    #[error("cannot found the ledger: {reason}")]
    Founding {
        /// What stands against it.
        reason: String,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {reason}")]
    Randomness {
        /// Its answer.
        reason: String,
    },
    /// A note, tile, proof or key does not hold.
    #[error(transparent)]
    Proof(#[from] dab_proof::Error),
}

impl Error {
    /// Whether proposing the very same statements again is safe and may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Error::Busy { .. }
                | Error::NoLeader
                | Error::NoQuorum
                | Error::OutcomeUnknown
                | Error::Sequenced { .. }
                | Error::Stopped { .. }
        )
    }
}

#[cfg(feature = "node")]
impl Error {
    pub(crate) fn corrupt(path: &std::path::Path, offset: u64, reason: &str) -> Self {
        Error::Corrupt {
            path: path.to_path_buf(),
            offset,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn setting(path: &std::path::Path, reason: impl Into<String>) -> Self {
        Error::Setting {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    pub(crate) fn peer(replica: u64, reason: impl std::fmt::Display) -> Self {
        Error::Peer {
            replica,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn refused(subject: Option<&dab_proof::leaf::Subject>, reason: impl Into<String>) -> Self {
        let subject = subject.map_or("-", |subject| subject.as_str()).to_owned();
        Error::Refused {
            subject,
            reason: reason.into(),
        }
    }
}
