//! What the planner hears of a table.

use std::sync::Arc;

use dab_storage::VersionSpec;
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::{col, lit};

use crate::world::{World, session};

/// The statistics of a query of one column.
async fn told(world: &World, column: &str, condition: Option<Expr>) -> Statistics {
    let session = session();
    let snapshot = world.table("t").await.snapshot(VersionSpec::Latest).await.unwrap();
    let provider = snapshot.provider(Arc::new(session.state())).await.unwrap();
    let mut frame = session.read_table(provider).unwrap();
    if let Some(condition) = condition {
        frame = frame.filter(condition).unwrap();
    }
    let frame = frame.select_columns(&[column]).unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let told = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    Statistics::clone(&told.unwrap())
}

async fn of_three_rows_in_two_files() -> World {
    let world = World::new().await;
    world.create("t").await;
    world.append("t", &[(2, "two"), (9, "nine")]).await.unwrap();
    world.append("t", &[(5, "five")]).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_without_a_condition_is_described_by_its_commits() {
    let world = of_three_rows_in_two_files().await;
    let numbers = told(&world, "id", None).await;
    assert_eq!(numbers.num_rows, Precision::Exact(3));
    assert_eq!(
        *numbers.total_byte_size.get_value().unwrap(),
        3 * 8,
        "the column read, not the files"
    );
    let column = &numbers.column_statistics[0];
    assert_eq!(column.min_value, Precision::Inexact(ScalarValue::Int64(Some(2))));
    assert_eq!(column.max_value, Precision::Inexact(ScalarValue::Int64(Some(9))));
    assert_eq!(column.null_count, Precision::Exact(0));

    let words = told(&world, "word", None).await;
    assert_eq!(
        (words.num_rows, words.total_byte_size),
        (Precision::Exact(3), Precision::Absent)
    );
    let least = words.column_statistics[0].min_value.get_value().unwrap();
    assert_eq!(least.try_as_str(), Some(Some("five")));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_condition_nothing_that_is_told_is_exact() {
    let world = of_three_rows_in_two_files().await;
    let words = told(&world, "word", Some(col("id").gt(lit(4_i64)))).await;
    assert_eq!(words.num_rows.is_exact(), Some(false), "{words:?}");
    let column = &words.column_statistics[0];
    assert!(column.min_value.get_value().is_some(), "{words:?}");
    assert_ne!(column.min_value.is_exact(), Some(true), "{words:?}");
    assert_ne!(column.null_count.is_exact(), Some(true), "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_can_be_planned() {
    let world = World::new().await;
    world.create("t").await;
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "");
}
