//! Parameters: how many a plan has, of which types, and their values put in.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr as SqlExpr, Statement, Value, visit_expressions_mut,
};

use super::tokens::check_parameter_name;
use crate::types::plain_type;
use crate::{Error, Limits};

/// A plan's parameters, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    /// What clients are told: plain types, all nullable.
    fields: Vec<Field>,
    /// What the planner found out; `None` where the statement leaves the type open.
    known: Vec<Option<DataType>>,
}

impl Parameters {
    /// Finds the parameters of a plan, subqueries included.
    pub(crate) fn of(plan: &LogicalPlan, limits: &Limits) -> Result<Self, Error> {
        let mut found: Vec<Found> = Vec::new();
        let mut failed = None;
        plan.apply_with_subqueries(|node| {
            // the planner leaves the types of LIMIT and OFFSET open
            let limit = matches!(node, LogicalPlan::Limit(_));
            node.apply_expressions(|expression| {
                expression.apply(|part| {
                    if let Expr::Placeholder(placeholder) = part
                        && let Err(error) = note(&mut found, placeholder, limit, limits)
                    {
                        failed = Some(error);
                        return Ok(TreeNodeRecursion::Stop);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let known: Vec<_> = found.into_iter().map(Found::agreed).collect();
        let field = |(at, known): (usize, &Option<DataType>)| {
            Field::new(
                format!("${}", at + 1),
                known.as_ref().map_or(DataType::Utf8, plain_type),
                true,
            )
        };
        Ok(Self {
            fields: known.iter().enumerate().map(field).collect(),
            known,
        })
    }

    /// The parameters' names (`$1`, `$2`, ...) and types. A type that the statement leaves open is told as text.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Checks the values and brings each to its parameter's type.
    pub(crate) fn values(&self, given: &[ScalarValue]) -> Result<ParamValues, Error> {
        if given.len() != self.known.len() {
            return Err(Error::InvalidParameter {
                message: format!("the statement has {} parameters, not {}", self.known.len(), given.len()),
            });
        }
        let values = given.iter().zip(&self.known).enumerate();
        let values: Result<Vec<_>, _> = values
            .map(|(at, (value, known))| shaped(at + 1, value, known.as_ref()))
            .collect();
        Ok(ParamValues::from(values?))
    }

    /// The schema of a plan with parameters, as it is without knowing their values.
    pub(crate) fn schema(&self, plan: &LogicalPlan) -> Result<SchemaRef, Error> {
        if self.fields.is_empty() {
            return Ok(plan.schema().inner().clone());
        }
        let nulls: Result<Vec<_>, _> = self
            .fields
            .iter()
            .map(|field| ScalarValue::try_from(field.data_type()))
            .collect();
        let bound = bind(plan.clone(), &self.values(&nulls?)?)?;
        Ok(bound.schema().inner().clone())
    }
}

/// Puts values into a plan.
pub(crate) fn bind(plan: LogicalPlan, values: &ParamValues) -> Result<LogicalPlan, Error> {
    Ok(plan.replace_params_with_values(values)?)
}

/// Casts the left one of two parameters that are joined by `||` to text. DataFusion finds the type of such a parameter on the
/// other side of the operator, and refuses the statement where there is only another parameter.
pub(crate) fn join_as_text(statement: &mut Statement) {
    let _ = visit_expressions_mut(statement, |expression| {
        if let SqlExpr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            right,
        } = expression
            && is_parameter(left)
            && is_parameter(right)
        {
            let parameter = std::mem::replace(left.as_mut(), SqlExpr::value(Value::Null));
            **left = SqlExpr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(parameter),
                data_type: SqlType::Varchar(None),
                array: false,
                format: None,
            };
        }
        ControlFlow::<()>::Continue(())
    });
}

fn is_parameter(expression: &SqlExpr) -> bool {
    matches!(expression, SqlExpr::Value(value) if matches!(value.value, Value::Placeholder(_)))
}

/// What the places where a parameter stands say about its type.
#[derive(Debug, Clone, Default)]
struct Found {
    types: Vec<DataType>,
}

impl Found {
    /// The type, if all places agree on one.
    fn agreed(self) -> Option<DataType> {
        let mut types = self.types.into_iter();
        let first = types.next()?;
        types.all(|other| other == first).then_some(first)
    }
}

fn note(found: &mut Vec<Found>, placeholder: &Placeholder, limit: bool, limits: &Limits) -> Result<(), Error> {
    let number = check_parameter_name(&placeholder.id, limits)?;
    if found.len() < number {
        found.resize(number, Found::default());
    }
    let inferred = placeholder.field.as_ref().map(|field| field.data_type().clone());
    let data_type = if limit {
        Some(DataType::Int64)
    } else {
        inferred.filter(|found| found != &DataType::Null)
    };
    found[number - 1].types.extend(data_type);
    Ok(())
}

/// A value in its parameter's type; or as it is, where that type would change it (1.5 where a whole number is expected)
/// or where the statement leaves the type open.
fn shaped(number: usize, value: &ScalarValue, known: Option<&DataType>) -> Result<ScalarValue, Error> {
    let Some(known) = known else {
        return Ok(if value.is_null() {
            ScalarValue::Utf8(None)
        } else {
            value.clone()
        });
    };
    if &value.data_type() == known {
        return Ok(value.clone());
    }
    let cast = value.cast_to(known).map_err(|error| Error::InvalidParameter {
        message: format!("parameter ${number} is {known}: {}", Error::from(error)),
    });
    let is_text = matches!(
        value.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match cast {
        Ok(cast) if is_text || cast.is_null() => Ok(cast),
        Ok(cast) => match cast.cast_to(&value.data_type()) {
            Ok(back) if &back == value => Ok(cast),
            _ => Ok(value.clone()),
        },
        Err(error) if is_text => Err(error),
        Err(_) => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Schema, TimeUnit};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::sql::parse::parse;

    async fn plan(sql: &str) -> LogicalPlan {
        let context = SessionContext::new();
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int32, true),
            Field::new("s", DataType::Utf8View, true),
            Field::new("d", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ]));
        context
            .register_table("t", Arc::new(MemTable::try_new(schema, vec![vec![]]).unwrap()))
            .unwrap();
        let parsed = parse(sql, &Limits::default()).unwrap();
        context
            .state()
            .statement_to_plan(parsed.statement)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn types(sql: &str) -> Vec<DataType> {
        let parameters = Parameters::of(&plan(sql).await, &Limits::default()).unwrap();
        parameters
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect()
    }

    #[tokio::test]
    async fn types_come_from_where_a_parameter_stands() {
        use DataType::*;
        for (sql, expected) in [
            ("SELECT * FROM t WHERE a = ? AND s LIKE ?", vec![Int32, Utf8]),
            (
                "SELECT * FROM t WHERE d BETWEEN ? AND ?",
                vec![Timestamp(TimeUnit::Microsecond, None); 2],
            ),
            ("SELECT * FROM t WHERE a IN (?, ?, 3)", vec![Int32, Int32]),
            ("SELECT ?", vec![Utf8]),
            ("SELECT * FROM t LIMIT ? OFFSET ?", vec![Int64, Int64]),
            (
                "INSERT INTO t VALUES (?, ?, ?)",
                vec![Int32, Utf8, Timestamp(TimeUnit::Microsecond, None)],
            ),
            ("SELECT * FROM t WHERE a IN (SELECT a FROM t WHERE s = ?)", vec![Utf8]),
            ("SELECT * FROM t WHERE a = $1 OR s = $1", vec![Utf8]),
            ("SELECT $3, a = $2 FROM t", vec![Utf8, Int32, Utf8]),
            ("SELECT 1", vec![]),
        ] {
            assert_eq!(types(sql).await, expected, "{sql}");
        }
    }

    #[tokio::test]
    async fn more_than_nine_parameters_stay_in_order() {
        let sql = format!(
            "SELECT {}",
            (1..=12).map(|n| format!("${n} AS c{n}")).collect::<Vec<_>>().join(", ")
        );
        let plan = plan(&sql).await;
        let parameters = Parameters::of(&plan, &Limits::default()).unwrap();
        let values: Vec<_> = (1..=12_i64).map(ScalarValue::from).collect();
        let bound = bind(plan, &parameters.values(&values).unwrap()).unwrap();
        let text = bound.display_indent().to_string();
        assert!(
            text.contains("Int64(2) AS c2") && text.contains("Int64(10) AS c10"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn values_are_cast_only_where_that_changes_nothing() {
        let parameters = Parameters::of(&plan("SELECT * FROM t WHERE a = ?").await, &Limits::default()).unwrap();
        let check = |value: ScalarValue| match parameters.values(&[value]) {
            Ok(ParamValues::List(values)) => Ok(values[0].value().clone()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(check(ScalarValue::from(5_i64)), Ok(ScalarValue::from(5_i32)));
        assert_eq!(check(ScalarValue::from("5")), Ok(ScalarValue::from(5_i32)));
        assert_eq!(check(ScalarValue::from(1.5)), Ok(ScalarValue::from(1.5)));
        assert_eq!(
            check(ScalarValue::from(1_i64 << 40)),
            Ok(ScalarValue::from(1_i64 << 40))
        );
        assert_eq!(check(ScalarValue::Null), Ok(ScalarValue::Int32(None)));
        assert!(
            check(ScalarValue::from("five"))
                .unwrap_err()
                .starts_with("parameter $1 is Int32: ")
        );
        let message = parameters.values(&[]).unwrap_err().to_string();
        assert_eq!(message, "the statement has 1 parameters, not 0");
    }

    #[tokio::test]
    async fn the_schema_of_an_open_parameter_is_text_until_it_is_bound() {
        let plan = plan("SELECT ? AS x, a + ? AS y FROM t").await;
        let parameters = Parameters::of(&plan, &Limits::default()).unwrap();
        let schema = parameters.schema(&plan).unwrap();
        assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
        assert_eq!(schema.field(1).data_type(), &DataType::Int32);
        let values = parameters
            .values(&[ScalarValue::from(2.5), ScalarValue::from(1_i64)])
            .unwrap();
        let bound = bind(plan, &values).unwrap();
        assert_eq!(bound.schema().field(0).data_type(), &DataType::Float64);
    }
}
