//! The catalog of one statement: each table it names, resolved once.
//!
//! A statement that names a table twice must see one state of it, and must be able to say afterwards which. So each
//! statement gets a catalog of its own; the first look at a name takes a snapshot, and every further look finds that.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dab_storage::{Error as StorageError, Lake, Pin, Snapshot, TableName};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use tokio::sync::Mutex;

use crate::Error;
use crate::pushdown::ShortConditions;
use crate::sql::time_travel::split_version;
use crate::system_tables::{SYSTEM_SCHEMA, SystemSchema};
use crate::types::plain_schema;

/// The one catalog.
pub const CATALOG: &str = "lake";
/// The schema of all tables.
pub const SCHEMA: &str = "public";

/// What one statement knows of the lake.
pub(crate) struct StatementCatalog {
    lake: Arc<Lake>,
    /// The tables there are, as of the start of the statement.
    names: Vec<TableName>,
    /// What the providers read with.
    state: Arc<SessionState>,
    resolved: Mutex<HashMap<String, Resolved>>,
    /// Set once the statement is planned. Only `information_schema` looks for tables after that, for all of them, and
    /// one table that cannot be read must not hide the others from every client.
    planned: AtomicBool,
    system: Arc<SystemSchema>,
}

#[derive(Debug, Clone)]
struct Resolved {
    snapshot: Snapshot,
    provider: Arc<dyn TableProvider>,
}

impl StatementCatalog {
    /// Asks for the tables' names. `state` supplies memory and options to the scans.
    pub(crate) async fn open(lake: Arc<Lake>, state: Arc<SessionState>) -> Result<Arc<Self>, Error> {
        let names: Vec<_> = lake.tables().await?.into_iter().map(|entry| entry.name).collect();
        let system = Arc::new(SystemSchema::new(lake.clone()));
        Ok(Arc::new(Self {
            lake,
            names,
            state,
            resolved: Mutex::default(),
            planned: AtomicBool::new(false),
            system,
        }))
    }

    /// The catalog as DataFusion wants it.
    pub(crate) fn provider(self: &Arc<Self>) -> Arc<dyn CatalogProviderList> {
        Arc::new(CatalogList(self.clone()))
    }

    /// The statement is planned: from here on, tables that cannot be read are passed over.
    pub(crate) fn close_planning(&self) {
        self.planned.store(true, Ordering::Relaxed);
    }

    /// The snapshot behind a name of the statement; `None` for system tables and the like.
    pub(crate) async fn snapshot(&self, reference: &TableReference) -> Option<Snapshot> {
        let resolved = reference.clone().resolve(CATALOG, SCHEMA);
        if *resolved.catalog != *CATALOG || *resolved.schema != *SCHEMA {
            return None;
        }
        let known = self.resolved.lock().await;
        known
            .get(resolved.table.as_ref())
            .map(|resolved| resolved.snapshot.clone())
    }

    /// The pin behind a name of the statement.
    pub(crate) async fn pin(&self, reference: &TableReference) -> Option<Pin> {
        self.snapshot(reference).await.map(|snapshot| snapshot.pin().clone())
    }

    /// The error behind DataFusion's `table '...' not found`, with a table of a similar name.
    pub(crate) fn missing_in(&self, message: &str) -> Option<Error> {
        let name = message.strip_prefix("table '")?.strip_suffix("' not found")?;
        let name = name.strip_prefix(&format!("{CATALOG}.{SCHEMA}.")).unwrap_or(name);
        let candidates = self.names.iter().map(TableName::as_str);
        let suggestion = closest(name, candidates).map(str::to_owned);
        Some(Error::TableNotFound {
            name: name.to_owned(),
            suggestion,
        })
    }

    async fn resolve(&self, reference: &str) -> Result<Option<Resolved>, Error> {
        let (table, version) = split_version(reference)?;
        let Ok(name) = TableName::parse(table) else {
            return Ok(None);
        };
        let mut resolved = self.resolved.lock().await;
        if let Some(known) = resolved.get(reference) {
            return Ok(Some(known.clone()));
        }
        let table = match self.lake.table(&name).await {
            Ok(table) => table,
            Err(StorageError::TableNotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let snapshot = table.snapshot(version).await?;
        let provider: Arc<dyn TableProvider> = snapshot.provider(self.state.clone()).await?;
        let provider = Arc::new(ShortConditions(provider));
        let found = Resolved { snapshot, provider };
        resolved.insert(reference.to_owned(), found.clone());
        Ok(Some(found))
    }
}

impl std::fmt::Debug for StatementCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementCatalog")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct CatalogList(Arc<StatementCatalog>);

impl CatalogProviderList for CatalogList {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(Catalog(self.0.clone())) as Arc<dyn CatalogProvider>)
    }
}

#[derive(Debug)]
struct Catalog(Arc<StatementCatalog>);

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned(), SYSTEM_SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            SCHEMA => Some(Arc::new(Tables(self.0.clone()))),
            SYSTEM_SCHEMA => Some(self.0.system.clone()),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Tables(Arc<StatementCatalog>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.names.iter().map(TableName::to_string).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        match self.0.resolve(name).await {
            // only the columns are looked at by now
            Ok(Some(resolved)) if self.0.planned.load(Ordering::Relaxed) => {
                let columns = plain_schema(&resolved.provider.schema());
                Ok(Some(Arc::new(EmptyTable::new(columns))))
            }
            Ok(Some(resolved)) => Ok(Some(resolved.provider)),
            Ok(None) => Ok(None),
            Err(error) if self.0.planned.load(Ordering::Relaxed) => {
                tracing::warn!(table = name, %error, "left out of information_schema");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.names.iter().any(|known| known.as_str() == name)
    }
}

/// The candidate that the fewest edits lead to, if they are few enough to be a slip.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = 1 + name.len() / 4;
    candidates
        .map(|candidate| (edits(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<_> = to.chars().collect();
    let mut row: Vec<_> = (0..=to.len()).collect();
    for (at, given) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, wanted) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(given != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_table() {
        let tables = || ["lineitem", "orders", "nation"].into_iter();
        assert_eq!(closest("lineitems", tables()), Some("lineitem"));
        assert_eq!(closest("ordres", tables()), Some("orders"));
        assert_eq!(closest("ORDERS", tables()), Some("orders"));
        assert_eq!(closest("customer", tables()), None);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}
