//! A table's past.

use std::time::Duration;

use crate::world::World;

async fn three_versions() -> World {
    let world = World::new().await;
    world.write("CREATE TABLE t AS SELECT 0 AS n").await;
    for n in 1..3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.write(&format!("INSERT INTO t VALUES ({n})")).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_stays_readable_by_its_number() {
    let world = three_versions().await;
    for (clause, expected) in [
        ("VERSION AS OF 0", "1"),
        ("FOR VERSION AS OF 1", "2"),
        ("VERSION AS OF 2", "3"),
        ("", "3"),
    ] {
        assert_eq!(
            world.rows(&format!("SELECT count(*) FROM t {clause}")).await,
            expected,
            "{clause}"
        );
    }
    assert_eq!(world.rows("SELECT count(*) FROM t@1").await, "2");
    let sql = "SELECT count(*) FROM t AS now LEFT ANTI JOIN t VERSION AS OF 1 AS then ON now.n = then.n";
    assert_eq!(world.rows(sql).await, "1");
    world
        .refuses(
            "SELECT * FROM t VERSION AS OF 3",
            "table t has no version 3: its latest is 2",
        )
        .await;
    world
        .refuses("SELECT * FROM nosuch VERSION AS OF 3", "table nosuch")
        .await;
    world
        .refuses(
            "INSERT INTO \"t@1\" VALUES (1)",
            "version of the past and cannot be written",
        )
        .await;
    world
        .refuses("DROP TABLE \"t@1\"", "version of the past and cannot be written")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_stays_readable_by_its_time() {
    let world = three_versions().await;
    let times = world
        .rows("SELECT committed_at FROM dab.commits ORDER BY version")
        .await;
    let times: Vec<_> = times.lines().collect();
    for (version, time) in times.iter().enumerate() {
        for clause in [
            format!("TIMESTAMP AS OF '{time}'"),
            format!("FOR TIMESTAMP AS OF '{time}'"),
            format!("FOR SYSTEM_TIME AS OF '{time}'"),
            format!("TIMESTAMP AS OF TIMESTAMP '{time}'"),
            format!("TIMESTAMP AS OF '{}'", time.trim_end_matches('Z')),
            format!("TIMESTAMP AS OF '{}'", time.trim_end_matches('Z').replace('T', " ")),
        ] {
            let rows = world.rows(&format!("SELECT count(*) FROM t {clause}")).await;
            assert_eq!(rows, (version + 1).to_string(), "{clause}");
        }
    }
    assert_eq!(
        world
            .rows("SELECT count(*) FROM t TIMESTAMP AS OF now() + INTERVAL '1 day'")
            .await,
        "3"
    );
    world
        .refuses(
            "SELECT * FROM t TIMESTAMP AS OF now() - INTERVAL '1 day'",
            "did not exist at",
        )
        .await;
    world
        .refuses(
            "SELECT * FROM t TIMESTAMP AS OF '2020-01-01'",
            "did not exist at 2020-01-01T00:00:00",
        )
        .await;
    world
        .refuses(
            "SELECT * FROM t TIMESTAMP AS OF '2020-01-01T01:00:00+02:00'",
            "at 2019-12-31T23:00:00",
        )
        .await;
    for expression in ["'yesterday'", "5", "n", "(SELECT now())", "NULL", "?"] {
        world
            .error(&format!("SELECT * FROM t TIMESTAMP AS OF {expression}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_columns_qualifier_is_the_tables_name_in_the_past_as_well() {
    let world = three_versions().await;
    assert_eq!(world.rows("SELECT t.n FROM t VERSION AS OF 0 WHERE t.n = 0").await, "0");
    assert_eq!(world.rows("SELECT t.n FROM public.t VERSION AS OF 0").await, "0");
    world.write("CREATE TABLE old AS SELECT * FROM t VERSION AS OF 0").await;
    world.write("INSERT INTO old SELECT n + 100 FROM t@0").await;
    assert_eq!(world.rows("SELECT n FROM old ORDER BY n").await, "0\n100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_made_anew_has_only_its_own_past() {
    let world = three_versions().await;
    world.write("DROP TABLE t").await;
    world.write("CREATE TABLE t AS SELECT 'x' AS other").await;
    assert_eq!(world.rows("SELECT * FROM t VERSION AS OF 0").await, "x");
    world
        .refuses("SELECT * FROM t VERSION AS OF 1", "has no version 1")
        .await;
}
