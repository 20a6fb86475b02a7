//! Rows in bulk: record batches that arrive as a stream become one commit.

use dab_storage::{CommitContext, Error as StorageError, LoadedSource, NewTable, TableName, VersionSpec};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use std::sync::Arc;

use crate::rows::rows_of_stream;
use crate::statement::{WriteOutcome, in_own_task};
use crate::stop::Stop;
use crate::types::table_schema;
use crate::{Engine, Error};

/// The operation that the commit records.
const APPENDED: &str = "LOAD";
const REPLACED: &str = "LOAD OVERWRITE";

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestTarget {
    /// The table's name, upper and lower case as given.
    pub table: String,
    /// What to do with the table.
    pub mode: IngestMode,
}

/// What to do with the table that rows go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestMode {
    /// Make it; it must not exist.
    Create,
    /// Add to it; it must exist.
    Append,
    /// Replace its rows, and its columns if they differ; make it where it does not exist. Its history stays.
    Replace,
    /// Add to it; make it where it does not exist.
    CreateOrAppend,
}

/// Writes the rows in one commit, while they arrive; none of them is kept in memory longer than it takes to write it.
pub(crate) async fn ingest(
    engine: Arc<Engine>,
    user: Arc<str>,
    target: IngestTarget,
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    sources: Vec<LoadedSource>,
) -> Result<WriteOutcome, Error> {
    let name = TableName::parse(&target.table)?;
    if schema.fields() != input.schema().fields() {
        return Err(Error::SchemaMismatch {
            message: "the rows are not of the schema that was announced".into(),
        });
    }
    let mode = target.mode;
    in_own_task(&engine.clone(), move |stop| {
        Ingest {
            engine,
            user,
            name,
            mode,
            sources,
        }
        .run(schema, input, stop)
    })
    .await
}

struct Ingest {
    engine: Arc<Engine>,
    user: Arc<str>,
    name: TableName,
    mode: IngestMode,
    sources: Vec<LoadedSource>,
}

impl Ingest {
    async fn run(self, schema: SchemaRef, input: SendableRecordBatchStream, stop: Stop) -> Result<WriteOutcome, Error> {
        let _permit = stop.bound(self.engine.admission().admit()).await?;
        let lake = self.engine.lake();
        let existing = match lake.table(&self.name).await {
            Ok(table) => Some(table),
            Err(StorageError::TableNotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let state = Arc::new(self.engine.state());
        match (existing, self.mode) {
            (Some(_), IngestMode::Create) => Err(Error::TableExists {
                name: self.name.to_string(),
            }),
            (None, IngestMode::Append) => Err(StorageError::TableNotFound {
                name: self.name.to_string(),
            }
            .into()),
            (None, _) => {
                let schema = table_schema(&schema)?;
                let rows = rows_of_stream(input, schema.clone(), &state, &stop)?;
                let new = NewTable {
                    name: self.name.clone(),
                    schema,
                    partition_columns: Vec::new(),
                    comment: None,
                };
                let committed = lake.create_as(new, rows, &self.context(APPENDED)).await?;
                Ok(WriteOutcome::created(committed))
            }
            (Some(table), IngestMode::Replace) => {
                let rows = rows_of_stream(input, table_schema(&schema)?, &state, &stop)?;
                let context = CommitContext {
                    overwrite_schema: true,
                    ..self.context(REPLACED)
                };
                Ok(WriteOutcome::inserted(table.overwrite(rows, &context).await?))
            }
            (Some(table), IngestMode::Append | IngestMode::CreateOrAppend) => {
                let target = table.snapshot(VersionSpec::Latest).await?.schema();
                let rows = rows_of_stream(input, target, &state, &stop)?;
                Ok(WriteOutcome::inserted(
                    table.append(rows, &self.context(APPENDED)).await?,
                ))
            }
        }
    }

    fn context(&self, operation: &str) -> CommitContext {
        CommitContext {
            user: self.user.to_string(),
            operation: operation.to_owned(),
            sources: self.sources.clone(),
            ..CommitContext::default()
        }
    }
}
