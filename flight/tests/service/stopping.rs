//! Stopping: calls and commits under way.

use std::time::{Duration, Instant};

use dab_flight::Error;
use futures::{StreamExt, TryStreamExt};
use tonic::Code;

use crate::harness::*;

#[tokio::test]
async fn calls_under_way_finish_before_the_server_stops() {
    let mut node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 200_000).await;
    let mut rows = client.query("SELECT * FROM t").await.unwrap();
    let first = rows.next().await.unwrap().unwrap().num_rows();
    node.stop();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rest: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(
        first + rest.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        200_000
    );
    let address = node.url.trim_start_matches("grpc+tls://").to_owned();
    drop(client);
    node.stopped().await.unwrap();
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "the port is free"
    );
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_ended_with_unavailable() {
    let mut node = Node::start_with(|limits| {
        limits.drain_timeout = Duration::from_millis(500);
        limits.keep_alive_interval = Duration::from_millis(100);
    })
    .await;
    let client = node.client().await;
    let sql = endless(&client).await;
    let mut rows = client.query(&sql).await.unwrap();
    rows.next().await.unwrap().unwrap();
    let start = Instant::now();
    node.stop();
    let ended = rows.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(
        matches!(&ended, Error::Refused { status } if status.code() == Code::Unavailable),
        "{ended}"
    );
    node.stopped().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Its rows would take the node's threads for nobody.
#[tokio::test]
async fn a_write_whose_client_went_away_stops_and_leaves_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 2000).await;
    let lake = node.engine.lake().clone();
    let table = lake.table(&dab_storage::TableName::parse("t").unwrap()).await.unwrap();
    let endless = "INSERT INTO t SELECT a.id, b.label FROM t a, t b, t c";
    let abandoned = tokio::time::timeout(Duration::from_millis(300), client.update(endless)).await;
    assert!(abandoned.is_err());
    let stopped = tokio::time::timeout(Duration::from_secs(20), node.engine.finish_writes()).await;
    assert!(stopped.is_ok(), "the write goes on");
    assert_eq!(table.history(None).await.unwrap().len(), 1);
    let refused = client.update("INSERT INTO t SELECT * FROM t").await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { status } if status.code() == Code::Unavailable),
        "{refused}"
    );
}

#[tokio::test]
async fn a_commit_whose_client_went_away_is_finished_and_not_half_done() {
    let mut node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 1000).await;
    let engine = node.engine.clone();
    let sql = "INSERT INTO t SELECT a.id, b.label FROM t a, t b";
    assert!(
        tokio::time::timeout(Duration::from_millis(30), client.update(sql))
            .await
            .is_err()
    );
    drop(client);
    node.stop();
    node.served().await.unwrap();
    // reading the history asks the ledger, which therefore must not be stopped yet
    let table = engine
        .lake()
        .table(&dab_storage::TableName::parse("t").unwrap())
        .await
        .unwrap();
    let history = table.history(None).await.unwrap();
    assert!(history.len() <= 2, "once or not at all");
    println!("{} versions", history.len());
}
