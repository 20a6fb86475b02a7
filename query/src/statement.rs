//! A prepared statement: a query to run as often as one likes, or a write to run once.

use std::sync::Arc;

use dab_ledger::notary::Once;
use dab_proof::report::count;
use dab_storage::{CommitContext, Committed, Error as StorageError, Pin, TableName};
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;

use crate::deadline::Deadline;
use crate::panics::or_error;
use crate::rows::rows_of_plan;
use crate::running::run;
use crate::sql::kind::StatementKind;
use crate::sql::many_rows::bind_rows;
use crate::sql::parameters::bind;
use crate::sql::plan::{Action, Planned};
use crate::stop::Stop;
use crate::{Engine, Error};

/// A statement that has been parsed, judged and planned.
///
/// The versions of the tables that it reads are fixed from here on. Whoever keeps a statement for its clients (a
/// prepared statement of Flight SQL) prepares it again for each execution that is to see the latest versions.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Reads.
    Query(Query),
    /// Changes a table or the catalog.
    Write(Write),
}

impl Statement {
    pub(crate) fn new(engine: Arc<Engine>, user: Arc<str>, planned: Planned) -> Result<Self, Error> {
        if planned.kind.is_write() {
            let once = None;
            return Ok(Statement::Write(Write {
                engine,
                user,
                planned,
                once,
            }));
        }
        let Action::Read { plan } = planned.action.clone() else {
            return Err(Error::internal("a query that writes"));
        };
        let schema = planned.parameters.schema(&plan)?;
        Ok(Statement::Query(Query {
            engine,
            planned,
            plan,
            schema,
        }))
    }

    /// What the statement does.
    pub fn kind(&self) -> StatementKind {
        self.planned().kind
    }

    /// The parameters `$1`, `$2`, ... in this order, with the types that their places ask for. A parameter whose type
    /// the statement leaves open is told as text and takes a value of any type.
    pub fn parameters(&self) -> &[Field] {
        self.planned().parameters.fields()
    }

    /// The tables read, each at the version read.
    pub fn pins(&self) -> &[Pin] {
        &self.planned().pins
    }

    /// About how many bytes the statement takes for as long as it is kept, bound values included. Whoever keeps statements
    /// for clients charges them by this: their number alone says little.
    pub fn bytes(&self) -> usize {
        self.planned().bytes()
    }

    /// Gives every parameter its value, in the order of [`parameters`](Self::parameters). Fails with
    /// [`Error::InvalidParameter`] where the number differs or a text is no value of the type.
    pub fn bind(self, values: &[ScalarValue]) -> Result<Self, Error> {
        let values = self.planned().parameters.values(values)?;
        let (engine, user, mut planned) = match self {
            Statement::Query(query) => (query.engine, Arc::default(), query.planned),
            Statement::Write(write) => (write.engine, write.user, write.planned),
        };
        planned.action = match planned.action {
            Action::Read { plan } => Action::Read {
                plan: bind(plan, &values)?,
            },
            Action::Insert {
                table,
                target,
                overwrite,
                plan,
            } => Action::Insert {
                table,
                target,
                overwrite,
                plan: bind(plan, &values)?,
            },
            Action::Create {
                new,
                if_not_exists,
                plan: Some(plan),
            } => Action::Create {
                new,
                if_not_exists,
                plan: Some(bind(plan, &values)?),
            },
            other => other,
        };
        planned.parameters = Default::default();
        Self::new(engine, user, planned)
    }

    /// Puts many rows of values into the parameters at once. `None` unless this is an `INSERT` of one row of `VALUES` that
    /// holds all parameters: it then becomes one write with one commit, where binding row by row takes one each.
    pub fn bind_rows(&self, rows: &[Vec<ScalarValue>]) -> Result<Option<Self>, Error> {
        let Statement::Write(write) = self else { return Ok(None) };
        let Action::Insert {
            table,
            target,
            overwrite: false,
            plan,
        } = &write.planned.action
        else {
            return Ok(None);
        };
        let rows: Result<Vec<_>, _> = rows.iter().map(|row| write.planned.parameters.values(row)).collect();
        let Some(plan) = bind_rows(plan, &rows?)? else {
            return Ok(None);
        };
        let (table, target) = (table.clone(), target.clone());
        let mut planned = write.planned.clone();
        planned.action = Action::Insert {
            table,
            target,
            overwrite: false,
            plan,
        };
        planned.parameters = Default::default();
        Self::new(write.engine.clone(), write.user.clone(), planned).map(Some)
    }

    fn planned(&self) -> &Planned {
        match self {
            Statement::Query(query) => &query.planned,
            Statement::Write(write) => &write.planned,
        }
    }
}

/// A statement that reads.
#[derive(Debug, Clone)]
pub struct Query {
    engine: Arc<Engine>,
    planned: Planned,
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl Query {
    /// The columns of the result. The batches have these columns in this order; their types may come in another
    /// encoding of the same values (a view, a dictionary) and their nullability may be narrower.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The tables read, each at the version read.
    pub fn pins(&self) -> &[Pin] {
        &self.planned.pins
    }

    /// See [`Statement::bytes`].
    pub fn bytes(&self) -> usize {
        self.planned.bytes()
    }

    /// Runs the query. Dropping the stream stops it; so does the statement's time limit, also while nobody reads.
    /// Fails with [`Error::InvalidParameter`] where parameters have no values yet, and with [`Error::Busy`].
    ///
    /// Errors within the stream are [`Error`]s too: `Error::from` finds them in what the stream yields.
    pub async fn execute(&self) -> Result<SendableRecordBatchStream, Error> {
        all_bound(&self.planned)?;
        let deadline = Deadline::after(self.engine.limits().statement_timeout);
        let permit = deadline.bound(self.engine.admission().admit()).await?;
        let mut state = self.planned.state.as_ref().clone();
        state.mark_start_execution();
        let planning = or_error(async { Ok(state.create_physical_plan(&self.plan).await?) });
        let plan = deadline.bound(planning).await?;
        Ok(run(plan, state.task_ctx(), deadline, permit))
    }
}

/// What the operations begin with that make a table.
const CREATED: &str = "CREATE TABLE";

/// A statement that changes a table or the catalog.
#[derive(Debug, Clone)]
pub struct Write {
    engine: Arc<Engine>,
    user: Arc<str>,
    planned: Planned,
    once: Option<Once>,
}

/// What a write did.
#[derive(Debug, Clone)]
pub struct WriteOutcome {
    /// Rows written.
    pub rows: u64,
    /// The commit; `None` where there was nothing to commit, and for `DROP TABLE`.
    pub committed: Option<Committed>,
    /// One line for people, such as `table t created, version 0`.
    pub message: String,
}

impl Write {
    /// The same, to carry out a request that its client may repeat: where another write has carried it out, nothing is done,
    /// and what came of that one is the outcome.
    pub fn carrying_out(self, once: Once) -> Self {
        let once = Some(once);
        Self { once, ..self }
    }

    /// Runs the write, once. The commit is durable, certified and readable when this returns.
    ///
    /// Dropping the future, like the statement's time limit, stops a write that still produces rows, and leaves
    /// nothing of it; one that has begun to commit runs to its end.
    pub async fn execute(self) -> Result<WriteOutcome, Error> {
        all_bound(&self.planned)?;
        let (engine, once) = (self.engine.clone(), self.once);
        let outcome = in_own_task(&engine, move |stop| self.run(stop)).await;
        match (outcome, once) {
            // another one was quicker: with its rows, or with the name of the table that this one was to make
            (Err(error), Some(once)) => match carried_out(&engine, &once).await {
                Ok(Some(first)) => Ok(first),
                _ => Err(error),
            },
            (outcome, _) => outcome,
        }
    }

    async fn run(self, stop: Stop) -> Result<WriteOutcome, Error> {
        let _permit = stop.bound(self.engine.admission().admit()).await?;
        let context = CommitContext {
            user: self.user.to_string(),
            operation: self.planned.kind.word().to_owned(),
            read: self.planned.pins.clone(),
            once: self.once,
            ..CommitContext::default()
        };
        let lake = self.engine.lake();
        let state = &self.planned.state;
        match self.planned.action {
            Action::Insert {
                table: name,
                target,
                overwrite,
                plan,
            } => {
                let table = lake.table(&name).await?;
                let rows = rows_of_plan(plan, target, state, &stop).await?;
                let committed = match overwrite {
                    true => table.overwrite(rows, &context).await?,
                    false => table.append(rows, &context).await?,
                };
                Ok(WriteOutcome::inserted(committed))
            }
            Action::Create {
                new,
                if_not_exists,
                plan,
            } => {
                let name = new.name.clone();
                if if_not_exists && lake.table(&name).await.is_ok() {
                    return Ok(WriteOutcome::nothing(format!(
                        "table {name} exists already, nothing done"
                    )));
                }
                let created = match plan {
                    None => lake.create(new, &context).await,
                    Some(plan) => {
                        let rows = rows_of_plan(plan, new.schema.clone(), state, &stop).await?;
                        lake.create_as(new, rows, &context).await
                    }
                };
                match created {
                    Ok(committed) => Ok(WriteOutcome::created(committed)),
                    Err(StorageError::TableExists { .. }) if if_not_exists => Ok(WriteOutcome::nothing(format!(
                        "table {name} exists already, nothing done"
                    ))),
                    Err(error) => Err(error.into()),
                }
            }
            Action::Drop { table, if_exists } => match lake.drop_table(&table, self.once).await {
                Ok(_receipt) => Ok(WriteOutcome::nothing(format!("table {table} dropped"))),
                Err(StorageError::TableNotFound { .. }) if if_exists => Ok(WriteOutcome::absent(&table)),
                Err(error) => Err(error.into()),
            },
            Action::Read { .. } => Err(Error::internal("a write that reads")),
        }
    }
}

/// What came of a request that was carried out before.
pub(crate) async fn carried_out(engine: &Engine, once: &Once) -> Result<Option<WriteOutcome>, Error> {
    let first = engine.lake().carried_out(once).await?;
    Ok(first.map(|first| match first.committed {
        Some(committed) if first.operation.starts_with(CREATED) => WriteOutcome::created(committed),
        Some(committed) => WriteOutcome::inserted(committed),
        None => WriteOutcome::nothing(format!(
            "{} carried out before, leaf {}",
            first.operation, first.leaf_index
        )),
    }))
}

impl WriteOutcome {
    pub(crate) fn inserted(committed: Committed) -> Self {
        let Committed {
            table, version, rows, ..
        } = &committed;
        let message = format!("{} written to {table}, version {version}", row_count(*rows));
        Self {
            rows: *rows,
            message,
            committed: Some(committed),
        }
    }

    pub(crate) fn created(committed: Committed) -> Self {
        let Committed {
            table, version, rows, ..
        } = &committed;
        let message = match rows {
            0 => format!("table {table} created, version {version}"),
            rows => format!("table {table} created with {}, version {version}", row_count(*rows)),
        };
        Self {
            rows: *rows,
            message,
            committed: Some(committed),
        }
    }

    fn nothing(message: String) -> Self {
        Self {
            rows: 0,
            committed: None,
            message,
        }
    }

    fn absent(table: &TableName) -> Self {
        Self::nothing(format!("table {table} does not exist, nothing done"))
    }
}

fn row_count(rows: u64) -> String {
    count(rows, ["row", "rows"])
}

/// Runs a write in a task of its own, see [`stop`](crate::stop).
pub(crate) async fn in_own_task<F>(engine: &Engine, work: impl FnOnce(Stop) -> F) -> Result<WriteOutcome, Error>
where
    F: Future<Output = Result<WriteOutcome, Error>> + Send + 'static,
{
    let under_way = engine.writes().begin()?;
    let (stop, _waiting) = Stop::new(Deadline::after(engine.limits().statement_timeout));
    let work = work(stop.clone());
    let task = tokio::spawn(async move {
        let outcome = work.await;
        drop(under_way);
        outcome
    });
    match task.await {
        // A write whose rows failed has committed nothing, and what storage says of it is their error as deltalake tells it.
        Ok(Err(error)) => Err(stop.failure().unwrap_or(error)),
        Ok(outcome) => outcome,
        Err(error) if error.is_cancelled() => Err(Error::Cancelled),
        Err(error) => {
            tracing::error!(%error, "a write panicked");
            Err(Error::internal("the write broke off"))
        }
    }
}

fn all_bound(planned: &Planned) -> Result<(), Error> {
    match planned.parameters.fields().len() {
        0 => Ok(()),
        open => Err(Error::InvalidParameter {
            message: format!("{open} parameters have no values"),
        }),
    }
}
