//! Which plans may run, decided on the plan: whatever is not listed is refused.
//!
//! The second of two gates; [`kind`](super::kind) judges the syntax tree. Between them lies DataFusion's planner, which
//! turns one kind of statement into another here and there (`SELECT INTO` becomes a `CREATE TABLE`), so the plan is
//! looked at for itself, with all its subqueries.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{DdlStatement, Expr, LogicalPlan, WriteOp};

use super::figures::{check_aggregate, check_window};
use super::kind::StatementKind;
use crate::types::check_width;
use crate::{Error, Limits};

/// Checks that the plan is one that the kind of statement leads to, and that nothing in it does anything else.
pub(crate) fn check_plan(kind: StatementKind, plan: &LogicalPlan, limits: &Limits) -> Result<(), Error> {
    check_root(kind, plan)?;
    let mut nodes = 0;
    let mut refusal = None;
    let counted = plan.apply_with_subqueries(|node| {
        nodes += 1;
        let is_root = std::ptr::eq(node, plan);
        if nodes > limits.plan_nodes_max {
            refusal = Some(Error::ResourceExhausted {
                what: "the number of operators in a plan",
                limit: limits.plan_nodes_max.to_string(),
                message: "split the statement".into(),
            });
        } else if !is_root && !only_reads(node) {
            refusal = Some(Error::not_supported(format!(
                "not supported within a query: {}",
                name_of(node)
            )));
        }
        if refusal.is_none() {
            refusal = check_expressions(node)?;
        }
        Ok(if refusal.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    counted?;
    refusal.map_or(Ok(()), Err)
}

/// Refuses casts to types of which a single null takes gigabytes, and figures of that kind.
fn check_expressions(node: &LogicalPlan) -> Result<Option<Error>, Error> {
    let mut refusal = None;
    node.apply_expressions(|expression| {
        expression.apply(|part| {
            let checked = match part {
                Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => check_width(field.data_type()),
                Expr::AggregateFunction(aggregate) => check_aggregate(aggregate),
                Expr::WindowFunction(window) => check_window(window),
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            Ok(match checked {
                Ok(()) => TreeNodeRecursion::Continue,
                Err(error) => {
                    refusal = Some(error);
                    TreeNodeRecursion::Stop
                }
            })
        })
    })?;
    Ok(refusal)
}

fn check_root(kind: StatementKind, plan: &LogicalPlan) -> Result<(), Error> {
    let as_expected = match kind {
        StatementKind::Select | StatementKind::Show => only_reads(plan),
        StatementKind::Explain => matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)),
        StatementKind::Describe => matches!(plan, LogicalPlan::DescribeTable(_)),
        StatementKind::Insert => is_insert(plan, InsertOp::Append),
        StatementKind::InsertOverwrite => is_insert(plan, InsertOp::Overwrite),
        StatementKind::CreateTable | StatementKind::CreateTableAs => {
            matches!(plan, LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)))
        }
        StatementKind::DropTable => matches!(plan, LogicalPlan::Ddl(DdlStatement::DropTable(_))),
    };
    if as_expected {
        Ok(())
    } else {
        Err(Error::not_supported(format!(
            "{} cannot be planned as {}",
            kind.word(),
            name_of(plan)
        )))
    }
}

fn is_insert(plan: &LogicalPlan, op: InsertOp) -> bool {
    matches!(plan, LogicalPlan::Dml(dml) if dml.op == WriteOp::Insert(op))
}

/// The operators of a query. An operator that a later DataFusion adds is not among them until somebody has looked.
fn only_reads(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => true,
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => false,
    }
}

fn name_of(node: &LogicalPlan) -> String {
    match node {
        LogicalPlan::Dml(dml) => dml.name().to_owned(),
        LogicalPlan::Ddl(ddl) => ddl.name().to_owned(),
        LogicalPlan::Statement(statement) => statement.name().to_owned(),
        LogicalPlan::Copy(_) => "COPY".to_owned(),
        other => other.display().to_string().chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
    use datafusion::catalog::{Session, TableProvider};
    use datafusion::error::Result as DataFusionResult;
    use datafusion::logical_expr::TableType;
    use datafusion::physical_plan::ExecutionPlan;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::prelude::SessionContext;
    use parking_lot::Mutex;

    use super::*;
    use crate::sql::kind::classify;
    use crate::sql::parse::parse;

    /// A table that records what DataFusion would have it delete.
    #[derive(Debug)]
    struct Hooked {
        schema: SchemaRef,
        deletions: Mutex<Vec<Vec<String>>>,
    }

    #[async_trait]
    impl TableProvider for Hooked {
        fn schema(&self) -> SchemaRef {
            self.schema.clone()
        }

        fn table_type(&self) -> TableType {
            TableType::Base
        }

        async fn scan(
            &self,
            _: &dyn Session,
            _: Option<&Vec<usize>>,
            _: &[datafusion::prelude::Expr],
            _: Option<usize>,
        ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
            Ok(Arc::new(EmptyExec::new(self.schema.clone())))
        }

        async fn delete_from(
            &self,
            _: &dyn Session,
            filters: Vec<datafusion::prelude::Expr>,
        ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
            self.deletions
                .lock()
                .push(filters.iter().map(ToString::to_string).collect());
            Ok(Arc::new(EmptyExec::new(self.schema.clone())))
        }
    }

    fn context() -> (SessionContext, Arc<Hooked>) {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
        let table = Arc::new(Hooked {
            schema,
            deletions: Mutex::default(),
        });
        let context = SessionContext::new();
        for name in ["t", "u"] {
            context.register_table(name, table.clone()).unwrap();
        }
        (context, table)
    }

    async fn plan(context: &SessionContext, sql: &str) -> LogicalPlan {
        context
            .state()
            .create_logical_plan(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// DataFusion 55 collects the filters of a DELETE from the optimised plan. There, `IN (SELECT ...)` has become a
    /// join and `WHERE false` an empty relation, and the table is asked to delete with no filter at all: every row.
    #[tokio::test]
    async fn a_delete_with_a_subquery_would_delete_everything_and_is_refused_twice() {
        for sql in [
            "DELETE FROM t WHERE id IN (SELECT id FROM u)",
            "DELETE FROM t WHERE false",
        ] {
            let (context, table) = context();
            let deletion = plan(&context, sql).await;
            context.state().create_physical_plan(&deletion).await.unwrap();
            assert_eq!(
                *table.deletions.lock(),
                [Vec::<String>::new()],
                "the trap is gone: {sql}"
            );

            let parsed = parse(sql, &Limits::default()).unwrap();
            let refused = classify(&parsed.statement).unwrap_err();
            assert!(
                refused.to_string().starts_with("DELETE is not supported yet"),
                "{refused}"
            );
            for kind in [StatementKind::Select, StatementKind::Insert, StatementKind::Explain] {
                assert!(
                    check_plan(kind, &deletion, &Limits::default()).is_err(),
                    "{sql} as {kind:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn plans_that_do_more_than_read_are_refused_wherever_they_stand() {
        let (context, _) = context();
        // two statements that no check has to refuse, because DataFusion does: should it begin to plan them, they belong below
        for sql in ["BEGIN", "EXPLAIN EXPLAIN SELECT 1"] {
            assert!(context.state().create_logical_plan(sql).await.is_err(), "{sql}");
        }
        for sql in [
            "UPDATE t SET id = 1",
            "TRUNCATE TABLE t",
            "COPY t TO 'x.csv'",
            "CREATE VIEW v AS SELECT 1",
            "CREATE SCHEMA s",
            "SET datafusion.execution.batch_size = 1",
            "PREPARE p AS SELECT 1",
            "START TRANSACTION",
            "DROP VIEW v",
            "SELECT * INTO x FROM t",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
            "EXPLAIN COPY t TO 'x.csv'",
        ] {
            let plan = plan(&context, sql).await;
            for kind in [
                StatementKind::Select,
                StatementKind::Explain,
                StatementKind::Insert,
                StatementKind::DropTable,
            ] {
                let verdict = check_plan(kind, &plan, &Limits::default());
                assert!(
                    matches!(verdict, Err(Error::NotSupported { .. })),
                    "{sql} as {kind:?}: {verdict:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn plans_of_their_kind_pass() {
        let (context, _) = context();
        for (sql, kind) in [
            (
                "SELECT id, count(*) OVER () FROM t JOIN u USING (id) WHERE t.id IN (SELECT 1) LIMIT 1",
                StatementKind::Select,
            ),
            (
                "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
                StatementKind::Select,
            ),
            (
                "SELECT unnest([1, 2]), * FROM generate_series(1, 3)",
                StatementKind::Select,
            ),
            ("EXPLAIN ANALYZE SELECT * FROM t", StatementKind::Explain),
            ("DESCRIBE t", StatementKind::Describe),
            ("INSERT INTO t SELECT * FROM u", StatementKind::Insert),
            (
                "INSERT OVERWRITE INTO t SELECT * FROM u",
                StatementKind::InsertOverwrite,
            ),
            ("CREATE TABLE x AS SELECT 1", StatementKind::CreateTableAs),
            ("DROP TABLE t", StatementKind::DropTable),
        ] {
            let plan = plan(&context, sql).await;
            check_plan(kind, &plan, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let limits = Limits {
            plan_nodes_max: 3,
            ..Limits::default()
        };
        let plan = plan(&context, "SELECT * FROM t, u, t AS v").await;
        let message = check_plan(StatementKind::Select, &plan, &limits)
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("the number of operators in a plan is limited to 3"),
            "{message}"
        );
    }
}
