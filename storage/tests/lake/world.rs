//! One node, one lake, and the checks that run after every step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dab_ledger::testing::TestLedger;
use dab_storage::{
    CommitContext, Committed, Error, Lake, Ledger, NewTable, Sharing, Table, TableName, VersionSpec, WriteInput,
};
use datafusion::prelude::{SessionConfig, SessionContext};

pub(crate) struct World {
    pub(crate) ledger: TestLedger,
    pub(crate) lake: Arc<Lake>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let ledger = TestLedger::start();
        let lake = open(&ledger).await;
        Self { ledger, lake }
    }

    /// Ends lake and node as a crash would, and starts both again.
    pub(crate) async fn crash_and_reopen(self) -> Self {
        let Self { mut ledger, lake } = self;
        drop(lake);
        ledger.crash_and_reopen();
        let lake = open(&ledger).await;
        Self { ledger, lake }
    }

    pub(crate) fn folder(&self, table: &str) -> PathBuf {
        self.ledger.dir().join("tables").join(table)
    }

    pub(crate) fn commit_file(&self, table: &str, version: u64) -> PathBuf {
        self.folder(table)
            .join("_delta_log")
            .join(format!("{version:020}.json"))
    }

    pub(crate) async fn create(&self, table: &str) -> Committed {
        self.lake
            .create(new_table(table), &context("CREATE TABLE"))
            .await
            .expect("the table is made")
    }

    pub(crate) async fn table(&self, table: &str) -> Table {
        self.lake.table(&name(table)).await.expect("the table is there")
    }

    pub(crate) async fn append(&self, table: &str, rows: &[(i64, &str)]) -> Result<Committed, Error> {
        self.table(table).await.append(input(rows), &context("INSERT")).await
    }

    /// All rows of a version as text, ordered.
    pub(crate) async fn rows(&self, table: &str, version: VersionSpec) -> Result<String, Error> {
        let session = session();
        let snapshot = self.table(table).await.snapshot(version).await?;
        let provider = snapshot.provider(Arc::new(session.state())).await?;
        let frame = session.read_table(provider).map_err(Error::Query)?;
        let frame = frame
            .sort_by(vec![datafusion::prelude::col("id")])
            .map_err(Error::Query)?;
        let batches = frame.collect().await.map_err(Error::Query)?;
        let mut rows = String::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let cell = |column| arrow::util::display::array_value_to_string(batch.column(column), row).unwrap();
                rows += &format!("{}={} ", cell(0), cell(1));
            }
        }
        Ok(rows.trim_end().to_owned())
    }
}

pub(crate) async fn open(ledger: &TestLedger) -> Arc<Lake> {
    let root = ledger.dir().join("tables");
    open_at(ledger, &root, Sharing::Alone).await.expect("the lake opens")
}

/// Opens any folder as the table root.
pub(crate) async fn open_at(ledger: &TestLedger, root: &Path, sharing: Sharing) -> Result<Arc<Lake>, Error> {
    let node = ledger.node().clone();
    let writer = Arc::new(node.writer().clone());
    let parts = Ledger {
        notary: node.clone(),
        reader: node,
        writer,
    };
    Lake::open(root, parts, sharing).await
}

pub(crate) fn name(table: &str) -> TableName {
    TableName::parse(table).expect("a table name")
}

pub(crate) fn context(operation: &str) -> CommitContext {
    CommitContext {
        user: "ann".into(),
        operation: operation.into(),
        ..Default::default()
    }
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
    ]))
}

pub(crate) fn new_table(table: &str) -> NewTable {
    NewTable {
        name: name(table),
        schema: schema(),
        partition_columns: Vec::new(),
        comment: None,
    }
}

pub(crate) fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2))
}

pub(crate) fn input(rows: &[(i64, &str)]) -> WriteInput {
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let words = StringArray::from_iter_values(rows.iter().map(|(_, word)| *word));
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(words)]).expect("a batch");
    let session = session();
    let plan = session.read_batch(batch).expect("a plan").into_unoptimized_plan();
    WriteInput {
        plan,
        session: Arc::new(session.state()),
    }
}
