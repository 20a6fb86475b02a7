//! Many rows of values for the parameters of one `INSERT ... VALUES (?, ...)`.
//!
//! Drivers prepare such a statement and send a batch of values. Run row by row, each row would be a commit of its own.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ParamValues};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values};

use super::parameters::bind;
use crate::Error;

/// The plan with one row of `VALUES` for each of `rows`. `None` if it has not just one row of `VALUES`, or parameters
/// elsewhere.
pub(crate) fn bind_rows(plan: &LogicalPlan, rows: &[ParamValues]) -> Result<Option<LogicalPlan>, Error> {
    if rows.is_empty() || !has_one_row_with_all_parameters(plan)? {
        return Ok(None);
    }
    let mut failed = None;
    let bound = plan.clone().transform_down(|node| match node {
        LogicalPlan::Values(row) => match repeated(&row, rows) {
            Ok(values) => Ok(Transformed::yes(LogicalPlan::Values(values))),
            Err(error) => {
                failed = Some(error);
                Ok(Transformed::no(LogicalPlan::Values(row)))
            }
        },
        other => Ok(Transformed::no(other)),
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Some(bound.data)),
    }
}

fn has_one_row_with_all_parameters(plan: &LogicalPlan) -> Result<bool, Error> {
    let (mut rows, mut elsewhere) = (0, false);
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Values(values) => rows += values.values.len(),
            other => elsewhere |= has_parameters(other)?,
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(rows == 1 && !elsewhere)
}

fn has_parameters(node: &LogicalPlan) -> Result<bool, datafusion::error::DataFusionError> {
    let mut found = false;
    node.apply_expressions(|expression| {
        found |= expression.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn repeated(row: &Values, rows: &[ParamValues]) -> Result<Values, Error> {
    let mut values = Vec::with_capacity(rows.len());
    for parameters in rows {
        let LogicalPlan::Values(bound) = bind(LogicalPlan::Values(row.clone()), parameters)? else {
            return Err(Error::internal("values with parameters became something else"));
        };
        for row in bound.values {
            let cells = row.into_iter().zip(bound.schema.fields());
            let cells = cells.map(|(cell, field)| cell.cast_to(field.data_type(), &DFSchema::empty()));
            values.push(cells.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(Values {
        schema: row.schema.clone(),
        values,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::common::ScalarValue;
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::Limits;
    use crate::sql::parameters::Parameters;
    use crate::sql::parse::parse;

    async fn plan(context: &SessionContext, sql: &str) -> LogicalPlan {
        let parsed = parse(sql, &Limits::default()).unwrap();
        context
            .state()
            .statement_to_plan(parsed.statement)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn context() -> SessionContext {
        let context = SessionContext::new();
        let fields = vec![
            Field::new("a", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
        ];
        let table = MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]]).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        context
    }

    fn rows(plan: &LogicalPlan, rows: &[Vec<ScalarValue>]) -> Vec<ParamValues> {
        let parameters = Parameters::of(plan, &Limits::default()).unwrap();
        rows.iter().map(|row| parameters.values(row).unwrap()).collect()
    }

    #[tokio::test]
    async fn rows_of_an_insert_become_one_plan() {
        let context = context();
        let plan = plan(&context, "INSERT INTO t (s, a) VALUES (upper(?), ? + 1)").await;
        let sent: Vec<_> = [(Some("x"), Some(1_i32)), (None, Some(2)), (Some("z"), None)]
            .into_iter()
            .map(|(s, a)| vec![ScalarValue::Utf8(s.map(str::to_owned)), ScalarValue::Int32(a)])
            .collect();
        let bound = bind_rows(&plan, &rows(&plan, &sent)).unwrap().unwrap();
        context
            .execute_logical_plan(bound)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let batches = context
            .sql("SELECT a, s FROM t")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let batch = datafusion::arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        let numbers: Vec<_> = batch.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(numbers, [Some(2), Some(3), None]);
        let texts = datafusion::arrow::compute::cast(batch.column(1), &DataType::Utf8).unwrap();
        assert_eq!(
            texts.as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("X"), None, Some("Z")]
        );
    }

    #[tokio::test]
    async fn other_statements_are_left_to_be_run_row_by_row() {
        let context = context();
        let one = vec![vec![ScalarValue::from(1_i64)]];
        for sql in [
            "INSERT INTO t (a) SELECT a FROM t WHERE a = ?",
            "INSERT INTO t (a) VALUES (?), (7)",
            "INSERT INTO t (a) VALUES ((SELECT max(a) FROM t WHERE a < ?))",
        ] {
            let plan = plan(&context, sql).await;
            assert!(bind_rows(&plan, &rows(&plan, &one)).unwrap().is_none(), "{sql}");
        }
    }
}
