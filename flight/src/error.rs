//! What can go wrong when the service starts, and in the client.

use std::path::PathBuf;

/// Errors of this crate. Errors of single calls are gRPC statuses instead, made in `status.rs`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the service needs could not be read or written, or others can read a secret in it.
    #[error(transparent)]
    File(#[from] dab_ledger::Error),
    /// A file of the service does not hold what it should; it was edited, or belongs to another release.
    #[error("{path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A user name that cannot be one.
    #[error("not a user name: {name:?} (1 to 64 of the characters A-Z a-z 0-9 . _ @ -)")]
    UserName {
        /// The name as given.
        name: String,
    },
    /// A certificate or key could not be made or used.
    #[error("tls: {0}")]
    Tls(String),
    /// The operating system gave no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// The threads for queries could not be started.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// The server stopped for a reason other than its signal.
    #[error("serving failed: {0}")]
    Serve(String),
    /// The address of a node is not one.
    #[error("not an address of a node: {url:?} ({reason})")]
    Url {
        /// The address as given.
        url: String,
        /// What does not fit.
        reason: String,
    },
    /// A key that no header can carry.
    #[error("not an idempotency key: {key:?} (1 to 128 visible characters of ASCII)")]
    IdempotencyKey {
        /// The key as given.
        key: String,
    },
    /// No connection to a node.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the network said, innermost reason last.
        reason: String,
    },
    /// The node refused a call; its message is meant for the user.
    #[error("{}", status.message())]
    Refused {
        /// Code and message as sent by the node.
        status: Box<tonic::Status>,
    },
    /// The node answered something that is not Flight SQL as this client knows it.
    #[error("unexpected answer of the node: {0}")]
    Answer(String),
    /// Record batches could not be encoded or decoded.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Error {
    /// Whether something else stands where this was to stand, so that it can be tried anew.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status } if status.code() == tonic::Code::Aborted)
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Refused {
            status: Box::new(status),
        }
    }
}

/// An error with its causes: "transport error" alone helps nobody.
pub fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
