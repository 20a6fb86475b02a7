//! INSERT, INSERT OVERWRITE, CREATE TABLE, CREATE TABLE AS, DROP TABLE.

use dab_query::Error;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn columns_not_named_become_null_and_order_does_not_matter() {
    let world = World::new().await;
    world.write("CREATE TABLE t (a INT, b VARCHAR, c DOUBLE)").await;
    world.write("INSERT INTO t (c, a) VALUES (1.5, 1)").await;
    world.write("INSERT INTO t (b) SELECT 'x' UNION ALL SELECT 'y'").await;
    assert_eq!(
        world.rows("SELECT * FROM t ORDER BY a, b").await,
        "1|NULL|1.5\nNULL|x|NULL\nNULL|y|NULL"
    );
    world.refuses("INSERT INTO t (a, a) VALUES (1, 2)", "duplicate").await;
    world
        .refuses("INSERT INTO t (a, z) VALUES (1, 2)", "no column named z")
        .await;
    world.refuses("INSERT INTO t VALUES (1, 'x')", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_where_none_may_be_leaves_nothing_behind() {
    let world = World::new().await;
    world.write("CREATE TABLE t (a INT NOT NULL, b VARCHAR)").await;
    let error = world.error("INSERT INTO t VALUES (1, 'x'), (NULL, 'y')").await;
    assert!(error.to_string().contains('a'), "{error}");
    world.error("INSERT INTO t (b) VALUES ('x')").await;
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
    assert_eq!(world.rows("SELECT max(version) FROM dab.commits").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_leaves_nothing_behind() {
    let world = World::new().await;
    world.write("CREATE TABLE t (a TINYINT)").await;
    let error = world.error("INSERT INTO t VALUES (1), (300)").await;
    assert!(
        matches!(error, Error::InvalidData { .. } | Error::InvalidStatement { .. }),
        "{error:?}"
    );
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_may_be_filled_from_itself() {
    let world = World::new().await;
    world.write("CREATE TABLE t AS SELECT 1 AS n").await;
    for _ in 0..3 {
        world.write("INSERT INTO t SELECT n + 1 FROM t").await;
    }
    assert_eq!(world.rows("SELECT count(*), max(n) FROM t").await, "8|4");
    let replaced = world.write("INSERT OVERWRITE t SELECT max(n) FROM t").await;
    assert_eq!(replaced.rows, 1);
    assert_eq!(world.rows("SELECT * FROM t").await, "4");
    assert_eq!(world.rows("SELECT count(*) FROM t VERSION AS OF 3").await, "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_names_its_user_its_operation_and_what_it_read() {
    let world = World::new().await;
    world.write("CREATE TABLE a AS SELECT 1 AS x").await;
    world.write("CREATE TABLE b (x BIGINT)").await;
    world.write("INSERT INTO b SELECT x FROM a").await;
    world
        .write("INSERT OVERWRITE b SELECT x FROM a WHERE x IN (SELECT x FROM b)")
        .await;
    let sql = "SELECT table_name, version, user_name, operation, rows_added FROM dab.commits ORDER BY leaf_index";
    let expected = "a|0|ada|CREATE TABLE AS|1\nb|0|ada|CREATE TABLE|0\nb|1|ada|INSERT|1\nb|2|ada|OVERWRITE|1";
    assert_eq!(world.rows(sql).await, expected);
    let read = world
        .rows("SELECT read FROM dab.commits WHERE table_name = 'b' ORDER BY version")
        .await;
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines[0], "NULL");
    assert!(
        lines[1].contains("\"table\":\"a\"") && !lines[1].contains("\"table\":\"b\""),
        "{read}"
    );
    assert!(
        lines[2].contains("\"table\":\"a\"") && lines[2].contains("\"table\":\"b\""),
        "{read}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn if_exists_and_if_not_exists_do_nothing_twice() {
    let world = World::new().await;
    world.write("CREATE TABLE IF NOT EXISTS t (a INT)").await;
    let again = world.write("CREATE TABLE IF NOT EXISTS t (b INT)").await;
    assert_eq!(
        (again.committed.is_none(), again.message.as_str()),
        (true, "table t exists already, nothing done")
    );
    let again = world.write("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS b").await;
    assert!(again.committed.is_none());
    assert!(matches!(
        world.error("CREATE TABLE t (a INT)").await,
        Error::TableExists { .. }
    ));
    assert!(matches!(
        world.error("CREATE TABLE t AS SELECT 1 AS a").await,
        Error::TableExists { .. }
    ));
    assert_eq!(world.write("DROP TABLE t").await.message, "table t dropped");
    assert_eq!(
        world.write("DROP TABLE IF EXISTS t").await.message,
        "table t does not exist, nothing done"
    );
    assert!(matches!(world.error("DROP TABLE t").await, Error::TableNotFound { .. }));
    world.write("CREATE TABLE t AS SELECT 'new' AS a").await;
    assert_eq!(world.rows("SELECT * FROM t").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_table_as_keeps_not_null_and_lets_the_rest_be_null() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t (a INT NOT NULL, b VARCHAR) AS SELECT 1, 'x'")
        .await;
    assert_eq!(world.rows("DESCRIBE t").await, "a|Int32|NO\nb|Utf8|YES");
    world.write("CREATE TABLE u AS SELECT 1 AS a, NULL AS b").await;
    world.write("INSERT INTO u VALUES (NULL, 'text')").await;
    assert_eq!(world.rows("SELECT * FROM u ORDER BY b").await, "NULL|text\n1|NULL");
    world
        .refuses("CREATE TABLE v (a INT NOT NULL) AS SELECT NULL", "a")
        .await;
    world.refuses("CREATE TABLE v AS SELECT 1 AS a, 2 AS A", "").await;
    world
        .refuses("CREATE TABLE v AS SELECT 1 AS a, 2 AS \"A\"", "two columns named A")
        .await;
    world.refuses("SELECT * FROM v", "does not exist").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_result_makes_an_empty_table() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b WHERE false")
        .await;
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
    world.write("INSERT INTO t SELECT 2, 'y' WHERE false").await;
    world.write("INSERT INTO t VALUES (1, 'x')").await;
    assert_eq!(world.rows("SELECT * FROM t").await, "1|x");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_folders_that_queries_need_not_open() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t (region VARCHAR, n INT) PARTITIONED BY (region)")
        .await;
    world
        .write("INSERT INTO t VALUES ('north', 1), ('south', 2), ('north', 3), (NULL, 4)")
        .await;
    assert_eq!(
        world.rows("SELECT n FROM t WHERE region = 'north' ORDER BY n").await,
        "1\n3"
    );
    assert_eq!(
        world
            .rows("SELECT region, sum(n) FROM t GROUP BY region ORDER BY 2, 1")
            .await,
        "south|2\nnorth|4\nNULL|4"
    );
    world
        .write("CREATE TABLE u PARTITION BY (region) AS SELECT * FROM t")
        .await;
    assert_eq!(world.rows("SELECT count(*) FROM t JOIN u USING (region)").await, "5");
    world
        .refuses("CREATE TABLE v (a INT) PARTITIONED BY (b)", "which is no column")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_time_all_commit() {
    let world = World::new().await;
    world.write("CREATE TABLE t (writer INT, n INT)").await;
    let writers = (0..8).map(|writer| {
        let session = world.engine.session(&format!("writer{writer}"));
        tokio::spawn(async move {
            for n in 0..5 {
                let sql = format!("INSERT INTO t VALUES ({writer}, {n})");
                match session.prepare(&sql).await.unwrap() {
                    dab_query::Statement::Write(write) => write.execute().await.unwrap(),
                    dab_query::Statement::Query(_) => panic!(),
                };
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(
        world
            .rows("SELECT count(*), count(DISTINCT (writer * 10 + n)) FROM t")
            .await,
        "40|40"
    );
    assert_eq!(
        world.rows("SELECT count(*), max(version) FROM dab.commits").await,
        "41|40"
    );
    assert_eq!(
        world.rows("SELECT count(DISTINCT user_name) FROM dab.commits").await,
        "9"
    );
}
