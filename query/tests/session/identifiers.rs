//! Names: folded without quotes, kept with them.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn names_without_quotes_are_lower_case_and_quotes_keep_theirs() {
    let world = World::new().await;
    world
        .write("CREATE TABLE Orders (OrderKey INT, \"OrderDate\" DATE, \"unit price\" DOUBLE)")
        .await;
    world
        .write("INSERT INTO ORDERS (ORDERKEY, \"OrderDate\", \"unit price\") VALUES (1, '2026-01-01', 2.5)")
        .await;
    assert_eq!(
        world
            .rows("SELECT orderkey, \"OrderDate\", \"unit price\" FROM orders")
            .await,
        "1|2026-01-01|2.5"
    );
    assert_eq!(
        world
            .rows("SELECT o.\"OrderDate\" FROM orders AS o WHERE o.\"unit price\" > 2")
            .await,
        "2026-01-01"
    );
    world
        .refuses("SELECT OrderDate FROM orders", "write \"OrderDate\"")
        .await;
    world
        .write("CREATE TABLE \"Items\" AS SELECT \"OrderDate\" AS \"When\" FROM orders")
        .await;
    assert_eq!(world.rows("SELECT \"When\" FROM \"Items\"").await, "2026-01-01");
    assert_eq!(
        world.rows("SELECT \"When\" FROM \"Items\" VERSION AS OF 0").await,
        "2026-01-01"
    );
    world.refuses("SELECT * FROM items", "did you mean Items?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_column_names_survive_writing_and_reading() {
    let world = World::new().await;
    let names = [
        "a.b",
        "count(*)",
        "ä ö",
        "select",
        "x=1",
        "100%",
        "semi;colon",
        "quote''s",
        "back`tick",
    ];
    let columns: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| format!("{n} AS \"{name}\""))
        .collect();
    world
        .write(&format!("CREATE TABLE t AS SELECT {}", columns.join(", ")))
        .await;
    world.write("INSERT INTO t SELECT * FROM t").await;
    for (n, name) in names.iter().enumerate() {
        let sql = format!("SELECT DISTINCT \"{name}\" FROM t WHERE \"{name}\" = {n}");
        assert_eq!(world.rows(&sql).await, n.to_string(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unnamed_columns_get_the_expression_as_their_name() {
    let world = World::new().await;
    world
        .write("CREATE TABLE t AS SELECT count(*), max(n) FROM generate_series(1, 3) AS s(n)")
        .await;
    assert_eq!(world.rows("SELECT * FROM t").await, "3|3");
    assert_eq!(world.rows("SELECT \"count(*)\" FROM t").await, "3");
}
