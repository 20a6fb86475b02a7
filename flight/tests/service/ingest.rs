//! Bulk ingest: modes, large and broken uploads.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringViewArray},
    datatypes::{DataType, Field, Schema},
};
use arrow_flight::{
    encode::FlightDataEncoderBuilder,
    sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption},
};
use dab_flight::{Client, Error};
use dab_query::IngestMode;
use dab_storage::LoadedSource;
use futures::{StreamExt, TryStreamExt, stream};
use tonic::Code;

use crate::harness::*;

async fn ingest(client: &Client, mode: IngestMode, batches: Vec<RecordBatch>) -> Result<u64, Error> {
    let schema = batches[0].schema();
    let batches = stream::iter(batches.into_iter().map(Ok)).boxed();
    client
        .ingest("t", mode, schema, batches, &[])
        .await
        .map(|receipt| receipt.rows)
}

fn code(error: Error) -> Code {
    match error {
        Error::Refused { status } => status.code(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_modes_create_append_and_replace_in_one_commit_each() {
    let node = Node::start().await;
    let client = node.client().await;
    assert_eq!(
        code(
            ingest(&client, IngestMode::Append, vec![numbers(0, 1)])
                .await
                .unwrap_err()
        ),
        Code::NotFound
    );
    let many: Vec<_> = (0..50).map(|i| numbers(i * 100, 100)).collect();
    assert_eq!(ingest(&client, IngestMode::Create, many).await.unwrap(), 5000);
    assert_eq!(versions(&client, "t").await, 1, "fifty batches, one commit");
    let again = ingest(&client, IngestMode::Create, vec![numbers(0, 1)])
        .await
        .unwrap_err();
    assert_eq!(code(again), Code::AlreadyExists);
    assert_eq!(
        ingest(&client, IngestMode::Append, vec![numbers(5000, 1)])
            .await
            .unwrap(),
        1
    );
    assert_eq!(number(&client, "SELECT sum(id) FROM t").await, 5000 * 5001 / 2);
    assert_eq!(
        ingest(&client, IngestMode::Replace, vec![numbers(7, 3)]).await.unwrap(),
        3
    );
    assert_eq!(
        ingest(&client, IngestMode::CreateOrAppend, vec![numbers(100, 2)])
            .await
            .unwrap(),
        2
    );
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, 5);
}

#[tokio::test]
async fn views_and_other_types_of_clients_are_stored_as_plain_ones() {
    let node = Node::start().await;
    let client = node.client().await;
    let view = StringViewArray::from(vec![Some("a string longer than twelve bytes"), None]);
    let batch = RecordBatch::try_from_iter_with_nullable([("s", Arc::new(view) as ArrayRef, true)]).unwrap();
    assert_eq!(
        ingest(&client, IngestMode::Create, vec![batch.clone()]).await.unwrap(),
        2
    );
    assert_eq!(ingest(&client, IngestMode::Append, vec![batch]).await.unwrap(), 2);
    let batches = client
        .query("SELECT s FROM t WHERE s IS NOT NULL")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(batches[0].schema().field(0).data_type(), &DataType::Utf8);
    assert_eq!(texts(&batches[0], "s"), ["a string longer than twelve bytes"; 2]);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_by_the_names_of_their_columns() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 3).await;
    let other = Schema::new(vec![
        Field::new("id", DataType::Boolean, true),
        Field::new("colour", DataType::Utf8, true),
    ]);
    let other = RecordBatch::new_empty(Arc::new(other));
    let Error::Refused { status } = ingest(&client, IngestMode::Append, vec![other]).await.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("colour"), "{status}");
    assert_eq!(versions(&client, "t").await, 1);
}

#[tokio::test]
async fn what_the_rows_were_loaded_from_stands_in_the_commit() {
    let node = Node::start().await;
    let client = node.client().await;
    let source = LoadedSource {
        url: "https://example.com/orders.csv".into(),
        etag: Some("\"v1\"".into()),
        fetched_unix_ms: 1_767_225_600_000,
        blake3: "ab".repeat(32),
        bytes: 17,
    };
    let batch = numbers(0, 1);
    let batches = stream::iter([Ok(batch.clone())]).boxed();
    client
        .ingest("t", IngestMode::Create, batch.schema(), batches, &[source])
        .await
        .unwrap();
    let sql = "SELECT sources FROM dab.commits WHERE table_name = 't'";
    let sources = client.query(sql).await.unwrap().collect().await.unwrap();
    assert!(texts(&sources[0], "sources")[0].contains("https://example.com/orders.csv"));
}

#[tokio::test]
async fn an_upload_that_breaks_off_commits_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 3).await;
    let batch = numbers(3, 1000);
    let rows = || stream::iter((0..20).map(|i| Ok(numbers(1000 * i, 1000))));

    // the source of the rows fails
    let failing = rows()
        .chain(stream::once(async { Err(Error::Answer("the file is torn".into())) }))
        .boxed();
    let error = client
        .ingest("t", IngestMode::Append, batch.schema(), failing, &[])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the file is torn"), "{error}");

    // the client cancels: HTTP/2 RST_STREAM with CANCEL, which looks like the end of the upload if one is not careful
    let endless = rows().chain(stream::pending()).boxed();
    let upload = client.ingest("t", IngestMode::Append, batch.schema(), endless, &[]);
    assert!(tokio::time::timeout(Duration::from_secs(2), upload).await.is_err());

    // the client's process dies: the connection ends
    let dying = node.client().await;
    let endless = rows().chain(stream::pending()).boxed();
    let upload = dying.ingest("t", IngestMode::Append, batch.schema(), endless, &[]);
    assert!(tokio::time::timeout(Duration::from_secs(1), upload).await.is_err());
    drop(dying);

    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(versions(&client, "t").await, 1);
    }
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, 3);
    let tables = std::fs::read_dir(node.dir().join("tables/t")).unwrap();
    let parquet = tables.filter(|file| {
        file.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|e| e == "parquet")
    });
    println!("{} data files after three broken uploads", parquet.count());
    assert_eq!(
        ingest(&client, IngestMode::Append, vec![numbers(3, 1)]).await.unwrap(),
        1,
        "the table is writable"
    );
}

/// As ADBC does it: one batch, one message.
async fn unsplit(node: &Node, rows: i64) -> Result<(), tonic::Status> {
    let ids = Int64Array::from_iter_values((0..rows).map(|id| id % 1000));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", Arc::new(ids) as ArrayRef, true)]).unwrap();
    let options = TableDefinitionOptions {
        if_not_exist: TableNotExistOption::Create as i32,
        if_exists: TableExistsOption::Replace as i32,
    };
    let command = CommandStatementIngest {
        table_definition_options: Some(options),
        table: "t".into(),
        ..Default::default()
    };
    let messages: Vec<_> = FlightDataEncoderBuilder::new()
        .with_max_flight_data_size(usize::MAX)
        .with_flight_descriptor(Some(descriptor(&command)))
        .build(stream::iter([Ok(batch)]))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(messages.len(), 2, "the schema and one batch");
    let mut raw = node.raw().await;
    raw.do_put(by_user(stream::iter(messages)))
        .await?
        .into_inner()
        .message()
        .await
        .map(drop)
}

#[tokio::test]
async fn a_batch_of_nearly_the_largest_message_is_taken_and_a_larger_one_refused() {
    let node = Node::start().await;
    let limit = i64::try_from(dab_flight::Limits::default().put_message_bytes_max).unwrap();
    unsplit(&node, (limit - 4096) / 8).await.unwrap();
    let client = node.client().await;
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, (limit - 4096) / 8);
    let status = unsplit(&node, limit / 8 + 1).await.unwrap_err();
    assert!(
        status.code() == Code::OutOfRange && status.message().contains("the limit is"),
        "{status}"
    );
    assert_eq!(versions(&client, "t").await, 1);
}

#[tokio::test]
async fn an_ingest_of_no_rows_makes_an_empty_table() {
    let node = Node::start().await;
    let client = node.client().await;
    let schema = numbers(0, 0).schema();
    client
        .ingest("t", IngestMode::Create, schema, stream::empty().boxed(), &[])
        .await
        .unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, 0);
}
