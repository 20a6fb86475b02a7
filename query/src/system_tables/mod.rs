//! The schema `dab`: what the ledger and the commits say, as tables.
//!
//! They are read while a query asks for them, table by table; a condition such as `table_name = 'orders'` is used to
//! read no more than that.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use dab_storage::{Lake, Table, TableName};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::TryStreamExt;
use futures::stream::BoxStream;

mod checkpoints;
mod commits;
mod files;
mod heads;
mod leaves;
mod receipts;
mod replicas;
mod told;
mod wanted;

use crate::Error;
use wanted::Wanted;

/// The schema of the system tables.
pub const SYSTEM_SCHEMA: &str = "dab";

const COMMITS: &str = "commits";
const CHECKPOINTS: &str = "checkpoints";
const FILES: &str = "files";
const HEADS: &str = "heads";
const LEAVES: &str = "leaves";
const RECEIPTS: &str = "receipts";
const REPLICAS: &str = "replicas";

/// All of them.
const NAMES: [&str; 7] = [CHECKPOINTS, COMMITS, FILES, HEADS, LEAVES, RECEIPTS, REPLICAS];

/// The rows of a system table, as they are read.
type Rows = BoxStream<'static, Result<RecordBatch, Error>>;

/// The schema as DataFusion sees it.
pub(crate) struct SystemSchema {
    lake: Arc<Lake>,
}

impl SystemSchema {
    pub(crate) fn new(lake: Arc<Lake>) -> Self {
        Self { lake }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        NAMES.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let (schema, read): (SchemaRef, Read) = match name {
            COMMITS => (commits::schema(), commits::rows),
            CHECKPOINTS => (checkpoints::schema(), checkpoints::rows),
            FILES => (files::schema(), files::rows),
            HEADS => (heads::schema(), heads::rows),
            LEAVES => (leaves::schema(), leaves::rows),
            RECEIPTS => (receipts::schema(), receipts::rows),
            REPLICAS => (replicas::schema(), replicas::rows),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(SystemTable {
            lake: self.lake.clone(),
            schema,
            read,
        })))
    }

    fn table_exist(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }
}

type Read = fn(Arc<Lake>, Wanted) -> Rows;

struct SystemTable {
    lake: Arc<Lake>,
    schema: SchemaRef,
    read: Read,
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // What is pushed down only spares reading; DataFusion applies the condition all the same.
        let pushdown = |filter: &&Expr| match Wanted::default().narrow(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(pushdown).collect())
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut wanted = Wanted::default();
        for filter in filters {
            wanted.narrow(filter);
        }
        if let Some(projection) = projection {
            wanted.look_at(
                projection
                    .iter()
                    .map(|column| self.schema.field(*column).name().clone()),
            );
        }
        let scan = Scan {
            lake: self.lake.clone(),
            schema: self.schema.clone(),
            read: self.read,
            wanted,
        };
        let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(scan)];
        let exec = StreamingTableExec::try_new(self.schema.clone(), partitions, projection, None, false, limit)?;
        Ok(Arc::new(exec))
    }
}

struct Scan {
    lake: Arc<Lake>,
    schema: SchemaRef,
    read: Read,
    wanted: Wanted,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = (self.read)(self.lake.clone(), self.wanted.clone()).err_into();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

impl fmt::Debug for SystemSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemSchema")
    }
}

impl fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTable")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// The type of all times in system tables.
fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// A count or an index as SQL has them: no ledger grows beyond 63 bits.
fn int64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A digest as SQL has it: lower-case hexadecimal digits.
fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that SQL means. What is none is no row's.
fn digest(text: &str) -> Option<[u8; 32]> {
    dab_proof::hash::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}

/// The names of the tables that a query wants to hear of.
async fn tables_wanted(lake: &Lake, wanted: &Wanted) -> Result<Vec<TableName>, Error> {
    let names = lake.tables().await?.into_iter().map(|entry| entry.name);
    Ok(names.filter(|name| wanted.table(name.as_str())).collect())
}

/// The table, unless it was dropped meanwhile.
async fn open(lake: &Lake, name: &TableName) -> Result<Option<Table>, Error> {
    match lake.table(name).await {
        Ok(table) => Ok(Some(table)),
        Err(dab_storage::Error::TableNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
