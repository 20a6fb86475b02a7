//! What can go wrong with a statement, and what its author can do about it.

mod message;
mod translate;

use std::sync::Arc;
use std::time::Duration;

use dab_storage::Error as StorageError;
use datafusion::error::DataFusionError;

/// Everything that this crate reports. Messages are lowercase, speak of the statement and not of the machinery, and are
/// meant for the client; what they leave out goes to the trace.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement is not SQL, or names what is not there; correct it.
    #[error("{message}")]
    InvalidStatement {
        /// What is wrong, and where.
        message: String,
    },
    /// The statement is SQL, but not among what this release does.
    #[error("{message}")]
    NotSupported {
        /// What, and what to do instead.
        message: String,
    },
    /// No table of this name.
    #[error("table {name} does not exist{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    TableNotFound {
        /// The name as resolved.
        name: String,
        /// A table with a similar name.
        suggestion: Option<String>,
    },
    /// The name is taken.
    #[error("table {name} already exists")]
    TableExists {
        /// The name.
        name: String,
    },
    /// The rows that arrive do not fit the table.
    #[error("{message}")]
    SchemaMismatch {
        /// Which columns, and how they differ.
        message: String,
    },
    /// A value could not be computed: division by zero, a cast that does not fit, a null where none may be.
    #[error("{message}")]
    InvalidData {
        /// What failed.
        message: String,
    },
    /// A parameter is missing, too many, or does not fit its type.
    #[error("{message}")]
    InvalidParameter {
        /// Which, and why.
        message: String,
    },
    /// A limit was met; the statement needs less, or the operator must allow more.
    #[error("{what} is limited to {limit}: {message}")]
    ResourceExhausted {
        /// What is limited, in words.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
        /// What asked for more.
        message: String,
    },
    /// All slots are taken and the queue is full; try again later.
    #[error("{running} statements are running and {waiting} are waiting: try again later")]
    Busy {
        /// How many may run.
        running: usize,
        /// How many may wait.
        waiting: usize,
    },
    /// The statement ran too long and was stopped; a write left nothing behind.
    #[error("the statement was stopped after its limit of {} s", .limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The client went away, or the node is stopping.
    #[error("the statement was cancelled")]
    Cancelled,
    /// The node is stopping and begins no more writes.
    #[error("the node is stopping, nothing was written: try again when it runs")]
    Stopping,
    /// A table's files could not be read.
    #[error("a file of the table could not be read: {message}")]
    Unreadable {
        /// Which, and why.
        message: String,
    },
    /// Storage refused.
    #[error("{}", message::storage_message(.0))]
    Storage(#[source] Arc<StorageError>),
    /// A defect: nothing that the statement's author could change.
    #[error("internal error: {message}")]
    Internal {
        /// What went wrong.
        message: String,
    },
}

/// The few kinds of failure that a client tells apart; `flight` maps them to gRPC status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Correct the statement or its parameters.
    InvalidArgument,
    /// Name something that exists.
    NotFound,
    /// Name something that does not exist yet.
    AlreadyExists,
    /// Use what this release supports.
    Unsupported,
    /// Ask for less.
    ResourceExhausted,
    /// Take less time.
    DeadlineExceeded,
    /// The client itself gave up.
    Cancelled,
    /// Another writer won; read again and retry.
    Aborted,
    /// Retry later as it is.
    Unavailable,
    /// Stored data is not what was notarized; only an operator can help.
    DataLoss,
    /// A defect.
    Internal,
}

impl Error {
    /// What the client can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::InvalidStatement { .. }
            | Error::SchemaMismatch { .. }
            | Error::InvalidData { .. }
            | Error::InvalidParameter { .. } => ErrorKind::InvalidArgument,
            Error::NotSupported { .. } => ErrorKind::Unsupported,
            Error::TableNotFound { .. } => ErrorKind::NotFound,
            Error::TableExists { .. } => ErrorKind::AlreadyExists,
            Error::ResourceExhausted { .. } => ErrorKind::ResourceExhausted,
            Error::Busy { .. } | Error::Stopping => ErrorKind::Unavailable,
            Error::Timeout { .. } => ErrorKind::DeadlineExceeded,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::Unreadable { .. } => ErrorKind::DataLoss,
            Error::Storage(error) => kind_of_storage(error),
            Error::Internal { .. } => ErrorKind::Internal,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::InvalidStatement {
            message: message.into(),
        }
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Error::NotSupported {
            message: message.into(),
        }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Error::Internal {
            message: message.into(),
        }
    }
}

fn kind_of_storage(error: &StorageError) -> ErrorKind {
    match error {
        StorageError::TableNotFound { .. }
        | StorageError::VersionNotFound { .. }
        | StorageError::TimestampBeforeFirstVersion { .. } => ErrorKind::NotFound,
        StorageError::TableExists { .. } | StorageError::OtherStatement { .. } => ErrorKind::AlreadyExists,
        StorageError::InvalidName { .. } | StorageError::SchemaMismatch { .. } => ErrorKind::InvalidArgument,
        StorageError::WriteConflict { .. } => ErrorKind::Aborted,
        StorageError::DiskFull => ErrorKind::ResourceExhausted,
        StorageError::Ledger(ledger) if ledger.is_retryable() => ErrorKind::Unavailable,
        StorageError::StoreStopped { .. } => ErrorKind::Unavailable,
        // Not `Unavailable`, which clients may take for leave to repeat the statement.
        StorageError::CarriedOut { .. } | StorageError::OutcomeUnknown(_) | StorageError::ForeignCommit { .. } => {
            ErrorKind::Aborted
        }
        StorageError::Divergence { .. } | StorageError::CommitLost { .. } | StorageError::Proof(_) => {
            ErrorKind::DataLoss
        }
        _ => ErrorKind::Internal,
    }
}

impl From<StorageError> for Error {
    /// A failed input query is reported as what it is, not as a failure of storage.
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Query(query) => Error::from(query),
            StorageError::TableExists { name } => Error::TableExists { name: name.to_string() },
            StorageError::SchemaMismatch { message } => Error::SchemaMismatch { message },
            StorageError::TableNotFound { name } => Error::TableNotFound { name, suggestion: None },
            other => {
                tracing::debug!(error = %other, "storage refused");
                Error::Storage(Arc::new(other))
            }
        }
    }
}

impl From<Error> for DataFusionError {
    /// Carries our error through DataFusion; the conversion back finds it again.
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests;
