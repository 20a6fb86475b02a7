//! What can go wrong with a table, and what the caller can do about it.

use std::error::Error as StdError;

use dab_proof::leaf::Subject;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;

use crate::object_store::commit_path;
use crate::{TableName, TableVersion};

/// Everything that storage reports. Messages are lowercase, name what and where, and are meant for the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No table of this name; create it, or check the spelling.
    #[error("table {name} does not exist")]
    TableNotFound {
        /// The name asked for.
        name: String,
    },
    /// The name is taken; choose another, or drop the table first.
    #[error("table {name} already exists")]
    TableExists {
        /// The name asked for.
        name: TableName,
    },
    /// The name cannot name a table.
    #[error("{name:?} cannot name a table: letters, digits and _, starting with a letter, at most 128")]
    InvalidName {
        /// The name as given, cut to a sensible length.
        name: String,
    },
    /// The table has no such version.
    #[error("table {table} has no version {version}: its latest is {latest}")]
    VersionNotFound {
        /// The table.
        table: TableName,
        /// The version asked for.
        version: TableVersion,
        /// The latest version there is.
        latest: TableVersion,
    },
    /// The table did not exist yet at that time.
    #[error("table {table} did not exist at {timestamp}: its first commit is of {first}")]
    TimestampBeforeFirstVersion {
        /// The table.
        table: TableName,
        /// The time asked for, RFC 3339.
        timestamp: String,
        /// The time of version 0, RFC 3339.
        first: String,
    },
    /// The rows do not fit the table's schema.
    #[error("{message}")]
    SchemaMismatch {
        /// Which columns, and how they differ.
        message: String,
    },
    /// A file is not what the ledger ratified. Reading stops here; `dab audit table` tells more.
    #[error("{path} of version {version} is not what the ledger ratified: expected blake3 {expected}, found {found}")]
    Divergence {
        /// The file, below the table's folder.
        path: String,
        /// The version whose file it is.
        version: TableVersion,
        /// The ratified BLAKE3, hexadecimal.
        expected: String,
        /// The BLAKE3 found, or what was found instead.
        found: String,
    },
    /// Somebody put a commit file where the ledger has none; nothing more can be committed until it is taken away.
    #[error("{path} was not written by dab: the ledger has no version {version}; move the file away to go on")]
    ForeignCommit {
        /// The file, below the table's folder.
        path: String,
        /// The version that it claims.
        version: TableVersion,
    },
    /// The table root is not the one that the ledger's nodes share.
    #[error("{path} is not the table root of this ledger: {reason}")]
    TableRoot {
        /// The folder.
        path: String,
        /// What was found, or missed.
        reason: String,
    },
    /// The copy of the ledger's public files in the table root contradicts this node's ledger; compare both with an audit.
    #[error("{path} contradicts this node's ledger: {reason}; audit both, and move the copy away to have it made anew")]
    PublicCopy {
        /// The file, below the table root.
        path: String,
        /// What was found.
        reason: String,
    },
    /// A ratified commit is neither published nor kept for repair.
    #[error("{path} of version {version} is missing, and the ledger keeps no copy of it: restore it from a backup")]
    CommitLost {
        /// The file, below the table's folder.
        path: String,
        /// The version.
        version: TableVersion,
    },
    /// Another writer won, and the two changes cannot both stand; read again and retry.
    #[error("another commit came first: {message}")]
    WriteConflict {
        /// What conflicted.
        message: String,
    },
    /// The commit holds something that DAB never writes, such as a path that leaves the table.
    #[error("refused to commit: {message}")]
    InvalidCommit {
        /// What and where.
        message: String,
    },
    /// The disk is full; nothing was committed. Free space and retry.
    #[error("no space left on the disk: nothing was committed")]
    DiskFull,
    /// The store stopped writing after a failed fsync; restart the node when the disk is well again.
    #[error("the table store stopped writing after a failed sync of {path}: {message}")]
    StoreStopped {
        /// The file or folder whose sync failed.
        path: String,
        /// The operating system's words.
        message: String,
    },
    /// The ledger took the commit or did not: nobody can say before the node has restarted. Look whether it stands, in
    /// `dab.commits`, before writing the rows again.
    #[error("the commit may or may not stand ({0}): look in dab.commits before writing the same rows again")]
    OutcomeUnknown(dab_ledger::Error),
    /// The ledger could not answer.
    #[error("the ledger could not answer: {0}")]
    Ledger(#[source] dab_ledger::Error),
    /// A proof or a leaf was not what it should be.
    #[error("the ledger's own records do not check: {0}")]
    Proof(#[from] dab_proof::Error),
    /// The catalog's records do not fold into a catalog.
    #[error("the catalog record {sequence} is not readable: {message}")]
    Catalog {
        /// The record's sequence under the subject `catalog`.
        sequence: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The request was carried out before, and nothing was done now; [`crate::Lake::carried_out`] tells what came of it.
    #[error("this request was carried out before, by leaf {}", leaf_indexes.first().copied().unwrap_or_default())]
    CarriedOut {
        /// The leaves of the first.
        leaf_indexes: Vec<u64>,
    },
    /// The client's key stands for another statement, and nothing was done; choose another key.
    #[error("this key stands for another statement, carried out by leaf {leaf_index}")]
    OtherStatement {
        /// The first leaf of the other statement.
        leaf_index: u64,
    },
    /// Only subjects `digest/<name>` are bound from outside; all others are written by what they are about.
    #[error("only subjects digest/NAME can be bound this way, not {subject}")]
    NotForeign {
        /// The subject asked for.
        subject: Subject,
    },
    /// The query that feeds the write failed.
    #[error(transparent)]
    Query(datafusion::error::DataFusionError),
    /// A store operation failed.
    #[error("{0}")]
    Store(#[from] object_store::Error),
    /// Delta could not do it.
    #[error("{0}")]
    Delta(DeltaTableError),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The operating system's words.
        source: std::io::Error,
    },
}

impl Error {
    /// What is left to say of a version that the ledger ratified and whose bytes are nowhere.
    pub(crate) fn commit_lost(version: TableVersion) -> Self {
        Error::CommitLost {
            path: commit_path(version).to_string(),
            version,
        }
    }

    /// Wraps an I/O error with the path it is about; a full disk becomes [`Error::DiskFull`].
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull => Error::DiskFull,
            _ => Error::Io {
                path: path.display().to_string(),
                source,
            },
        }
    }
}

impl From<dab_ledger::Error> for Error {
    /// A full disk is a full disk, whichever part of a node noticed it first.
    fn from(error: dab_ledger::Error) -> Self {
        match error {
            dab_ledger::Error::NoRoom { .. } => Error::DiskFull,
            dab_ledger::Error::CarriedOut { leaf_indexes } => Error::CarriedOut { leaf_indexes },
            dab_ledger::Error::OtherStatement { leaf_index } => Error::OtherStatement { leaf_index },
            other => Error::Ledger(other),
        }
    }
}

impl From<DeltaTableError> for Error {
    /// Looks for our own error, a full disk, a stopped store or a lost race inside what deltalake wrapped.
    fn from(error: DeltaTableError) -> Self {
        if let Some(trouble) = trouble_with_the_disk(&error) {
            return trouble;
        }
        match error {
            DeltaTableError::Transaction { source } => match source {
                TransactionError::LogStoreError { msg, source } => match source.downcast::<Error>() {
                    Ok(own) => *own,
                    Err(source) => Error::Delta(DeltaTableError::Transaction {
                        source: TransactionError::LogStoreError { msg, source },
                    }),
                },
                TransactionError::CommitConflict(conflict) => Error::WriteConflict {
                    message: conflict.to_string(),
                },
                TransactionError::MaxCommitAttempts(attempts) => Error::WriteConflict {
                    message: format!("gave up after {attempts} attempts"),
                },
                source => Error::Delta(DeltaTableError::Transaction { source }),
            },
            DeltaTableError::GenericError { source } => match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(source) => match source.downcast::<datafusion::error::DataFusionError>() {
                    Ok(query) => Error::Query(*query),
                    Err(source) => Error::Delta(DeltaTableError::GenericError { source }),
                },
            },
            other => Error::Delta(other),
        }
    }
}

/// A full disk, or a store that a failed sync has stopped, somewhere in what led to the error.
fn trouble_with_the_disk(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::StorageFull
        {
            return Some(Error::DiskFull);
        }
        match error.downcast_ref::<Error>() {
            Some(Error::DiskFull) => return Some(Error::DiskFull),
            Some(Error::StoreStopped { path, message }) => {
                return Some(Error::StoreStopped {
                    path: path.clone(),
                    message: message.clone(),
                });
            }
            _ => {}
        }
        cause = error.source();
    }
    None
}
