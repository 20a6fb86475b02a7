//! What a plan takes for as long as somebody keeps it.

use std::mem::size_of;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// What an operator takes besides its expressions: its schema, and the names in it.
const BYTES_PER_COLUMN: usize = 256;

/// About how many bytes a plan takes. The snapshots of tables are not among them: the lake keeps those.
pub(crate) fn plan_bytes(plan: &LogicalPlan) -> usize {
    let mut bytes: usize = 0;
    let counted = plan.apply_with_subqueries(|node| {
        bytes += size_of::<LogicalPlan>() + node.schema().fields().len() * BYTES_PER_COLUMN;
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                bytes += size_of::<Expr>();
                if let Expr::Literal(value, _) = part {
                    bytes += value.size();
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    // nothing in the walk fails; whoever charges by the bytes had better hear of too many than of none
    counted.map_or(usize::MAX, |_| bytes)
}
