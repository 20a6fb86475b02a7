//! One node, one lake, one session.

use std::sync::Arc;

use dab_ledger::testing::TestLedger;
use dab_query::{Engine, Error, Limits, Session, Statement, WriteOutcome};
use dab_storage::{Lake, Ledger, Sharing};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) engine: Arc<Engine>,

    /// Last, so that node and directory outlive what stands on them.
    _ledger: TestLedger,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_limits(Limits {
            memory_bytes: 256 << 20,
            partitions: 2,
            ..Limits::default()
        })
        .await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let ledger = TestLedger::start();
        let node = ledger.node().clone();
        let writer = Arc::new(node.writer().clone());
        let parts = Ledger {
            notary: node.clone(),
            reader: node,
            writer,
        };
        let lake = Lake::open(&ledger.dir().join("tables"), parts, Sharing::Alone)
            .await
            .expect("the lake opens");
        let engine = Engine::new(lake, limits).expect("the engine starts");
        Self {
            session: engine.session("ada"),
            engine,

            _ledger: ledger,
        }
    }

    /// Prepares and runs a write.
    pub(crate) async fn write(&self, sql: &str) -> WriteOutcome {
        self.try_write(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn try_write(&self, sql: &str) -> Result<WriteOutcome, Error> {
        match self.session.prepare(sql).await? {
            Statement::Write(write) => write.execute().await,
            Statement::Query(_) => panic!("{sql} is a query"),
        }
    }

    /// Prepares and runs a query; rows as `a|b`, one per line.
    pub(crate) async fn rows(&self, sql: &str) -> String {
        self.try_rows(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn try_rows(&self, sql: &str) -> Result<String, Error> {
        Ok(text(&self.batches(sql).await?))
    }

    pub(crate) async fn batches(&self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        collect(&self.session.prepare(sql).await?).await
    }

    /// Prepares a query, binds its parameters and runs it.
    pub(crate) async fn bound(&self, sql: &str, values: &[ScalarValue]) -> Result<String, Error> {
        Ok(text(&collect(&self.session.prepare(sql).await?.bind(values)?).await?))
    }

    /// The error of a statement, from wherever it comes.
    pub(crate) async fn error(&self, sql: &str) -> Error {
        let failed = match self.session.prepare(sql).await {
            Err(error) => Err(error),
            Ok(Statement::Write(write)) => write.execute().await.map(|outcome| outcome.message),
            Ok(query) => collect(&query).await.map(|batches| text(&batches)),
        };
        failed.expect_err(sql)
    }

    /// Fails unless the error's message holds the part.
    pub(crate) async fn refuses(&self, sql: &str, part: &str) {
        let message = self.error(sql).await.to_string();
        assert!(message.contains(part), "{sql}: {message}");
    }
}

pub(crate) async fn collect(statement: &Statement) -> Result<Vec<RecordBatch>, Error> {
    match statement {
        Statement::Query(query) => Ok(query.execute().await?.try_collect().await?),
        Statement::Write(_) => panic!("a write"),
    }
}

pub(crate) fn text(batches: &[RecordBatch]) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(
                columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
    }
    lines.join("\n")
}
