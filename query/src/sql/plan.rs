//! From text to a plan: every step in its order.

use std::sync::Arc;

use dab_storage::{NewTable, Pin, TableName};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, DescribeTable, Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias, Statement as Sql};

use super::clauses::check_clauses;
use super::create_table::{TableClauses, take_clauses};
use super::expression_size::check_expression_sizes;
use super::guard::check_plan;
use super::kind::{StatementKind, classify};
use super::nesting::check_nesting;
use super::numbers::keep_digits;
use super::parameters::{Parameters, join_as_text};
use super::parse::{Parsed, parse};
use super::plan_bytes::plan_bytes;
use super::show::rewrite_show;
use super::time_travel::rewrite_versions;
use crate::catalog_provider::{CATALOG, SCHEMA, StatementCatalog};
use crate::types::{plain_schema, table_schema};
use crate::{Engine, Error};

/// A statement that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) kind: StatementKind,
    pub(crate) action: Action,
    pub(crate) parameters: Parameters,
    /// The tables read, each at the version read, by name.
    pub(crate) pins: Vec<Pin>,
    pub(crate) state: Arc<SessionState>,
}

impl Planned {
    /// About what the statement takes for as long as it is kept.
    pub(crate) fn bytes(&self) -> usize {
        let plan = match &self.action {
            Action::Read { plan } | Action::Insert { plan, .. } => Some(plan),
            Action::Create { plan, .. } => plan.as_ref(),
            Action::Drop { .. } => None,
        };
        size_of::<Self>() + plan.map_or(0, plan_bytes)
    }
}

/// What running the statement comes to.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Read {
        plan: LogicalPlan,
    },
    Insert {
        table: TableName,
        target: SchemaRef,
        overwrite: bool,
        plan: LogicalPlan,
    },
    Create {
        new: NewTable,
        if_not_exists: bool,
        plan: Option<LogicalPlan>,
    },
    Drop {
        table: TableName,
        if_exists: bool,
    },
}

/// Parses, judges and plans one statement. Nothing has run when this returns.
pub(crate) async fn plan_statement(engine: &Engine, sql: &str) -> Result<Planned, Error> {
    let limits = engine.limits();
    let Parsed {
        mut statement,
        version_clauses,
    } = parse(sql, limits)?;
    let kind = classify(&statement)?;
    check_clauses(innermost(&mut statement)?, limits)?;
    check_nesting(innermost(&mut statement)?, limits)?;
    rewrite_show(&mut statement, limits)?;
    let clauses = match innermost(&mut statement)? {
        Sql::CreateTable(table) => take_clauses(table)?,
        _ => TableClauses::default(),
    };

    let mut state = engine.state();
    let catalog = StatementCatalog::open(engine.lake().clone(), Arc::new(state.clone())).await?;
    state.register_catalog_list(catalog.provider());
    rewrite_versions(innermost(&mut statement)?, version_clauses, &|time| {
        evaluate_time(&state, time)
    })?;
    keep_digits(innermost(&mut statement)?);
    join_as_text(innermost(&mut statement)?);
    let plan = match state.statement_to_plan(statement).await {
        Ok(plan) => plan,
        Err(error) => return Err(planning_error(error, &catalog)),
    };
    catalog.close_planning();
    check_plan(kind, &plan, limits)?;
    check_expression_sizes(&plan, limits)?;
    let parameters = Parameters::of(&plan, limits)?;
    let pins = pins_of(&plan, &catalog).await?;
    let action = action_of(plan, clauses, &catalog).await?;
    Ok(Planned {
        kind,
        action,
        parameters,
        pins,
        state: Arc::new(state),
    })
}

/// The statement within an EXPLAIN, or the statement itself.
fn innermost(statement: &mut Statement) -> Result<&mut Sql, Error> {
    match statement {
        Statement::Statement(sql) => Ok(sql),
        Statement::Explain(explain) => innermost(&mut explain.statement),
        _ => Err(Error::internal("a refused statement went on")),
    }
}

fn planning_error(error: DataFusionError, catalog: &StatementCatalog) -> Error {
    let missing = catalog.missing_in(&error.find_root().message());
    let error = Error::from(error);
    match (&error, missing) {
        (Error::InvalidStatement { .. }, Some(missing)) => missing,
        _ => error,
    }
}

/// The time that the expression after TIMESTAMP AS OF means. A time without a zone is UTC.
fn evaluate_time(state: &SessionState, expression: SqlExpr) -> Result<i64, Error> {
    let text = expression.to_string();
    let schema = DFSchema::empty();
    let expression = ExprWithAlias {
        expr: expression,
        alias: None,
    };
    let expression = state.create_logical_expr_from_sql_expr(expression, &schema)?;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(state.config_options().clone())
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let value = match simplifier.simplify(simplifier.coerce(expression, &schema)?)? {
        Expr::Literal(value, _) if is_time(&value) => value,
        _ => return Err(no_time(&text)),
    };
    let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    match value.cast_to(&milliseconds) {
        Ok(ScalarValue::TimestampMillisecond(Some(time), _)) => Ok(time),
        _ => Err(no_time(&text)),
    }
}

fn is_time(value: &ScalarValue) -> bool {
    matches!(
        value.data_type(),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}

fn no_time(text: &str) -> Error {
    Error::invalid(format!(
        "{text} is no time: write '2026-01-31 12:00:00' (UTC), '2026-01-31T12:00:00+01:00' or now() - INTERVAL '1 hour'"
    ))
}

/// The tables that a plan reads. The target of a write is not among them, unless it is read as well.
async fn pins_of(plan: &LogicalPlan, catalog: &StatementCatalog) -> Result<Vec<Pin>, Error> {
    let mut names: Vec<TableReference> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && !names.contains(&scan.table_name)
        {
            names.push(scan.table_name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut pins = Vec::new();
    for name in names {
        if let Some(pin) = catalog.pin(&name).await
            && !pins.contains(&pin)
        {
            pins.push(pin);
        }
    }
    pins.sort_by(|a, b| (&a.table, a.version).cmp(&(&b.table, b.version)));
    Ok(pins)
}

async fn action_of(plan: LogicalPlan, clauses: TableClauses, catalog: &StatementCatalog) -> Result<Action, Error> {
    match plan {
        LogicalPlan::Dml(dml) => {
            let table = writable(&dml.table_name)?;
            let target = catalog.snapshot(&dml.table_name).await;
            let target = target
                .ok_or_else(|| Error::internal("the target of the write is not resolved"))?
                .schema();
            let overwrite = matches!(
                dml.op,
                datafusion::logical_expr::WriteOp::Insert(datafusion::logical_expr::dml::InsertOp::Overwrite)
            );
            Ok(Action::Insert {
                table,
                target,
                overwrite,
                plan: Arc::unwrap_or_clone(dml.input),
            })
        }
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create)) => create_action(create, clauses),
        LogicalPlan::Ddl(DdlStatement::DropTable(drop)) => Ok(Action::Drop {
            table: writable(&drop.name)?,
            if_exists: drop.if_exists,
        }),
        LogicalPlan::DescribeTable(describe) => Ok(Action::Read {
            plan: LogicalPlan::DescribeTable(DescribeTable {
                schema: plain_schema(&describe.schema),
                ..describe
            }),
        }),
        plan => Ok(Action::Read { plan }),
    }
}

fn create_action(create: CreateMemoryTable, clauses: TableClauses) -> Result<Action, Error> {
    let from_query = !matches!(create.input.as_ref(), LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row);
    let fields = create.input.schema().fields().iter().enumerate().map(|(at, field)| {
        // What a query happens to return without nulls may well be null one day; only NOT NULL says that it may not.
        let nullable = !clauses.not_null.get(at).copied().unwrap_or(false);
        Field::new(field.name(), field.data_type().clone(), nullable)
    });
    let schema = table_schema(&Schema::new(fields.collect::<Vec<_>>()))?;
    for name in &clauses.partition_columns {
        if schema.index_of(name).is_err() {
            return Err(Error::invalid(format!(
                "PARTITIONED BY names {name}, which is no column of the table"
            )));
        }
    }
    let new = NewTable {
        name: writable(&create.name)?,
        schema,
        partition_columns: clauses.partition_columns,
        comment: clauses.comment,
    };
    let plan = from_query.then(|| Arc::unwrap_or_clone(create.input));
    Ok(Action::Create {
        new,
        if_not_exists: create.if_not_exists,
        plan,
    })
}

/// The table that a name to write to means: tables of the one schema, and never a version of the past.
fn writable(reference: &TableReference) -> Result<TableName, Error> {
    let resolved = reference.clone().resolve(CATALOG, SCHEMA);
    if *resolved.catalog != *CATALOG || *resolved.schema != *SCHEMA {
        return Err(Error::not_supported(format!(
            "{reference} cannot be written: tables stand in {CATALOG}.{SCHEMA}, everything else is read only"
        )));
    }
    if resolved.table.contains('@') {
        return Err(Error::not_supported(format!(
            "{reference} is a version of the past and cannot be written"
        )));
    }
    Ok(TableName::parse(&resolved.table)?)
}
