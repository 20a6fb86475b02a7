//! How large expressions become once those of the columns that they name stand in their places.
//!
//! The optimizer moves conditions below the queries that compute their columns: over thirty queries of the kind
//! `SELECT s || s AS s FROM (...)`, the condition `s = 'x'` would become one of a billion parts.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::{Error, Limits};

/// Checks all expressions of a plan, those of subqueries included.
pub(crate) fn check_expression_sizes(plan: &LogicalPlan, limits: &Limits) -> Result<(), Error> {
    let sizes = Sizes {
        nodes_max: limits.expression_nodes_max as u64,
    };
    sizes.of_columns(plan)?;
    Ok(())
}

struct Sizes {
    nodes_max: u64,
}

impl Sizes {
    /// The size of each column that the plan gives.
    fn of_columns(&self, plan: &LogicalPlan) -> Result<Vec<u64>> {
        plan.apply_subqueries(|subquery| {
            self.of_columns(subquery)?;
            // the walk need not go into it once more
            Ok(TreeNodeRecursion::Jump)
        })?;
        let inputs = plan.inputs();
        let inner = inputs
            .iter()
            .map(|input| self.of_columns(input))
            .collect::<Result<Vec<_>>>()?;
        let schemas: Vec<_> = inputs.iter().map(|input| input.schema().as_ref()).collect();
        let mut expressions = Vec::new();
        plan.apply_expressions(|expression| {
            expressions.push(self.of_expression(expression, &schemas, &inner)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        let columns = plan.schema().fields().len();
        let all = || inner.iter().flatten().copied();
        let given: Vec<u64> = match plan {
            LogicalPlan::Projection(_) => expressions,
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Distinct(Distinct::All(_))
            | LogicalPlan::Join(_) => all().collect(),
            LogicalPlan::Aggregate(_) => expressions,
            _ => Vec::new(),
        };
        if given.len() == columns {
            return Ok(given);
        }
        // which column comes from where is not told: none is larger than the largest
        let largest = all().chain(given).max().unwrap_or(1);
        Ok(vec![largest.max(1); columns])
    }

    fn of_expression(&self, expression: &Expr, schemas: &[&DFSchema], inner: &[Vec<u64>]) -> Result<u64> {
        let mut size: u64 = 0;
        expression.apply(|part| {
            let of_part = match part {
                Expr::Column(column) => {
                    let mut inputs = schemas.iter().zip(inner);
                    let of_column = inputs.find_map(|(schema, sizes)| {
                        let index = schema.maybe_index_of_column(column)?;
                        sizes.get(index).copied()
                    });
                    of_column.unwrap_or(1)
                }
                // lists of values have a limit of their own, the length of the statement
                Expr::Literal(..) => 0,
                _ => 1,
            };
            size = size.saturating_add(of_part);
            Ok(TreeNodeRecursion::Continue)
        })?;
        if size <= self.nodes_max {
            return Ok(size);
        }
        Err(Error::ResourceExhausted {
            what: "the size of an expression",
            limit: format!("{} parts", self.nodes_max),
            message: "columns that are computed from each other grow with each step; keep a part of the result in a \
                      table of its own, by CREATE TABLE ... AS"
                .into(),
        }
        .into())
    }
}
