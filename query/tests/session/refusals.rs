//! What is not run, and that nothing of it happens.

use dab_query::{Error, ErrorKind};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_change_rows_are_refused_and_change_nothing() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t AS SELECT * FROM generate_series(1, 5) AS s(id)")
        .await;
    world.write("CREATE TABLE u AS SELECT 1 AS id").await;
    for sql in [
        "UPDATE t SET id = 0",
        "DELETE FROM t",
        "DELETE FROM t WHERE id IN (SELECT id FROM u)",
        "DELETE FROM t WHERE false",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE t",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (9)",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "COPY t TO 'out.parquet'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.runtime.memory_limit = '1K'",
        "RESET datafusion.runtime.memory_limit",
        "CREATE VIEW v AS SELECT 1",
        "BEGIN",
        "COMMIT",
        "PREPARE p AS SELECT 1",
        "SELECT * INTO x FROM t",
    ] {
        let error = world.error(sql).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error}");
    }
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "5");
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn system_tables_and_the_information_schema_are_read_only() {
    let world = World::new().await;
    for sql in [
        "INSERT INTO dab.checkpoints VALUES (1, 'x', now(), 'me')",
        "CREATE TABLE dab.mine (a INT)",
        "CREATE TABLE information_schema.mine (a INT)",
        "CREATE TABLE elsewhere.public.mine (a INT)",
        "CREATE TABLE dab.mine AS SELECT 1 AS a",
        "DROP TABLE dab.commits",
        "DROP TABLE IF EXISTS information_schema.tables",
    ] {
        let error = world.error(sql).await;
        assert!(matches!(error, Error::NotSupported { .. }), "{sql}: {error}");
    }
    for sql in [
        "CREATE TABLE \"a b\" (a INT)",
        "CREATE TABLE \"../x\" (a INT)",
        "CREATE TABLE \"a@1\" (a INT)",
    ] {
        world.error(sql).await;
    }
    assert_eq!(world.rows("SELECT count(*) FROM dab.commits").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_and_no_address_can_be_read() {
    let world = World::new().await;
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"file:///etc/passwd\"",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM 'http://127.0.0.1/'",
    ] {
        let error = world.error(sql).await;
        assert!(
            matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::NotFound),
            "{sql}: {error}"
        );
    }
}
