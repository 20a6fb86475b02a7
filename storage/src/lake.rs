//! All tables of one table root, and their catalog.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use dab_ledger::notary::{Notary, Once};
use dab_ledger::reader::LedgerReader;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::receipt::Receipt;
use dab_proof::tree::LeafIndex;
use deltalake_core::kernel::StructType;
use deltalake_core::logstore::LogStore;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::write::WriteBuilder;
use deltalake_core::protocol::SaveMode;
use deltalake_core::table::state::DeltaTableState;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::catalog::{Catalog, CatalogEntry};
use crate::commit::recover::recover;
use crate::commit::{CatalogCompanion, LedgerLogStore, Operation};
use crate::find::{LeafHash, LeafPlaces, TableFiles};
use crate::history::{self, CommitRecord};
use crate::object_store::DurableStore;
use crate::table::{Table, WriteInput, Writing, commit_properties, run};
use crate::table_log::TableLog;
use crate::table_root;
use crate::{CommitContext, Committed, Error, TableId, TableName};

/// What storage needs of the ledger: somebody who takes leaves, somebody who answers questions, and the key that signs.
#[derive(Clone)]
pub struct Ledger {
    /// Takes leaves.
    pub notary: Arc<dyn Notary>,
    /// Answers what stands in the ledger.
    pub reader: Arc<dyn LedgerReader>,
    /// Signs this program's leaves; registered in the trust directory.
    pub writer: Arc<SigningKey>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.reader.origin())
    }
}

/// A table to be made.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// Its name.
    pub name: TableName,
    /// Its columns; at least one.
    pub schema: SchemaRef,
    /// The columns whose values name its folders; usually none.
    pub partition_columns: Vec<String>,
    /// What it is about.
    pub comment: Option<String>,
}

/// Who works on a table root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// This process and no other: what a crash left half done is its own, and is cleared away.
    Alone,
    /// Nodes of one ledger: what looks half done may be another's work under way.
    WithOtherNodes,
}

/// All tables of one table root.
pub struct Lake {
    root: PathBuf,
    sharing: Sharing,
    ledger: Ledger,
    catalog: Arc<AsyncMutex<Catalog>>,
    open: Mutex<HashMap<TableId, Table>>,
    leaf_places: LeafPlaces,
    /// Logs of tables that are not open, dropped ones for instance, of which somebody asked.
    other_logs: Mutex<HashMap<TableId, Arc<TableLog>>>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lake({})", self.root.display())
    }
}

impl Lake {
    /// Opens the table root and recovers: every ratified commit is compared with its published file, missing and torn files
    /// are published again, leftovers of a crash are removed where they can only be our own.
    ///
    /// A folder that is missing is made; but one that is to be shared has to be there, and the same for all nodes: fails with
    /// [`Error::TableRoot`].
    ///
    /// A table that cannot be recovered, because its files contradict the ledger or its disk fails, does not stop the
    /// others: reading it fails, with [`Error::Divergence`] for instance. Tables that were dropped are recovered too:
    /// their files are evidence.
    pub async fn open(root: &Path, ledger: Ledger, sharing: Sharing) -> Result<Arc<Self>, Error> {
        let catalog = Catalog::load(ledger.clone()).await?;
        let (named, dropped) = (catalog.tables(), catalog.dropped());
        match sharing {
            Sharing::Alone => drop(DurableStore::open(root)?),
            Sharing::WithOtherNodes => table_root::check(root, &ledger).await?,
        }
        let lake = Self {
            root: root.to_owned(),
            sharing,
            ledger,
            catalog: Arc::new(AsyncMutex::new(catalog)),
            open: Mutex::default(),
            leaf_places: LeafPlaces::default(),
            other_logs: Mutex::default(),
        };
        if sharing == Sharing::Alone {
            lake.remove_unfinished(named.iter().chain(&dropped));
        }
        for entry in &dropped {
            lake.recover(entry).await;
        }
        for entry in named {
            if let Some(log) = lake.recover(&entry).await {
                lake.open
                    .lock()
                    .insert(entry.id, Table::new(entry.name, entry.path, log));
            }
        }
        Ok(Arc::new(lake))
    }

    /// All tables, by name. Asks the ledger for names given since the last look.
    pub async fn tables(&self) -> Result<Vec<CatalogEntry>, Error> {
        Ok(self.fresh_catalog().await?.tables())
    }

    /// The table of that name. Fails with [`Error::TableNotFound`].
    pub async fn table(&self, name: &TableName) -> Result<Table, Error> {
        let entry = {
            let catalog = self.fresh_catalog().await?;
            catalog
                .get(name)
                .cloned()
                .ok_or_else(|| Error::TableNotFound { name: name.to_string() })?
        };
        if let Some(table) = self.open.lock().get(&entry.id) {
            return Ok(table.clone());
        }
        let table = Table::new(entry.name.clone(), entry.path.clone(), self.open_log(&entry)?);
        Ok(self.open.lock().entry(entry.id).or_insert(table).clone())
    }

    /// Makes an empty table: version 0 and the name are one entry of the ledger. Fails with [`Error::TableExists`].
    pub async fn create(&self, new: NewTable, context: &CommitContext) -> Result<Committed, Error> {
        let schema = kernel_schema(&new.schema)?;
        let (table, operation, log_store) = self.begin_create(&new, context).await?;
        let mut builder = CreateBuilder::new()
            .with_log_store(log_store)
            .with_columns(schema.fields().cloned())
            .with_partition_columns(new.partition_columns.clone())
            .with_table_name(new.name.as_str())
            .with_configuration(configuration())
            .with_commit_properties(commit_properties(false));
        if let Some(comment) = new.comment {
            builder = builder.with_comment(comment);
        }
        let created = builder.await;
        match (created, operation.outcome()) {
            (made, Some(_)) => self.created(table, &operation, made.ok().and_then(|made| made.state)),
            (Err(error), None) => Err(operation.failure(error)),
            (Ok(_), None) => table.committed(&operation, None),
        }
    }

    /// Makes a table with rows: version 0 has them already.
    pub async fn create_as(
        &self,
        new: NewTable,
        input: WriteInput,
        context: &CommitContext,
    ) -> Result<Committed, Error> {
        kernel_schema(&new.schema)?;
        let (table, operation, log_store) = self.begin_create(&new, context).await?;
        let files = new.partition_columns.is_empty().then(|| log_store.object_store(None));
        let mut builder = WriteBuilder::new(log_store, None)
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_partition_columns(new.partition_columns.clone())
            .with_table_name(new.name.as_str())
            .with_configuration(configuration());
        if let Some(comment) = new.comment {
            builder = builder.with_description(comment);
        }
        let writing = Writing {
            files,
            operation: &operation,
        };
        let made = run(builder, input, commit_properties(false), writing).await?;
        self.created(table, &operation, made)
    }

    /// Frees a table's name. Its files and its leaves stay: they are evidence.
    pub async fn drop_table(&self, name: &TableName, once: Option<Once>) -> Result<Receipt, Error> {
        let mut catalog = self.catalog.lock().await;
        let receipt = catalog.drop_table(name, once).await?;
        // Statements that read it keep what they hold.
        let dropped = catalog.dropped();
        self.open
            .lock()
            .retain(|id, _| dropped.iter().all(|entry| entry.id != *id));
        Ok(receipt)
    }

    /// The tables that lost their names, in that order, each under the name that it had.
    pub async fn dropped(&self) -> Result<Vec<CatalogEntry>, Error> {
        Ok(self.fresh_catalog().await?.dropped())
    }

    /// The commits of a table, whether it still has its name or not, newest first. More cannot be done with one that was
    /// dropped: what is left of it is evidence.
    pub async fn history(&self, entry: &CatalogEntry) -> Result<Vec<CommitRecord>, Error> {
        let log = self.log_of(entry)?;
        history::history(&log, None).await
    }

    /// The data files of a table, whether it still has its name or not.
    pub fn files(&self, entry: &CatalogEntry) -> Result<TableFiles, Error> {
        Ok(TableFiles::new(self.log_of(entry)?))
    }

    /// The leaves that have this hash, oldest first. The first question reads the whole ledger, each later one what came
    /// since: see [`find`](crate::find).
    pub async fn find_leaves(&self, hash: LeafHash) -> Result<Vec<(LeafIndex, SignedLeaf)>, Error> {
        // whatever was answered before this question is among the leaves
        self.ledger.reader.head(&Subject::catalog()).await?;
        self.leaf_places.find(&*self.ledger.reader, hash).await
    }

    /// Publishes what other nodes had ratified and then did not publish: they may be gone for good. Call it from time to
    /// time where nodes share the table root; it leaves alone what was ratified since the last call.
    pub async fn roll_forward(&self) -> Result<(), Error> {
        for entry in self.tables().await? {
            let rolled = match self.table(&entry.name).await {
                Ok(table) => table.roll_forward().await,
                // dropped meanwhile
                Err(Error::TableNotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = rolled {
                tracing::error!(table = %entry.name, %error, "what another node ratified could not be published");
            }
        }
        Ok(())
    }

    /// The ledger behind this lake.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    async fn fresh_catalog(&self) -> Result<MutexGuard<'_, Catalog>, Error> {
        let asked = Instant::now();
        let mut catalog = self.catalog.lock().await;
        catalog.refresh_since(asked).await?;
        Ok(catalog)
    }

    async fn begin_create(
        &self,
        new: &NewTable,
        context: &CommitContext,
    ) -> Result<(Table, Arc<Operation>, Arc<LedgerLogStore>), Error> {
        if self.table(&new.name).await.is_ok() {
            return Err(Error::TableExists { name: new.name.clone() });
        }
        let id = TableId::random();
        let path = self.take_folder(&new.name, id)?;
        let entry = CatalogEntry {
            name: new.name.clone(),
            id,
            path,
        };
        let log = self.open_log(&entry)?;
        let companion = CatalogCompanion {
            catalog: self.catalog.clone(),
            name: entry.name.clone(),
            path: entry.path.clone(),
        };
        let operation = Operation::new(context.clone(), Some(companion));
        let log_store = LedgerLogStore::writer(log.clone(), operation.clone());
        Ok((Table::new(entry.name, entry.path, log), operation, log_store))
    }

    fn created(&self, table: Table, operation: &Operation, made: Option<DeltaTableState>) -> Result<Committed, Error> {
        let committed = table.committed(operation, made)?;
        // A reader that saw the name first has opened the table already: all must share one.
        self.open.lock().entry(table.id()).or_insert(table);
        Ok(committed)
    }

    /// A creation that a crash cut off leaves a folder that no table has. An empty one only takes a name away; one with
    /// files is left for somebody to look at.
    fn remove_unfinished<'a>(&self, entries: impl Iterator<Item = &'a CatalogEntry>) {
        let known: HashSet<&str> = entries.map(|entry| entry.path.as_str()).collect();
        let Ok(folders) = std::fs::read_dir(&self.root) else {
            return;
        };
        for folder in folders.flatten() {
            if !known.contains(folder.file_name().to_string_lossy().as_ref()) {
                // Fails where it is not empty, and that is meant.
                let _ = std::fs::remove_dir(folder.path());
            }
        }
    }

    async fn recover(&self, entry: &CatalogEntry) -> Option<Arc<TableLog>> {
        let log = self.open_log(entry);
        let recovered = match &log {
            Ok(log) => recover(log, &entry.name, self.sharing).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = log.as_ref().map(|_| ()).and(recovered.as_ref().map(|_| ())) {
            tracing::error!(table = %entry.name, path = entry.path, %error, "the table could not be recovered");
        }
        log.ok()
    }

    /// Takes a folder that nobody has: the table's own name or, where that is taken (a dropped table may fill it), the name
    /// with the table's id. Making it decides, so that two creations never share one.
    fn take_folder(&self, name: &TableName, id: TableId) -> Result<String, Error> {
        for folder in [name.to_string(), format!("{name}-{}", id.short())] {
            let path = self.root.join(&folder);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path, error)),
            }
        }
        Err(Error::TableExists { name: name.clone() })
    }

    /// The log of a table; one for all who ask, since it remembers what it has read.
    pub(crate) fn log_of(&self, entry: &CatalogEntry) -> Result<Arc<TableLog>, Error> {
        if let Some(table) = self.open.lock().get(&entry.id) {
            return Ok(table.log().clone());
        }
        if let Some(log) = self.other_logs.lock().get(&entry.id) {
            return Ok(log.clone());
        }
        let log = self.open_log(entry)?;
        Ok(self.other_logs.lock().entry(entry.id).or_insert(log).clone())
    }

    fn open_log(&self, entry: &CatalogEntry) -> Result<Arc<TableLog>, Error> {
        let store = DurableStore::open(&self.root.join(&entry.path))?;
        Ok(TableLog::new(entry.id, store, self.ledger.clone()))
    }
}

/// Properties of every table that DAB makes; each keeps a Delta feature off that would hide data from the ledger or
/// delete what it notarized.
fn configuration() -> HashMap<String, Option<String>> {
    [
        ("delta.isolationLevel", "WriteSerializable"),
        ("delta.enableExpiredLogCleanup", "false"),
        ("delta.enableDeletionVectors", "false"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
    .collect()
}

fn kernel_schema(schema: &SchemaRef) -> Result<StructType, Error> {
    use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
    schema
        .as_ref()
        .try_into_kernel()
        .map_err(|error: arrow::error::ArrowError| Error::SchemaMismatch {
            message: error.to_string(),
        })
}
