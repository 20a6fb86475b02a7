//! One table: read it at a version, add to it, look at its past.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dab_proof::head_proof::HeadProof;
use dab_proof::receipt::Receipt;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use deltalake_core::delta_datafusion::SessionFallbackPolicy;
use deltalake_core::delta_datafusion::planner::DeltaPlanner;
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::logstore::LogStore;
use deltalake_core::operations::write::{SchemaMode, WriteBuilder};
use deltalake_core::protocol::SaveMode;
use deltalake_core::table::state::DeltaTableState;
use object_store::ObjectStore;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::commit::publish::publish_up_to;
use crate::commit::{LedgerLogStore, Operation};
use crate::file_writers::FileWriters;
use crate::history::{self, CommitRecord};
use crate::table_log::TableLog;
use crate::time_travel::{VersionSpec, resolve};
use crate::{CommitContext, Committed, Error, Pin, Snapshot, TableId, TableName, TableVersion};

/// How often a write that lost the race for a version tries the next one. Appends never conflict, so this is only the
/// point at which a crowd of writers is told that it is one.
const COMMIT_RETRIES_MAX: usize = 100;

/// The rows to write, as a plan, and the session that runs it with its limits.
#[derive(Debug, Clone)]
pub struct WriteInput {
    /// Produces the rows.
    pub plan: LogicalPlan,
    /// Supplies the memory pool, the object stores and the options.
    pub session: Arc<SessionState>,
}

/// A table of the lake. Cheap to clone; all clones share what they know of it.
#[derive(Clone)]
pub struct Table {
    shared: Arc<Shared>,
}

struct Shared {
    name: TableName,
    path: String,
    log: Arc<TableLog>,
    /// The latest state read or made, from which a newer one is reached by reading only the commits between. It came
    /// through a guarded store, and holds on to none.
    latest: Mutex<Option<DeltaTableState>>,
    /// The latest ratified version at the last look of [`Table::roll_forward`].
    seen_ratified: Mutex<Option<TableVersion>>,
}

impl Table {
    pub(crate) fn new(name: TableName, path: String, log: Arc<TableLog>) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                path,
                log,
                latest: Mutex::default(),
                seen_ratified: Mutex::default(),
            }),
        }
    }

    /// The name under which it was opened.
    pub fn name(&self) -> &TableName {
        &self.shared.name
    }

    /// The identity, which outlives names.
    pub fn id(&self) -> TableId {
        self.shared.log.id
    }

    /// The folder, below the table root.
    pub fn path(&self) -> &str {
        &self.shared.path
    }

    pub(crate) fn log(&self) -> &Arc<TableLog> {
        &self.shared.log
    }

    /// The table at a version. Fails with [`Error::VersionNotFound`], [`Error::TimestampBeforeFirstVersion`], or
    /// [`Error::Divergence`] where a commit file up to that version is not the ratified one.
    pub async fn snapshot(&self, spec: VersionSpec) -> Result<Snapshot, Error> {
        let version = resolve(&self.shared.log, self.name(), spec).await?;
        let commit = self
            .shared
            .log
            .ratified(version)
            .await?
            .ok_or_else(|| Error::commit_lost(version))?;
        let pin = Pin {
            table: self.name().clone(),
            id: self.id(),
            version,
            leaf_index: commit.leaf_index,
            digest: commit.body().blake3,
        };
        let state = Arc::new(self.state(version).await?);
        Ok(Snapshot {
            pin,
            state,
            log_store: LedgerLogStore::reader(self.shared.log.clone()),
        })
    }

    /// Adds rows; one commit.
    pub async fn append(&self, input: WriteInput, context: &CommitContext) -> Result<Committed, Error> {
        self.write(SaveMode::Append, input, context).await
    }

    /// Replaces all rows; one commit. The schema stays, unless the context allows to replace that too.
    pub async fn overwrite(&self, input: WriteInput, context: &CommitContext) -> Result<Committed, Error> {
        self.write(SaveMode::Overwrite, input, context).await
    }

    /// The last `limit` commits (all where it is `None`), newest first.
    pub async fn history(&self, limit: Option<usize>) -> Result<Vec<CommitRecord>, Error> {
        history::history(&self.shared.log, limit).await
    }

    /// The proof that the ledger holds a version's commit.
    pub async fn receipt(&self, version: TableVersion) -> Result<Receipt, Error> {
        let version = resolve(&self.shared.log, self.name(), VersionSpec::Version(version)).await?;
        let commit = self
            .shared
            .log
            .ratified(version)
            .await?
            .ok_or_else(|| Error::commit_lost(version))?;
        Ok(self.shared.log.ledger.reader.receipt(commit.leaf_index).await?)
    }

    /// The proof of which version is the latest, as of now: where leaves came since the ledger bound its heads, it binds them
    /// anew.
    pub async fn head_proof(&self) -> Result<HeadProof, Error> {
        Ok(self
            .shared
            .log
            .ledger
            .reader
            .head_proof(&self.shared.log.subject)
            .await?)
    }

    /// The commit file of a version, checked against the ledger.
    pub async fn commit_bytes(&self, version: TableVersion) -> Result<Bytes, Error> {
        let version = resolve(&self.shared.log, self.name(), VersionSpec::Version(version)).await?;
        self.shared
            .log
            .bytes(version)
            .await?
            .ok_or_else(|| Error::commit_lost(version))
    }

    async fn write(&self, mode: SaveMode, input: WriteInput, context: &CommitContext) -> Result<Committed, Error> {
        let base = self.base_version(context).await?;
        let snapshot = self.state(base).await?;
        let operation = Operation::new(context.clone(), None);
        let log_store = LedgerLogStore::writer(self.shared.log.clone(), operation.clone());
        // deltalake gives each partition a file writer, or several of them one; that is its own affair.
        let partitioned = !snapshot.metadata().partition_columns().is_empty();
        let files = (!partitioned).then(|| log_store.object_store(None));
        let mut builder = WriteBuilder::new(log_store, Some(snapshot)).with_save_mode(mode);
        if mode == SaveMode::Overwrite && context.overwrite_schema {
            builder = builder.with_schema_mode(SchemaMode::Overwrite);
        }
        let reads_itself = context.read.iter().any(|pin| pin.id == self.id());
        let properties = match mode {
            SaveMode::Append => commit_properties(!reads_itself),
            // Another commit since the base would be replaced unseen, or stand beside the replacement.
            _ => commit_properties(false).with_max_retries(0),
        };
        let writing = Writing {
            files,
            operation: &operation,
        };
        let made = run(builder, input, properties, writing).await?;
        self.committed(&operation, made)
    }

    /// See [`crate::Lake::roll_forward`].
    pub(crate) async fn roll_forward(&self) -> Result<(), Error> {
        let log = &self.shared.log;
        let latest = log.latest().await?;
        let seen_before = std::mem::replace(&mut *self.shared.seen_ratified.lock(), latest);
        match seen_before {
            Some(version) => publish_up_to(log, version, None).await,
            None => Ok(()),
        }
    }

    /// The version that the write builds on: the one it read, where it read this very table, so that whatever was committed
    /// since is checked for conflicts. Building on the latest would take rows that it never saw for rows that it replaced.
    async fn base_version(&self, context: &CommitContext) -> Result<TableVersion, Error> {
        let mut read = context
            .read
            .iter()
            .filter(|pin| pin.id == self.id())
            .map(|pin| pin.version);
        let Some(base) = read.next() else {
            return resolve(&self.shared.log, self.name(), VersionSpec::Latest).await;
        };
        match read.all(|version| version == base) {
            true => Ok(base),
            false => Err(Error::WriteConflict {
                message: format!("the statement reads {} at two versions and writes it", self.name()),
            }),
        }
    }

    /// What the operation achieved; the ledger's answer is the only witness of it. `made` is the table's state after it, as
    /// deltalake read it back from the commit file: the next statement goes on from there instead of reading it again.
    pub(crate) fn committed(&self, operation: &Operation, made: Option<DeltaTableState>) -> Result<Committed, Error> {
        let outcome = operation.outcome().ok_or_else(|| Error::InvalidCommit {
            message: "the write ended without a commit".into(),
        })?;
        if let Some(state) = made
            && state.version() == outcome.version.0
        {
            self.keep(state);
        }
        Ok(Committed {
            table: self.name().clone(),
            id: self.id(),
            version: outcome.version,
            rows: outcome.rows,
            receipt: outcome.receipt,
        })
    }

    async fn state(&self, version: TableVersion) -> Result<EagerSnapshot, Error> {
        // The kernel lists what this process knows to be ratified.
        self.shared.log.ratified(version).await?;
        let known = self.shared.latest.lock().clone();
        let log_store = LedgerLogStore::reader(self.shared.log.clone());
        let state = match known {
            Some(state) if state.version() == version.0 => state,
            Some(mut state) if state.version() < version.0 => {
                state.update(log_store.as_ref(), Some(version.0)).await?;
                state
            }
            _ => DeltaTableState::try_new(log_store.as_ref(), Some(version.0)).await?,
        };
        let snapshot = state.snapshot().clone();
        self.keep(state);
        Ok(snapshot)
    }

    /// Keeps a state for those who come next, unless another reader or writer has come further meanwhile.
    fn keep(&self, state: DeltaTableState) {
        let mut latest = self.shared.latest.lock();
        if latest.as_ref().map(DeltaTableState::version) < Some(state.version()) {
            *latest = Some(state);
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} {})", self.name(), self.id())
    }
}

/// What a write is and where it goes.
pub(crate) struct Writing<'a> {
    /// Where several file writers may put files; `None` leaves them all to deltalake.
    pub(crate) files: Option<Arc<dyn ObjectStore>>,
    pub(crate) operation: &'a Arc<Operation>,
}

/// Runs a write; the table's state after it, where deltalake could tell. Whatever it reports after the ledger ratified (its
/// own bookkeeping, say) does not undo the commit.
pub(crate) async fn run(
    builder: WriteBuilder,
    input: WriteInput,
    properties: CommitProperties,
    writing: Writing<'_>,
) -> Result<Option<DeltaTableState>, Error> {
    let Writing { files, operation } = writing;
    let shared = match files {
        Some(files) => FileWriters::share(&input, files, operation).await?,
        None => None,
    };
    let (plan, writers) = shared.map_or((input.plan, None), |(plan, writers)| (plan, Some(writers)));
    // deltalake's writer puts nodes of its own into the plan, which only its own planner can turn into execution.
    let session = SessionStateBuilder::new_from_existing((*input.session).clone())
        .with_query_planner(DeltaPlanner::new())
        .build();
    let session: Arc<dyn datafusion::catalog::Session> = Arc::new(session);
    let written = builder
        .with_input_plan(plan)
        .with_session_state(session)
        .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
        .with_commit_properties(properties)
        .await;
    if let Some(writers) = writers {
        writers.abandon().await;
    }
    match (written, operation.outcome()) {
        (Ok(table), _) => Ok(table.state),
        (Err(error), Some(outcome)) => {
            if let Some(divergence) = operation.take_failure() {
                return Err(divergence);
            }
            tracing::warn!(version = %outcome.version, %error, "the commit stands, what follows it failed");
            Ok(None)
        }
        (Err(error), None) => Err(operation.failure(error)),
    }
}

/// Delta's own maintenance stays off: a Delta checkpoint would be trusted unchecked by other readers, and cleaning up
/// the log would delete what the ledger notarized.
pub(crate) fn commit_properties(blind_append: bool) -> CommitProperties {
    let mut metadata: HashMap<String, Value> = HashMap::new();
    if blind_append {
        // deltalake never says so itself, and then every append would seem to conflict with every rewrite.
        metadata.insert("isBlindAppend".into(), json!(true));
    }
    CommitProperties::default()
        .with_metadata(metadata)
        .with_max_retries(COMMIT_RETRIES_MAX)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
}

#[cfg(test)]
mod tests;
