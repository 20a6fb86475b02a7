//! Rows in bulk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dab_query::{Error, IngestMode, IngestTarget, WriteOutcome};
use dab_storage::LoadedSource;
use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use crate::world::World;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn numbers(values: Vec<i64>) -> RecordBatch {
    batch(vec![("n", Arc::new(Int64Array::from(values)))])
}

fn stream_of(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(
        schema,
        stream::iter(batches.into_iter().map(Ok)),
    ))
}

async fn ingest(
    world: &World,
    table: &str,
    mode: IngestMode,
    input: SendableRecordBatchStream,
) -> Result<WriteOutcome, Error> {
    let target = IngestTarget {
        table: table.to_owned(),
        mode,
    };
    world.session.ingest(target, input.schema(), input, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_modes_make_add_and_replace() {
    let world = World::new().await;
    let rows = || stream_of(vec![numbers(vec![1, 2]), numbers(vec![3])]);
    let error = ingest(&world, "t", IngestMode::Append, rows()).await.unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error:?}");
    let made = ingest(&world, "t", IngestMode::Create, rows()).await.unwrap();
    assert_eq!(
        (made.rows, made.message.as_str()),
        (3, "table t created with 3 rows, version 0")
    );
    let error = ingest(&world, "t", IngestMode::Create, rows()).await.unwrap_err();
    assert!(matches!(error, Error::TableExists { .. }), "{error:?}");
    ingest(&world, "t", IngestMode::Append, rows()).await.unwrap();
    ingest(&world, "t", IngestMode::CreateOrAppend, rows()).await.unwrap();
    assert_eq!(world.rows("SELECT count(*), sum(n) FROM t").await, "9|18");
    let other = batch(vec![("other", Arc::new(StringArray::from(vec!["x"])))]);
    ingest(&world, "t", IngestMode::Replace, stream_of(vec![other]))
        .await
        .unwrap();
    assert_eq!(world.rows("SELECT * FROM t").await, "x");
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 2").await, "9");
    ingest(&world, "u", IngestMode::CreateOrAppend, rows()).await.unwrap();
    ingest(&world, "v", IngestMode::Replace, rows()).await.unwrap();
    let sql = "SELECT table_name, version, operation FROM dab.commits ORDER BY leaf_index";
    let expected = "t|0|LOAD\nt|1|LOAD\nt|2|LOAD\nt|3|LOAD OVERWRITE\nu|0|LOAD\nv|0|LOAD";
    assert_eq!(world.rows(sql).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_while_they_arrive() {
    let world = World::new().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let template = numbers((0..8_192).collect());
    let schema = template.schema();
    let batches = stream::iter(0..500).then(move |_| {
        let (batch, counter) = (template.clone(), counter.clone());
        async move {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(batch)
        }
    });
    let input = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
    let outcome = ingest(&world, "t", IngestMode::Create, input).await.unwrap();
    assert_eq!((outcome.rows, sent.load(Ordering::Relaxed)), (500 * 8_192, 500));
    assert_eq!(
        world.rows("SELECT count(*), sum(n) FROM t").await,
        format!("4096000|{}", 500_i64 * 8_191 * 4_096)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_types_are_kept_exactly_or_refused() {
    let world = World::new().await;
    let text: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    let rows = |ns: i64, big: u64| {
        batch(vec![
            ("id", Arc::new(UInt64Array::from(vec![1, big])) as ArrayRef),
            ("s", Arc::new(text.clone())),
            ("at", Arc::new(TimestampNanosecondArray::from(vec![1_000, ns]))),
        ])
    };
    ingest(&world, "t", IngestMode::Create, stream_of(vec![rows(2_000, 2)]))
        .await
        .unwrap();
    let error = ingest(&world, "t", IngestMode::Append, stream_of(vec![rows(2_001, 2)]))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("column at: 2001 ns"), "{error}");
    let error = ingest(&world, "t", IngestMode::Append, stream_of(vec![rows(0, u64::MAX)]))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("column id: "), "{error}");
    assert_eq!(
        world.rows("SELECT id, s, at FROM t").await,
        "1|a|1970-01-01T00:00:00.000001\n2|b|1970-01-01T00:00:00.000002"
    );
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_do_not_fit_are_all_named() {
    let world = World::new().await;
    world.write("CREATE TABLE t (n BIGINT NOT NULL, s VARCHAR)").await;
    let rows = batch(vec![
        ("S", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ("x", Arc::new(Int64Array::from(vec![1]))),
    ]);
    let error = ingest(&world, "t", IngestMode::Append, stream_of(vec![rows]))
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::SchemaMismatch { .. }), "{error:?}");
    for part in [
        "column S is Utf8 in the table and Int64 in the rows",
        "no column x",
        "column n is missing",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let null = batch(vec![("n", Arc::new(Int64Array::from(vec![None, Some(1)])) as ArrayRef)]);
    let error = ingest(&world, "t", IngestMode::Append, stream_of(vec![null]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column n: a value is missing, and the column may not be null"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_off_leaves_nothing_behind() {
    let world = World::new().await;
    world.write("CREATE TABLE t (n BIGINT)").await;
    let schema = numbers(vec![1]).schema();
    let broken = stream::iter(vec![
        Ok(numbers(vec![1])),
        Err(DataFusionError::Execution("the client left".into())),
    ]);
    let input = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), broken));
    let error = ingest(&world, "t", IngestMode::Append, input).await.unwrap_err();
    assert_eq!(error.to_string(), "the client left");

    let endless = stream::iter(vec![Ok(numbers(vec![1]))]).chain(stream::pending());
    let input = Box::pin(RecordBatchStreamAdapter::new(schema, endless));
    let waiting = ingest(&world, "t", IngestMode::Append, input);
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "1");
    world.write("INSERT INTO t VALUES (1)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_stand_in_the_commit() {
    let world = World::new().await;
    let source = LoadedSource {
        url: "https://example.org/n.parquet".into(),
        etag: Some("\"v1\"".into()),
        fetched_unix_ms: 1_700_000_000_000,
        blake3: "ab".repeat(32),
        bytes: 123,
    };
    let input = stream_of(vec![numbers(vec![1])]);
    let target = IngestTarget {
        table: "t".into(),
        mode: IngestMode::Create,
    };
    world
        .session
        .ingest(target, input.schema(), input, vec![source])
        .await
        .unwrap();
    let sources = world.rows("SELECT sources FROM dab.commits").await;
    assert!(
        sources.contains("https://example.org/n.parquet") && sources.contains("abab"),
        "{sources}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_at_all_still_make_the_table() {
    let world = World::new().await;
    let empty = RecordBatch::new_empty(numbers(vec![]).schema());
    let outcome = ingest(&world, "t", IngestMode::Create, stream_of(vec![empty]))
        .await
        .unwrap();
    assert_eq!(outcome.rows, 0);
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
}
