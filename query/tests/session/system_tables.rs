//! What the ledger and the commits say, through SQL.

use dab_proof::receipt::Receipt;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn commits_checkpoints_and_receipts_agree() {
    let world = World::new().await;
    world.write("CREATE TABLE t AS SELECT 1 AS n").await;
    world.write("INSERT INTO t VALUES (2)").await;
    world.write("CREATE TABLE u (n INT)").await;
    let sql = "SELECT c.table_name, c.version FROM dab.commits c JOIN dab.receipts r \
               ON c.table_name = r.table_name AND c.version = r.version AND c.leaf_index = r.leaf_index \
               ORDER BY c.leaf_index";
    assert_eq!(world.rows(sql).await, "t|0\nt|1\nu|0");
    let sql = "SELECT max(r.tree_size) = max(k.tree_size) FROM dab.receipts r, dab.checkpoints k";
    assert_eq!(world.rows(sql).await, "true");
    assert_eq!(
        world.rows("SELECT DISTINCT certified_by FROM dab.checkpoints").await,
        "the node alone"
    );
    let parents = "SELECT version, parent IS NULL FROM dab.commits WHERE table_name = 't' ORDER BY version";
    assert_eq!(world.rows(parents).await, "0|true\n1|false");
    assert_eq!(
        world
            .rows("SELECT count(*) FROM dab.commits WHERE length(digest) = 64")
            .await,
        "3"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_the_text_of_a_proof() {
    let world = World::new().await;
    world.write("CREATE TABLE t AS SELECT 1 AS n").await;
    let text = world
        .rows("SELECT proof FROM dab.receipts WHERE table_name = 't' AND version = 0")
        .await;
    let receipt = Receipt::parse(text.as_bytes()).expect("a receipt");
    assert_eq!(receipt.leaf.leaf().sequence, 0);
    assert_eq!(receipt.leaf.leaf().operation, "CREATE TABLE AS");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_spare_reading_and_are_applied_all_the_same() {
    let world = World::new().await;
    for table in ["a", "b"] {
        world.write(&format!("CREATE TABLE {table} AS SELECT 1 AS n")).await;
        world.write(&format!("INSERT INTO {table} VALUES (2)")).await;
    }
    for (condition, expected) in [
        ("table_name = 'a'", "2"),
        ("'a' = table_name AND version = 1", "1"),
        ("table_name = 'a' OR table_name = 'b'", "4"),
        ("table_name IN ('a', 'b') AND version < 1", "2"),
        ("table_name = 'a' AND table_name = 'b'", "0"),
        ("version = -1", "0"),
        ("table_name = 'nosuch'", "0"),
        ("true", "4"),
    ] {
        for table in ["commits", "receipts"] {
            let sql = format!("SELECT count(*) FROM dab.{table} WHERE {condition}");
            assert_eq!(world.rows(&sql).await, expected, "{sql}");
        }
    }
    assert_eq!(world.rows("SELECT 1 FROM dab.receipts LIMIT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commits_of_a_dropped_table_stay_without_a_name() {
    let world = World::new().await;
    world.write("CREATE TABLE t AS SELECT 1 AS n").await;
    world.write("INSERT INTO t VALUES (2)").await;
    let id = world.rows("SELECT DISTINCT table_id FROM dab.commits").await;
    world.write("DROP TABLE t").await;
    let dropped = format!("SELECT version, operation FROM dab.commits WHERE table_id = '{id}' ORDER BY version");
    assert_eq!(world.rows(&dropped).await, "0|CREATE TABLE AS\n1|INSERT");
    // Another table takes the name: whoever asks for it hears of that one alone.
    world.write("CREATE TABLE t AS SELECT 3 AS n").await;
    assert_eq!(
        world
            .rows("SELECT version, dropped_name FROM dab.commits WHERE table_name = 't'")
            .await,
        "0|NULL"
    );
    assert_eq!(
        world
            .rows("SELECT table_name, version, dropped_name FROM dab.commits ORDER BY leaf_index")
            .await,
        "NULL|0|t\nNULL|1|t\nt|0|NULL"
    );
    assert_eq!(
        world
            .rows("SELECT count(*) FROM dab.commits WHERE dropped_name = 't' AND version = 1")
            .await,
        "1"
    );
    // What they prove is the same as before.
    let chain = "SELECT count(*) FROM dab.commits WHERE dropped_name IS NOT NULL AND parent IS NOT NULL";
    assert_eq!(world.rows(chain).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_has_empty_tables() {
    let world = World::new().await;
    for table in ["commits", "receipts"] {
        assert_eq!(world.rows(&format!("SELECT * FROM dab.{table}")).await, "");
    }
    world.rows("SELECT * FROM dab.checkpoints").await;
    assert!(
        world
            .rows("DESCRIBE dab.commits")
            .await
            .starts_with("table_name|Utf8|YES")
    );
    world.refuses("SELECT * FROM dab.nosuch", "nosuch").await;
}
