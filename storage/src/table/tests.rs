//! What statements read of a table's log: counted in files, for time would prove nothing.

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dab_ledger::testing::TestLedger;
use datafusion::prelude::SessionContext;

use super::*;
use crate::object_store::commit_version;
use crate::{Lake, Ledger, NewTable, Sharing};

struct World {
    table: Table,
    lake: Arc<Lake>,
    ledger: TestLedger,
}

impl World {
    async fn new() -> Self {
        let ledger = TestLedger::start();
        let lake = open(&ledger).await;
        let new = NewTable {
            name: name(),
            schema: schema(),
            partition_columns: Vec::new(),
            comment: None,
        };
        lake.create(new, &context("CREATE TABLE")).await.unwrap();
        let table = lake.table(&name()).await.unwrap();
        Self { table, lake, ledger }
    }

    /// The same lake in another process.
    async fn reopened(self) -> Self {
        let Self {
            lake,
            table,
            mut ledger,
        } = self;
        drop((lake, table));
        ledger.crash_and_reopen();
        let lake = open(&ledger).await;
        let table = lake.table(&name()).await.unwrap();
        Self { table, lake, ledger }
    }

    async fn append(&self, id: i64) -> TableVersion {
        self.table.append(input(id), &context("INSERT")).await.unwrap().version
    }

    /// The versions whose commit files were read since the last look.
    fn commits_read(&self) -> Vec<u64> {
        let read = self.table.shared.log.store.take_read();
        read.iter()
            .filter_map(commit_version)
            .map(|version| version.0)
            .collect()
    }
}

async fn open(ledger: &TestLedger) -> Arc<Lake> {
    let node = ledger.node().clone();
    let parts = Ledger {
        notary: node.clone(),
        reader: node.clone(),
        writer: Arc::new(node.writer().clone()),
    };
    Lake::open(&ledger.dir().join("tables"), parts, Sharing::Alone)
        .await
        .unwrap()
}

fn context(operation: &str) -> CommitContext {
    CommitContext {
        operation: operation.into(),
        ..CommitContext::default()
    }
}

fn name() -> TableName {
    TableName::parse("t").unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn input(id: i64) -> WriteInput {
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![id]))]).unwrap();
    let session = SessionContext::new();
    WriteInput {
        plan: session.read_batch(batch).unwrap().into_unoptimized_plan(),
        session: Arc::new(session.state()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_reads_no_commit_but_its_own_however_many_there_are() {
    let world = World::new().await;
    world.commits_read();
    let mut reads = Vec::new();
    for id in 1..=12 {
        let version = world.append(id).await;
        let read = world.commits_read();
        assert!(
            read.iter().all(|read| *read == version.0),
            "version {version}: {read:?}"
        );
        reads.push(read.len());
    }
    assert!(reads.iter().all(|number| number == &reads[0]), "reads grow: {reads:?}");
    // Nor does whoever reads what was written.
    world.table.snapshot(VersionSpec::Latest).await.unwrap();
    assert!(world.commits_read().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_append_of_a_process_reads_each_commit_a_fixed_number_of_times() {
    let mut world = World::new().await;
    for id in 1..=6 {
        world.append(id).await;
    }
    world = world.reopened().await;
    world.commits_read();
    world.append(7).await;
    // Twice for the state, and the parent's once more for its time.
    let read = world.commits_read();
    for version in 0..=7 {
        let times = read.iter().filter(|read| **read == version).count();
        assert!((1..=3).contains(&times), "version {version} {times} times: {read:?}");
    }
    assert_eq!(read.len(), 2 * 8 + 1, "{read:?}");
    world.append(8).await;
    assert!(world.commits_read().iter().all(|read| *read == 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_who_race_keep_the_newest_state_and_never_an_older_one() {
    let world = World::new().await;
    let older = world.table.state(TableVersion(0)).await.unwrap();
    futures::future::join_all((0..8).map(|id| world.append(id))).await;
    world.table.keep(DeltaTableState::new(older));
    world.commits_read();
    let snapshot = world.table.snapshot(VersionSpec::Latest).await.unwrap();
    assert_eq!((snapshot.pin().version.0, snapshot.rows()), (8, Some(8)));
    assert!(world.commits_read().is_empty(), "the newest state was not kept");
}
