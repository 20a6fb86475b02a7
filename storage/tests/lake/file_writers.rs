//! Large writes: several files at once, and every row once.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use dab_storage::{CommitContext, TableVersion, WriteInput};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::stream;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::world::{World, context, new_table, schema};

const BATCH_ROWS: i64 = 50_000;

/// Rows whose words take 1,000 bytes each, so that few are much.
fn batch(first: i64) -> RecordBatch {
    let word = "w".repeat(1_000);
    let ids = Int64Array::from_iter_values(first..first + BATCH_ROWS);
    let words = StringArray::from_iter_values((0..BATCH_ROWS).map(|_| word.as_str()));
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(words)]).unwrap()
}

/// The batches of these numbers, as they would come from a client.
#[derive(Debug)]
struct Numbered {
    numbers: Vec<i64>,
    schema: SchemaRef,
}

impl PartitionStream for Numbered {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self
            .numbers
            .clone()
            .into_iter()
            .map(|number| Ok(batch(number * BATCH_ROWS)));
        Box::pin(RecordBatchStreamAdapter::new(schema(), stream::iter(batches)))
    }
}

/// `batches` of 50 MB, dealt out to `streams`.
fn large(batches: i64, streams: i64, session: &SessionContext) -> WriteInput {
    let partitions = (0..streams).map(|stream| {
        let numbers = (stream..batches).step_by(streams as usize).collect();
        let schema = schema();
        Arc::new(Numbered { numbers, schema }) as Arc<dyn PartitionStream>
    });
    let table = StreamingTable::try_new(schema(), partitions.collect()).unwrap();
    let plan = session.read_table(Arc::new(table)).unwrap().into_unoptimized_plan();
    WriteInput {
        plan,
        session: Arc::new(session.state()),
    }
}

fn session(writers: usize, memory_bytes: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(writers);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)));
    SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap())
}

/// The ids in each file that the commit adds, in their order, after a look at what the commit says of them.
async fn files(world: &World, table: &str, version: u64) -> Vec<Vec<i64>> {
    let commit = world
        .table(table)
        .await
        .commit_bytes(TableVersion(version))
        .await
        .unwrap();
    let lines: Vec<Value> = commit
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let mut found = Vec::new();
    for add in lines.iter().filter_map(|line| line.get("add")) {
        let path = world.folder(table).join(add["path"].as_str().unwrap());
        let digest = blake3::hash(&std::fs::read(&path).unwrap()).to_hex();
        assert_eq!(add["tags"]["dab.blake3"], digest.as_str());
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let mut ids = Vec::new();
        for batch in reader.build().unwrap() {
            ids.extend_from_slice(batch.unwrap().column(0).as_primitive::<Int64Type>().values());
        }
        let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
        assert_eq!(stats["numRecords"], ids.len());
        assert_eq!(stats["minValues"]["id"], *ids.iter().min().unwrap());
        assert_eq!(stats["maxValues"]["id"], *ids.iter().max().unwrap());
        found.push(ids);
    }
    let info = lines.iter().find_map(|line| line.get("commitInfo")).unwrap();
    assert_eq!(info["operationMetrics"]["num_added_files"], found.len());
    assert_eq!(
        info["operationMetrics"]["num_added_rows"],
        found.iter().map(Vec::len).sum::<usize>()
    );
    found
}

fn expect_each_once(files: &[Vec<i64>], batches: i64) {
    let rows = batches * BATCH_ROWS;
    assert_eq!(files.iter().map(Vec::len).sum::<usize>(), rows as usize);
    let ids: BTreeSet<i64> = files.iter().flatten().copied().collect();
    assert_eq!(ids.len(), rows as usize);
    assert_eq!((ids.first(), ids.last()), (Some(&0), Some(&(rows - 1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_write_has_several_file_writers_and_keeps_every_row() {
    let world = World::new().await;
    let session = session(4, 1 << 30);
    let committed = world
        .lake
        .create_as(new_table("made"), large(6, 1, &session), &context("LOAD"))
        .await
        .unwrap();
    assert_eq!(committed.rows, 6 * BATCH_ROWS as u64);
    let made = files(&world, "made", 0).await;
    assert!((2..=4).contains(&made.len()), "{} files", made.len());
    expect_each_once(&made, 6);
    for ids in &made {
        assert!(ids.is_sorted(), "a file keeps the order in which its rows came");
    }

    // Rows that come in several streams share the same writers.
    let table = world.table("made").await;
    let committed = table.append(large(6, 3, &session), &context("LOAD")).await.unwrap();
    assert_eq!(
        (committed.version, committed.rows),
        (TableVersion(1), 6 * BATCH_ROWS as u64)
    );
    expect_each_once(&files(&world, "made", 1).await, 6);

    // What is replaced is gone, whoever wrote what replaces it.
    let replacing = CommitContext {
        overwrite_schema: true,
        ..context("LOAD OVERWRITE")
    };
    table.overwrite(large(4, 1, &session), &replacing).await.unwrap();
    expect_each_once(&files(&world, "made", 2).await, 4);
    assert_eq!(session.runtime_env().memory_pool.reserved(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_write_one_partition_and_a_full_pool_have_one_file_writer() {
    let world = World::new().await;
    for (table, batches, session) in [
        ("small", 1, session(4, 1 << 30)),
        ("one", 4, session(1, 1 << 30)),
        ("full", 4, session(4, 1 << 20)),
    ] {
        let input = large(batches, 1, &session);
        world
            .lake
            .create_as(new_table(table), input, &context("LOAD"))
            .await
            .unwrap();
        let files = files(&world, table, 0).await;
        assert_eq!(files.len(), 1, "{table}");
        expect_each_once(&files, batches);
    }
}
