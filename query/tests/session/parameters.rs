//! Prepared statements and the values bound to them.

use dab_query::{Error, Statement};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;

use crate::world::World;

fn int(value: i64) -> ScalarValue {
    ScalarValue::from(value)
}

async fn people() -> World {
    let world = World::new().await;
    world
        .write("CREATE TABLE people (id INT, name VARCHAR, born DATE, wage DECIMAL(10, 2), seen TIMESTAMP)")
        .await;
    world
        .write("INSERT INTO people VALUES (1, 'ada', '1815-12-10', 10.5, NULL), (2, 'bob', NULL, 20, '2026-01-01')")
        .await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_bound_by_place() {
    let world = people().await;
    let sql = "SELECT name FROM people WHERE id = ? AND name LIKE ?";
    assert_eq!(
        world.bound(sql, &[int(1), ScalarValue::from("a%")]).await.unwrap(),
        "ada"
    );
    assert_eq!(
        world
            .bound("SELECT name FROM people WHERE id = $2 OR id = $1", &[int(9), int(2)])
            .await
            .unwrap(),
        "bob"
    );
    assert_eq!(
        world
            .bound("SELECT ? || ?", &[ScalarValue::from("a"), ScalarValue::from("b")])
            .await
            .unwrap(),
        "ab"
    );
    assert_eq!(world.bound("SELECT ? + 1", &[int(2)]).await.unwrap(), "3");
    assert_eq!(
        world
            .bound("SELECT id FROM people ORDER BY id LIMIT ? OFFSET ?", &[int(1), int(1)])
            .await
            .unwrap(),
        "2"
    );
    let date = ScalarValue::from("1815-12-10");
    assert_eq!(
        world
            .bound("SELECT id FROM people WHERE born = ?", &[date])
            .await
            .unwrap(),
        "1"
    );
    let wage = ScalarValue::Decimal128(Some(1050), 10, 2);
    assert_eq!(
        world
            .bound("SELECT id FROM people WHERE wage = ?", &[wage])
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        world
            .bound("SELECT id FROM people WHERE wage < ?", &[ScalarValue::from(10.7)])
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        world.bound("SELECT ? IS NULL", &[ScalarValue::Null]).await.unwrap(),
        "true"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_plain_types() {
    let world = people().await;
    for (sql, expected) in [
        (
            "SELECT * FROM people WHERE name = ? AND id > ?",
            vec![DataType::Utf8, DataType::Int32],
        ),
        ("SELECT ?", vec![DataType::Utf8]),
        (
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            vec![
                DataType::Int32,
                DataType::Utf8,
                DataType::Date32,
                DataType::Decimal128(10, 2),
                DataType::Timestamp(TimeUnit::Microsecond, None),
            ],
        ),
    ] {
        let statement = world.session.prepare(sql).await.unwrap();
        let types: Vec<_> = statement
            .parameters()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        assert_eq!(types, expected, "{sql}");
        assert!(statement.parameters().iter().all(|field| field.is_nullable()), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_runs_once_for_each_set_of_values() {
    let world = people().await;
    let sql = "INSERT INTO people (id, name, wage) VALUES (?, ?, ?)";
    let prepared = world.session.prepare(sql).await.unwrap();
    for (id, name) in [(3, Some("cy")), (4, None)] {
        let name = ScalarValue::Utf8(name.map(str::to_owned));
        match prepared
            .clone()
            .bind(&[int(id), name, ScalarValue::from("7.25")])
            .unwrap()
        {
            Statement::Write(write) => assert_eq!(write.execute().await.unwrap().rows, 1),
            Statement::Query(_) => panic!(),
        }
    }
    assert_eq!(
        world
            .rows("SELECT id, name, wage FROM people WHERE id > 2 ORDER BY id")
            .await,
        "3|cy|7.25\n4|NULL|7.25"
    );
    let several = "INSERT INTO people (id, name) VALUES (?, 'x'), (6, ?)";
    match world
        .session
        .prepare(several)
        .await
        .unwrap()
        .bind(&[int(5), ScalarValue::from("y")])
        .unwrap()
    {
        Statement::Write(write) => assert_eq!(write.execute().await.unwrap().rows, 2),
        Statement::Query(_) => panic!(),
    }
    let from_query = "INSERT INTO people (id) SELECT id + ? FROM people WHERE name = ?";
    match world
        .session
        .prepare(from_query)
        .await
        .unwrap()
        .bind(&[int(100), ScalarValue::from("ada")])
        .unwrap()
    {
        Statement::Write(write) => assert_eq!(write.execute().await.unwrap().rows, 1),
        Statement::Query(_) => panic!(),
    }
    assert_eq!(
        world.rows("SELECT id FROM people WHERE id > 4 ORDER BY id").await,
        "5\n6\n101"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_refused_before_anything_runs() {
    let world = people().await;
    let prepare = async |sql: &str| world.session.prepare(sql).await.unwrap();
    let statement = prepare("SELECT * FROM people WHERE id = ?").await;
    let unbound = crate::world::collect(&statement).await.unwrap_err();
    assert!(matches!(unbound, Error::InvalidParameter { .. }), "{unbound:?}");
    let message = statement.clone().bind(&[]).unwrap_err().to_string();
    assert_eq!(message, "the statement has 1 parameters, not 0");
    let message = statement.bind(&[ScalarValue::from("one")]).unwrap_err().to_string();
    assert!(message.starts_with("parameter $1 is Int32"), "{message}");
    world.refuses("SELECT ?, $1", "mixes them").await;
    world
        .refuses("SELECT * FROM people VERSION AS OF ?", "cannot be a parameter")
        .await;
}
