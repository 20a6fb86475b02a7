//! Statements that take too long or too much, and clients that go away.

use std::time::{Duration, Instant};

use dab_query::{Error, ErrorKind, Limits, Statement};
use futures::StreamExt;

use crate::world::World;

/// Rows without end, and none of them kept.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 1000) AS a(x), generate_series(1, 1000000000000) AS b(y) \
                       WHERE x * y = -1";

/// Long enough for a busy machine to notice.
const SOON: Duration = Duration::from_secs(20);

async fn with(limits: Limits) -> World {
    World::with_limits(Limits {
        partitions: 2,
        ..limits
    })
    .await
}

async fn settles(world: &World) {
    let started = Instant::now();
    while world.engine.memory_reserved_bytes() > 0 {
        assert!(started.elapsed() < SOON, "memory is still reserved");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_end_is_stopped_at_its_limit() {
    let world = with(Limits {
        statement_timeout: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    let started = Instant::now();
    let error = world.error(ENDLESS).await;
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the statement was stopped after its limit of 0.5 s");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    settles(&world).await;
    assert_eq!(world.rows("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_end_is_stopped_and_leaves_nothing() {
    let world = with(Limits {
        statement_timeout: Duration::from_millis(800),
        ..Limits::default()
    })
    .await;
    world.write("CREATE TABLE t (n BIGINT)").await;
    for sql in [
        format!("INSERT INTO t {ENDLESS}"),
        format!("CREATE TABLE u AS {ENDLESS}"),
        format!("INSERT OVERWRITE t {ENDLESS}"),
    ] {
        let error = world.error(&sql).await;
        assert!(matches!(error, Error::Timeout { .. }), "{sql}: {error:?}");
    }
    settles(&world).await;
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "1");
    assert!(matches!(
        world.error("SELECT * FROM u").await,
        Error::TableNotFound { .. }
    ));
    world.write("INSERT INTO t VALUES (1)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_frees_its_slot_and_its_memory() {
    let world = with(Limits {
        concurrent_statements_max: 4,
        waiting_statements_max: 0,
        ..Limits::default()
    })
    .await;
    for _ in 0..5 {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let Statement::Query(query) = world.session.prepare(ENDLESS).await.unwrap() else {
                panic!()
            };
            streams.push(query.execute().await.unwrap());
        }
        let refused = world.error("SELECT 1").await;
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
        drop(streams);
        settles(&world).await;
        let started = Instant::now();
        while let Err(error) = world.try_rows("SELECT 1").await {
            assert!(started.elapsed() < SOON, "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_falls_asleep_keeps_no_slot() {
    let limits = Limits {
        concurrent_statements_max: 1,
        statement_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let world = with(limits).await;
    let Statement::Query(query) = world
        .session
        .prepare("SELECT * FROM generate_series(1, 100000000)")
        .await
        .unwrap()
    else {
        panic!()
    };
    let mut asleep = query.execute().await.unwrap();
    assert!(asleep.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(world.rows("SELECT 1").await, "1");
    let error = loop {
        match asleep.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break Error::from(error),
            None => panic!("the stream ended as if it were whole"),
        }
    };
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(asleep.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_does_not_fit_into_memory_fails_and_others_go_on() {
    let world = with(Limits {
        memory_bytes: 8 << 20,
        ..Limits::default()
    })
    .await;
    let sql = "SELECT count(*) FROM generate_series(1, 3000000) AS a(x) \
               JOIN generate_series(1, 3000000) AS b(y) ON a.x = b.y";
    let error = world.error(sql).await;
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    assert!(error.to_string().starts_with("memory is limited to"), "{error}");
    assert!(!error.to_string().contains("datafusion"), "{error}");
    settles(&world).await;
    assert_eq!(world.rows("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_that_does_not_fit_spills_and_the_disk_for_it_is_limited() {
    // the outer query asks for r: DataFusion would leave out a window whose column nobody reads, and its sort with it
    let sql = "SELECT max(r) FROM (SELECT x, row_number() OVER (ORDER BY x % 1000, x) AS r \
               FROM generate_series(1, 4000000) AS a(x))";
    let world = with(Limits {
        memory_bytes: 48 << 20,
        ..Limits::default()
    })
    .await;
    assert_eq!(world.rows(sql).await, "4000000");
    let world = with(Limits {
        memory_bytes: 48 << 20,
        spill_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let error = world.error(sql).await;
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    assert!(
        error.to_string().starts_with("disk for spilling is limited to"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_statements_are_refused_or_stopped_and_the_node_lives() {
    let world = with(Limits {
        statement_timeout: Duration::from_secs(2),
        memory_bytes: 64 << 20,
        spill_bytes: 64 << 20,
        ..Limits::default()
    })
    .await;
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for sql in [
        format!("SELECT {}", nested("(", ")", 10_000)),
        format!("SELECT {}", nested("CASE WHEN true THEN ", " END", 10_000)),
        format!("SELECT {}", nested("abs(", ")", 10_000)),
        format!("SELECT {}", vec!["1"; 20_000].join("+")),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000)),
        format!("SELECT 1 WHERE {}", vec!["1 = 2"; 20_000].join(" OR ")),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
        "SELECT array_agg(x) FROM generate_series(1, 1000000000000) AS s(x)".to_owned(),
        "SELECT sum(x) FROM generate_series(1, 1000000000000) AS s(x)".to_owned(),
        "SELECT range(1000000000000)".to_owned(),
        "SELECT repeat('x', 2000000000)".to_owned(),
        "SELECT DISTINCT x FROM generate_series(1, 1000000000000) AS s(x)".to_owned(),
        "SELECT string_agg(CAST(x AS VARCHAR), ',') FROM generate_series(1, 1000000000000) AS s(x)".to_owned(),
        format!("SELECT ${}", 4_000_000_000_u64),
        "SHOW \"datafusion.runtime.x'; SELECT 1; --\"".to_owned(),
    ] {
        let error = world.error(&sql).await;
        assert_ne!(
            error.kind(),
            ErrorKind::Internal,
            "{}: {error}",
            &sql[..sql.len().min(60)]
        );
    }
    settles(&world).await;
    assert_eq!(world.rows("SELECT 1").await, "1");
}
