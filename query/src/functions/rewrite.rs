//! The bounds put into a plan: first around `||`, before anything is computed from constants, and once the plan is
//! optimised around everything that may be large.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::expr::{BinaryExpr, Case, Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, LogicalPlan, Operator, ScalarUDF, Values, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::bounded::{Bounded, bounded};
use super::budget::Budget;
use super::checked::{Check, Checked};
use super::concatenation::Concatenation;
use super::sizes;
use super::windowed::Windowed;
use crate::Limits;
use crate::held::count_held_rows;

/// Literals below this, repeated for a batch of rows, are nothing to speak of.
const PLAIN_LITERAL_BYTES: u64 = 1 << 10;

/// Turns `||` into a function, and bounds the functions behind `[1, 2]`, `OVERLAY` and the like: the planner does not look
/// for those by name.
#[derive(Debug)]
pub(crate) struct BoundsRule {
    function: Arc<ScalarUDF>,
    budget: Budget,
}

impl BoundsRule {
    pub(crate) fn new(limits: &Limits) -> Self {
        let function = Arc::new(ScalarUDF::new_from_impl(Concatenation::new()));
        let function = bounded(vec![function], limits).swap_remove(0);
        let budget = Budget::of_planning(limits);
        Self { function, budget }
    }

    fn bounded(&self, function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
        if function.inner().is::<Bounded>() {
            return function;
        }
        match Bounded::new(&function, &self.budget) {
            Some(bounded) => Arc::new(ScalarUDF::new_from_impl(bounded)),
            None => function,
        }
    }
}

impl AnalyzerRule for BoundsRule {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewrite = |expression: Expr| match expression {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::StringConcat,
                right,
            }) => {
                let joined = ScalarFunction::new_udf(self.function.clone(), vec![*left, *right]);
                Ok(Transformed::yes(Expr::ScalarFunction(joined)))
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let func = self.bounded(func);
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
            other => Ok(Transformed::no(other)),
        };
        in_every_expression(plan, |_, expression| expression.transform_up(rewrite))
    }

    fn name(&self) -> &str {
        "bounds"
    }
}

/// Plans a statement for running, with bounds around what may be large.
#[derive(Debug)]
pub(crate) struct BoundedPlanner {
    budget: Budget,
}

impl BoundedPlanner {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            budget: Budget::of_planning(limits),
        }
    }
}

#[async_trait]
impl QueryPlanner for BoundedPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let budget = Budget {
            pool: Some(session.runtime_env().memory_pool.clone()),
            ..self.budget.clone()
        };
        let plan = put_bounds(plan.clone(), &budget)?;
        count_held_rows(
            DefaultPhysicalPlanner::default()
                .create_physical_plan(&plan, session)
                .await?,
        )
    }
}

fn put_bounds(plan: LogicalPlan, budget: &Budget) -> Result<LogicalPlan> {
    // the values of all VALUES are computed at once, and none is counted
    let mut values = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Values(Values { values: rows, .. }) = node {
            values += rows.iter().map(Vec::len).sum::<usize>();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let of_values = Budget {
        bytes_max: budget.bytes_max / (values.max(1) as u64),
        ..budget.clone()
    };
    in_every_expression(plan, |in_values, expression| match in_values {
        true => bind(expression, &of_values),
        false => bind(expression, budget),
    })
}

/// Rewrites the expressions of all operators, those of subqueries included; the columns keep their names. The rewrite is
/// told whether it is of a `VALUES`.
fn in_every_expression(
    plan: LogicalPlan,
    rewrite: impl Fn(bool, Expr) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if is_plain_values(&node) {
            // tens of thousands of them, and nothing to do
            return Ok(Transformed::no(node));
        }
        let names = NamePreserver::new(&node);
        let in_values = matches!(node, LogicalPlan::Values(_));
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(rewrite(in_values, expression)?.update_data(|expression| name.restore(expression)))
        })
    });
    Ok(rewritten?.data)
}

fn is_plain_values(node: &LogicalPlan) -> bool {
    let LogicalPlan::Values(Values { values, .. }) = node else {
        return false;
    };
    values.iter().flatten().all(|value| matches!(value, Expr::Literal(..)))
}

/// Puts bounds into one expression of an operator.
fn bind(expression: Expr, budget: &Budget) -> Result<Transformed<Expr>> {
    let inside = expression.transform_up(|part| Ok(Transformed::yes(bound_part(part, budget))))?;
    Ok(inside.update_data(|expression| repeated(expression, budget)))
}

/// What stands at the root of an operator's expression becomes a column: a constant there is repeated for each row.
fn repeated(expression: Expr, budget: &Budget) -> Expr {
    match expression {
        Expr::Alias(mut alias) => {
            *alias.expr = repeated(*alias.expr, budget);
            Expr::Alias(alias)
        }
        Expr::AggregateFunction(mut aggregate) => {
            let args = std::mem::take(&mut aggregate.params.args);
            aggregate.params.args = args.into_iter().map(|argument| repeated(argument, budget)).collect();
            Expr::AggregateFunction(aggregate)
        }
        Expr::WindowFunction(mut window) => {
            let args = std::mem::take(&mut window.params.args);
            window.params.args = args.into_iter().map(|argument| repeated(argument, budget)).collect();
            Expr::WindowFunction(window)
        }
        constant if is_large_constant(&constant) => check(Check::Repeated, constant, None, budget),
        other => other,
    }
}

fn is_large_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(value, _) => value
            .to_array()
            .and_then(|array| sizes::bytes(&ColumnarValue::Array(array)))
            .is_ok_and(|bytes| bytes.at(0) > PLAIN_LITERAL_BYTES),
        Expr::ScalarSubquery(_) => true,
        Expr::ScalarFunction(_) | Expr::HigherOrderFunction(_) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Case(_) => {
            is_constant(expression)
        }
        _ => false,
    }
}

fn is_constant(expression: &Expr) -> bool {
    let of_rows = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::Column(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::LambdaVariable(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::Unnest(_)
                | Expr::Placeholder(_)
        ))
    };
    !expression.exists(of_rows).unwrap_or(true)
}

/// A part of an expression whose own parts have their bounds.
fn bound_part(part: Expr, budget: &Budget) -> Expr {
    match part {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let constant = args.iter().all(is_constant);
            let running = match func.inner().downcast_ref::<Bounded>() {
                Some(function) => Some(function.running(budget, constant)),
                // one that the optimizer has put in
                None => Bounded::new(&func, budget).map(|function| function.running(budget, constant)),
            };
            Expr::ScalarFunction(ScalarFunction {
                func: running.map_or(func, Arc::new),
                args,
            })
        }
        Expr::Case(case) => {
            let mut case = Case { ..case };
            for (_, then) in &mut case.when_then_expr {
                take(then, |then| repeated(then, budget));
            }
            if let Some(otherwise) = &mut case.else_expr {
                take(otherwise, |otherwise| repeated(otherwise, budget));
            }
            check(Check::Computed, Expr::Case(case), None, budget)
        }
        Expr::Cast(cast) if is_large(cast.field.data_type()) => check(Check::Computed, Expr::Cast(cast), None, budget),
        Expr::TryCast(cast) if is_large(cast.field.data_type()) => {
            check(Check::Computed, Expr::TryCast(cast), None, budget)
        }
        Expr::Lambda(mut lambda) => {
            take(&mut lambda.body, |body| repeated(body, budget));
            Expr::Lambda(lambda)
        }
        function @ Expr::HigherOrderFunction(_) => check(Check::Computed, function, None, budget),
        Expr::BinaryExpr(mut search) if is_search(search.op) => {
            let pattern = search.right.as_ref().clone();
            take(&mut search.left, |text| {
                check(Check::Searched, text, Some(pattern), budget)
            });
            Expr::BinaryExpr(search)
        }
        Expr::Like(like) => Expr::Like(searched(like, budget)),
        Expr::SimilarTo(like) => Expr::SimilarTo(searched(like, budget)),
        Expr::WindowFunction(mut window) => {
            if let WindowFunctionDefinition::AggregateUDF(function) = &window.fun
                && may_be_large(function.name())
            {
                let windowed = AggregateUDF::new_from_impl(Windowed::new(function, budget));
                window.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(windowed));
            }
            Expr::WindowFunction(window)
        }
        other => other,
    }
}

fn searched(mut like: Like, budget: &Budget) -> Like {
    let pattern = like.pattern.as_ref().clone();
    take(&mut like.expr, |text| {
        check(Check::Searched, text, Some(pattern), budget)
    });
    like
}

fn is_search(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
    )
}

fn is_large(data_type: &DataType) -> bool {
    data_type.is_nested() || data_type.is_string() || data_type.is_binary()
}

/// Aggregates whose result is a list, a text, or one of the values.
fn may_be_large(aggregate: &str) -> bool {
    [
        "array_agg",
        "string_agg",
        "min",
        "max",
        "first_value",
        "last_value",
        "nth_value",
    ]
    .contains(&aggregate)
}

fn take(place: &mut Box<Expr>, change: impl FnOnce(Expr) -> Expr) {
    let expression = std::mem::take(place.as_mut());
    **place = change(expression);
}

fn check(check: Check, of: Expr, pattern: Option<Expr>, budget: &Budget) -> Expr {
    let function = ScalarUDF::new_from_impl(Checked::new(check, &of, budget));
    let args = std::iter::once(of).chain(pattern).collect();
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
}
