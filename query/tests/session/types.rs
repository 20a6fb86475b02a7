//! Every type that a table keeps, written and read back.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_sql_type_comes_back_as_it_was_written() {
    let world = World::new().await;
    for (sql_type, literal, expected) in [
        ("BOOLEAN", "true", "true"),
        ("TINYINT", "-128", "-128"),
        ("SMALLINT", "32767", "32767"),
        ("INT", "-2147483648", "-2147483648"),
        ("BIGINT", "9223372036854775807", "9223372036854775807"),
        ("INT UNSIGNED", "4294967295", "4294967295"),
        ("REAL", "1.5", "1.5"),
        ("DOUBLE", "1e300", "1e300"),
        (
            "DECIMAL(38, 10)",
            "1234567890123456789012345678.0123456789",
            "1234567890123456789012345678.0123456789",
        ),
        ("VARCHAR", "'ünï\ncode'", "ünï\ncode"),
        ("VARCHAR(10)", "''", ""),
        ("BYTEA", "X'00FF'", "00ff"),
        ("DATE", "'2026-02-28'", "2026-02-28"),
        (
            "TIMESTAMP",
            "'2026-02-28 12:34:56.123456'",
            "2026-02-28T12:34:56.123456",
        ),
        (
            "TIMESTAMP WITH TIME ZONE",
            "'2026-02-28T12:00:00+01:00'",
            "2026-02-28T11:00:00Z",
        ),
        ("INT[]", "[1, NULL, 3]", "[1, , 3]"),
        ("STRUCT<a INT, b VARCHAR>", "{'a': 1, 'b': 'x'}", "{a: 1, b: x}"),
    ] {
        world.write(&format!("CREATE TABLE t (v {sql_type})")).await;
        world.write(&format!("INSERT INTO t VALUES ({literal})")).await;
        world.write("INSERT INTO t VALUES (NULL)").await;
        let rows = world.rows("SELECT v FROM t WHERE v IS NOT NULL").await;
        let rows = rows.replace("NULL", "");
        assert_eq!(rows, expected, "{sql_type}");
        assert_eq!(
            world.rows("SELECT count(*) FROM t WHERE v IS NULL").await,
            "1",
            "{sql_type}"
        );
        world.write("CREATE TABLE copy AS SELECT v FROM t").await;
        assert_eq!(
            world.rows("SELECT count(*), count(v) FROM copy").await,
            "2|1",
            "{sql_type}"
        );
        world.write("DROP TABLE t").await;
        world.write("DROP TABLE copy").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_no_table_keeps_are_refused_by_name() {
    let world = World::new().await;
    world
        .refuses(
            "CREATE TABLE t (a TIME)",
            "column a: a table cannot keep values of type Time64",
        )
        .await;
    world
        .refuses(
            "CREATE TABLE t (a INTERVAL)",
            "column a: a table cannot keep values of type Interval",
        )
        .await;
    world
        .refuses("CREATE TABLE t (a DECIMAL(60, 2))", "decimals of up to 38 digits")
        .await;
    world
        .refuses(
            "CREATE TABLE t AS SELECT INTERVAL '1 day' AS a",
            "column a: a table cannot keep",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_stay_exact() {
    let world = World::new().await;
    world.write("CREATE TABLE t (v DECIMAL(15, 2))").await;
    world.write("INSERT INTO t VALUES (0.07), (0.1), (0.2)").await;
    assert_eq!(world.rows("SELECT sum(v) FROM t").await, "0.37");
    // 0.06 + 0.01 is less than 0.07 among binary floats
    assert_eq!(
        world
            .rows("SELECT v FROM t WHERE v BETWEEN 0.06 - 0.01 AND 0.06 + 0.01")
            .await,
        "0.07"
    );
    assert_eq!(world.rows("SELECT count(*) FROM t WHERE v = 0.1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_can_be_opened() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t AS SELECT 1 AS id, [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}] AS l")
        .await;
    world.write("INSERT INTO t SELECT 2, l FROM t").await;
    let sql = "SELECT id, e['a'], e['b'] FROM (SELECT id, unnest(l) AS e FROM t) ORDER BY 1, 2";
    assert_eq!(world.rows(sql).await, "1|1|x\n1|2|y\n2|1|x\n2|2|y");
    assert_eq!(world.rows("SELECT l[1]['b'] FROM t WHERE id = 2").await, "x");
}

/// Scans read text as views. `DESCRIBE` and `information_schema` told so, while clients get plain text.
#[tokio::test(flavor = "multi_thread")]
async fn descriptions_tell_the_types_that_clients_get() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t (a VARCHAR, b BYTEA, c VARCHAR[], p VARCHAR) PARTITIONED BY (p)")
        .await;
    let described = world.rows("DESCRIBE t").await;
    let types = "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 't' \
                 ORDER BY ordinal_position";
    let listed = world.rows(types).await;
    assert_eq!(described, listed);
    assert!(described.starts_with("a|Utf8|YES\nb|Binary|YES\nc|List"), "{described}");
    assert!(described.ends_with("p|Utf8|YES"), "{described}");
    assert!(!described.contains("View"), "{described}");
}
