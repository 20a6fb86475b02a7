//! Keeps conditions out of a table's scan that are too long for it.
//!
//! A scan takes conditions only to read less; they are applied to its rows all the same, even where the scan offers to
//! apply them. deltalake turns each into a predicate of its own, recursively: an `IN` of 20,000 values overflowed the
//! stack.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Constraints, Statistics};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// The longest condition that a scan is told, in parts.
const CONDITION_NODES_MAX: usize = 1_000;
/// All of them together.
const CONDITIONS_NODES_MAX: usize = 10_000;

/// A table whose scan is told short conditions only.
#[derive(Debug)]
pub(crate) struct ShortConditions(pub(crate) Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for ShortConditions {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.0.constraints()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.0.get_column_default(column)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.0.statistics()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let mut all = 0;
        let mut ask = |filter: &&Expr| {
            let nodes = nodes(filter);
            if nodes > CONDITION_NODES_MAX || all + nodes > CONDITIONS_NODES_MAX {
                // not even asked: the answer would come by way of such a predicate
                return Ok(TableProviderFilterPushDown::Unsupported);
            }
            all += nodes;
            let told = self.0.supports_filters_pushdown(&[filter])?;
            Ok(match told.first() {
                Some(TableProviderFilterPushDown::Exact | TableProviderFilterPushDown::Inexact) => {
                    TableProviderFilterPushDown::Inexact
                }
                _ => TableProviderFilterPushDown::Unsupported,
            })
        };
        filters.iter().map(&mut ask).collect()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(session, projection, filters, limit).await
    }

    async fn scan_with_args<'a>(&self, session: &dyn Session, args: ScanArgs<'a>) -> Result<ScanResult> {
        self.0.scan_with_args(session, args).await
    }
}

fn nodes(expression: &Expr) -> usize {
    let mut nodes = 0;
    let counted = expression.apply(|_| {
        nodes += 1;
        Ok(match nodes > CONDITION_NODES_MAX {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    counted.map_or(usize::MAX, |_| nodes)
}
