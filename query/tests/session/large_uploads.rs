//! Uploads that are large enough for several file writers.

use std::sync::Arc;

use dab_query::{Error, IngestMode, IngestTarget, Limits, WriteOutcome};
use dab_storage::{TableName, TableVersion};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, stream};

use crate::world::World;

const BATCH_ROWS: i64 = 10_000;
/// Of 10 MB each, for a thousand bytes stand in each row.
const BATCHES: i64 = 15;

fn batch(number: i64) -> RecordBatch {
    rows(Int64Array::from_iter_values(
        number * BATCH_ROWS..(number + 1) * BATCH_ROWS,
    ))
}

fn rows(numbers: Int64Array) -> RecordBatch {
    let word = "w".repeat(1_000);
    let words = StringArray::from_iter_values(numbers.iter().map(|_| word.as_str()));
    let columns: [(&str, ArrayRef, bool); 2] = [("n", Arc::new(numbers), true), ("word", Arc::new(words), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn batches() -> impl Stream<Item = Result<RecordBatch>> + Send {
    stream::iter(0..BATCHES).map(|number| Ok(batch(number)))
}

async fn ingest(
    world: &World,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> Result<WriteOutcome, Error> {
    let target = IngestTarget {
        table: "t".into(),
        mode: IngestMode::CreateOrAppend,
    };
    let schema = batch(0).schema();
    let input = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rows));
    world.session.ingest(target, schema, input, Vec::new()).await
}

async fn files(world: &World, version: u64) -> usize {
    let table = world
        .engine
        .lake()
        .table(&TableName::parse("t").unwrap())
        .await
        .unwrap();
    let commit = table.commit_bytes(TableVersion(version)).await.unwrap();
    String::from_utf8(commit.to_vec()).unwrap().matches("{\"add\":").count()
}

async fn expect_rows_of(world: &World, uploads: i64) {
    let rows = BATCHES * BATCH_ROWS;
    let sql = "SELECT count(*), min(n), max(n), sum(n) FROM t";
    let expected = format!("{}|0|{}|{}", uploads * rows, rows - 1, uploads * rows * (rows - 1) / 2);
    assert_eq!(world.rows(sql).await, expected);
    let doubled = format!("SELECT count(*) FROM (SELECT n FROM t GROUP BY n HAVING count(*) <> {uploads})");
    assert_eq!(world.rows(&doubled).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_is_written_by_several_and_has_every_row_once() {
    let world = World::with_limits(Limits {
        memory_bytes: 4 << 30,
        partitions: 2,
        ..Limits::default()
    })
    .await;
    let outcome = ingest(&world, batches()).await.unwrap();
    assert_eq!(outcome.rows, (BATCHES * BATCH_ROWS) as u64);
    assert_eq!(files(&world, 0).await, 2);
    expect_rows_of(&world, 1).await;

    // An INSERT of a query has them too.
    world.write("INSERT INTO t SELECT * FROM t").await;
    assert_eq!(files(&world, 1).await, 2);
    expect_rows_of(&world, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fails_after_all_writers_have_begun_leaves_nothing() {
    let world = World::new().await;
    let failing = batches().chain(stream::once(async {
        Err(DataFusionError::Execution("the client left".into()))
    }));
    let error = ingest(&world, failing).await.unwrap_err();
    assert_eq!(error.to_string(), "the client left");
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "0");
    assert_eq!(world.engine.memory_reserved_bytes(), 0, "all writers have ended");

    // A value that does not fit, in rows that any writer may have got.
    world.write("CREATE TABLE t (n BIGINT NOT NULL, word VARCHAR)").await;
    let null = rows(Int64Array::from(vec![None]));
    let error = ingest(&world, batches().chain(stream::iter([Ok(null)])))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("column n: a value is missing"), "{error}");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
    world.write("INSERT INTO t VALUES (1, 'w')").await;
}

/// The client goes away, or sleeps past the time limit, when both writers are at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_that_must_stop_stops_every_writer() {
    let world = World::new().await;
    let (waits, sent) = tokio::sync::oneshot::channel();
    let endless = batches().chain(stream::once(async move {
        let _ = waits.send(());
        std::future::pending().await
    }));
    tokio::select! {
        outcome = ingest(&world, endless) => panic!("{outcome:?}"),
        _ = sent => {}
    }
    world.engine.finish_writes().await;
    assert_eq!(world.engine.memory_reserved_bytes(), 0, "all writers have ended");
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "0");
}
