//! Delta's log store for one table and one operation, with the ledger as the arbiter of commits.

use std::sync::Arc;

use async_trait::async_trait;
use buoyant_kernel::Engine;
use bytes::Bytes;
use chrono::Utc;
use deltalake_core::kernel::Version;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::logstore::{CommitOrBytes, LogStore, LogStoreConfig, StorageConfig, default_logstore};
use deltalake_core::{DeltaResult, DeltaTableError};
use object_store::ObjectStore;
use url::Url;
use uuid::Uuid;

use crate::commit::Body;
use crate::commit::annotate::{Annotated, Place, annotate};
use crate::commit::crash_point::crash_point;
use crate::commit::operation::{Operation, Outcome};
use crate::commit::publish::{UNPUBLISHED_COMMITS_MAX, publish_up_to};
use crate::commit::ratify::{Draft, Ratified, ratify};
use crate::commit::stage::{Staged, stage};
use crate::kernel_engine::LedgerEngine;
use crate::object_store::{GuardedStore, HashingStore, commit_path};
use crate::table_log::{RatifiedCommit, TableLog};
use crate::{Error, TableVersion};

/// The scheme of a table's URL, `dab://<table id>/`: each table is an object store of its own to DataFusion, and none is
/// reachable by a `file://` path.
pub(crate) const SCHEME: &str = "dab";

/// Hands deltalake the guarded view of a table and takes its commits to the ledger.
///
/// One is made per operation, because deltalake tells a log store neither who writes nor why.
pub(crate) struct LedgerLogStore {
    log: Arc<TableLog>,
    operation: Option<Arc<Operation>>,
    reading: Arc<dyn ObjectStore>,
    config: LogStoreConfig,
}

impl LedgerLogStore {
    /// A log store that only reads.
    pub(crate) fn reader(log: Arc<TableLog>) -> Arc<Self> {
        Self::new(log, None)
    }

    /// A log store through which one operation writes.
    pub(crate) fn writer(log: Arc<TableLog>, operation: Arc<Operation>) -> Arc<Self> {
        Self::new(log, Some(operation))
    }

    fn new(log: Arc<TableLog>, operation: Option<Arc<Operation>>) -> Arc<Self> {
        let url = Url::parse(&format!("{SCHEME}://{}/", log.id)).expect("a uuid is a valid host");
        let config = LogStoreConfig::new(&url, StorageConfig::default());
        let reading = Arc::new(GuardedStore::new(Arc::new(log.store.clone()), log.clone()));
        Arc::new(Self {
            log,
            operation,
            reading,
            config,
        })
    }

    async fn commit(&self, version: TableVersion, commit: &Bytes, operation_id: Uuid) -> Result<(), CommitError> {
        let operation = self.operation.as_ref().ok_or_else(|| Error::InvalidCommit {
            message: "this view of the table only reads".into(),
        })?;
        self.refuse_foreign_commit(version).await?;
        let parent = self.parent(version).await?;
        let place = Place {
            table: self.log.id,
            version,
            parent: parent.as_ref().map(|(hash, _)| *hash),
            parent_timestamp: parent.as_ref().map(|(_, timestamp)| *timestamp),
            now: Utc::now().timestamp_millis(),
        };
        let Annotated { bytes, files, rows } = annotate(commit, place, operation, operation_id)?;
        let body = Body::of(Bytes::from(bytes));
        crash_point!("commit::annotated");
        let staged = stage(&self.log.store, version, operation_id, body.bytes()).await?;
        crash_point!("commit::staged");
        let draft = Draft {
            subject: self.log.subject.clone(),
            sequence: version.0,
            parent: place.parent,
            digest: *body.digest(),
            files,
            operation: operation.context.operation.clone(),
            body: staged.body(),
        };
        let receipt = match self.ratify(draft, operation).await {
            Ok(Some(receipt)) => receipt,
            Ok(None) => {
                staged.discard(&self.log.store).await;
                return Err(CommitError::Lost);
            }
            Err(error @ (Error::CarriedOut { .. } | Error::OtherStatement { .. })) => {
                staged.discard(&self.log.store).await;
                return Err(error.into());
            }
            // The ledger may or may not have taken it: the staged file stays until recovery knows.
            Err(error) => return Err(error.into()),
        };
        crash_point!("commit::ratified");
        self.log.note(version, RatifiedCommit::of(&receipt), place.timestamp());
        operation.succeed(Outcome { version, receipt, rows });
        self.publish(version, &body, staged).await?;
        crash_point!("commit::published");
        Ok(())
    }

    /// The leaf hash and time of the version before; an error where the caller skipped one.
    async fn parent(&self, version: TableVersion) -> Result<Option<(dab_proof::hash::Hash, i64)>, CommitError> {
        let Some(previous) = version.previous() else {
            return Ok(None);
        };
        let commit = self.log.ratified(previous).await?;
        let timestamp = self.log.timestamp(previous).await?;
        match commit.zip(timestamp) {
            Some((commit, timestamp)) => Ok(Some((commit.leaf_hash, timestamp))),
            None => Err(Error::InvalidCommit {
                message: format!("version {version} has no version before it"),
            }
            .into()),
        }
    }

    /// `None` where another commit has this version.
    async fn ratify(&self, draft: Draft, operation: &Operation) -> Result<Option<dab_proof::receipt::Receipt>, Error> {
        let once = operation.context.once;
        let outcome = match &operation.companion {
            None => ratify(&self.log.ledger, vec![draft], once).await?,
            Some(companion) => {
                let mut catalog = companion.catalog.lock().await;
                catalog
                    .create(&companion.name, self.log.id, &companion.path, draft, once)
                    .await?
            }
        };
        match outcome {
            Ratified::Certified(receipts) => Ok(receipts.into_iter().next()),
            Ratified::Conflict(_) => Ok(None),
        }
    }

    /// A ratified commit stands whether or not it can be published this instant: on a full disk, say, the ledger or the
    /// staged file keeps its bytes, DAB's readers are served from there, and the next commit or start publishes it.
    async fn publish(&self, version: TableVersion, body: &Body, staged: Staged) -> Result<(), Error> {
        match publish_up_to(&self.log, version, Some(body)).await {
            Ok(()) => {
                staged.discard(&self.log.store).await;
                Ok(())
            }
            Err(error @ Error::Divergence { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(table = %self.log.id, %version, %error, "a ratified commit waits for publication");
                Ok(())
            }
        }
    }

    /// Where somebody else put a file in this version's place, ratifying would only make a commit that cannot be
    /// published: refuse while nothing is promised yet.
    async fn refuse_foreign_commit(&self, version: TableVersion) -> Result<(), CommitError> {
        if !self.log.is_taken(version).await? {
            return Ok(());
        }
        match self.log.ratified(version).await? {
            Some(_) => Err(CommitError::Lost),
            None => Err(Error::ForeignCommit {
                path: commit_path(version).to_string(),
                version,
            }
            .into()),
        }
    }

    async fn refuse_long_backlog(&self, version: TableVersion) -> Result<(), Error> {
        let next = *self.log.next_unpublished.lock().await;
        if next.0 + UNPUBLISHED_COMMITS_MAX > version.0 {
            return Ok(());
        }
        publish_up_to(&self.log, TableVersion(version.0 - 1), None).await
    }
}

/// How writing a commit can end, other than well.
enum CommitError {
    /// Another commit has this version: deltalake checks for conflicts and tries the next.
    Lost,
    /// Nothing can be done about it here.
    Failed(Error),
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        CommitError::Failed(error)
    }
}

#[async_trait]
impl LogStore for LedgerLogStore {
    /// deltalake-core 1.1 compares this string: for the names of its own put-if-absent stores a commit arrives as bytes,
    /// for every other as the path of a temporary file that was put below `_delta_log/` first.
    fn name(&self) -> String {
        "DefaultLogStore".into()
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        self.log.bytes(TableVersion(version)).await.map_err(generic)
    }

    async fn write_commit_entry(
        &self,
        version: Version,
        commit_or_bytes: CommitOrBytes,
        operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        let CommitOrBytes::LogBytes(commit) = commit_or_bytes else {
            return Err(failed(Error::InvalidCommit {
                message: "the commit arrived as a temporary file".into(),
            }));
        };
        let version = TableVersion(version);
        let written = match self.refuse_long_backlog(version).await {
            Ok(()) => self.commit(version, &commit, operation_id).await,
            Err(error) => Err(error.into()),
        };
        match written {
            Ok(()) => Ok(()),
            Err(CommitError::Lost) => Err(TransactionError::VersionAlreadyExists(version.0)),
            Err(CommitError::Failed(error)) => {
                let reported = failed_text(&error);
                if let Some(operation) = &self.operation {
                    operation.fail(error);
                }
                Err(reported)
            }
        }
    }

    async fn abort_commit_entry(&self, _: Version, _: CommitOrBytes, _: Uuid) -> Result<(), TransactionError> {
        // A staged file is removed where it lost; where the ledger's answer is unknown it must stay.
        Ok(())
    }

    async fn get_latest_version(&self, start_version: Version) -> DeltaResult<Version> {
        match self.log.latest().await.map_err(generic)? {
            Some(latest) if latest.0 >= start_version => {
                // Whatever is committed next builds on it, so the kernel must find it in its listing.
                self.log.ratified(latest).await.map_err(generic)?;
                Ok(latest.0)
            }
            _ => Err(DeltaTableError::InvalidVersion(start_version)),
        }
    }

    fn object_store(&self, _: Option<Uuid>) -> Arc<dyn ObjectStore> {
        match &self.operation {
            None => self.reading.clone(),
            Some(operation) => {
                let hashing = HashingStore::new(Arc::new(self.log.store.clone()), operation.digests.clone());
                Arc::new(GuardedStore::new(Arc::new(hashing), self.log.clone()))
            }
        }
    }

    // Reads only, and outlives the operation: DataFusion keeps the first store registered for a URL.
    fn root_object_store(&self, _: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.reading.clone()
    }

    fn engine(&self, _: Option<Uuid>) -> Arc<dyn Engine> {
        let (store, options) = (&self.reading, StorageConfig::default());
        let plain = default_logstore(store.clone(), store.clone(), self.config.location(), &options);
        Arc::new(LedgerEngine::new(plain.engine(None), self.log.clone()))
    }

    fn config(&self) -> &LogStoreConfig {
        &self.config
    }
}

fn generic(error: Error) -> DeltaTableError {
    DeltaTableError::GenericError {
        source: Box::new(error),
    }
}

fn failed(error: Error) -> TransactionError {
    TransactionError::LogStoreError {
        msg: error.to_string(),
        source: Box::new(error),
    }
}

fn failed_text(error: &Error) -> TransactionError {
    TransactionError::LogStoreError {
        msg: error.to_string(),
        source: error.to_string().into(),
    }
}
