//! Prepared statements.
//!
//! A handle is 16 random bytes, followed by 8 more once parameters are bound: each binding gets a handle of its own, so
//! that two executions of one statement do not take each other's values. Clients that go on with the bare handle get the
//! latest binding.

mod parameters;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightInfo,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, CommandPreparedStatementQuery,
        CommandPreparedStatementUpdate, DoPutPreparedStatementResult,
    },
};
use bytes::Bytes;
use dab_ledger::notary::Once;
use dab_query::{Statement, WriteOutcome};
use datafusion::common::ScalarValue;
use parking_lot::Mutex;
use prost::Message;
use tonic::Status;

use super::statement;
use crate::{
    auth::Caller,
    bounded_store::{BoundedStore, Bounds},
    limits::Limits,
    messages::PreparedStatementResult,
    secret,
    service::{Service, refuse_transaction},
    status,
    upload::Upload,
    wire,
};
use parameters::Rows;

const ID_BYTES: usize = 16;
const BINDING_BYTES: usize = 8;

/// The prepared statements of a service and the parameters bound to them.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    statements: BoundedStore<[u8; ID_BYTES], Arc<Prepared>>,
    bindings: BoundedStore<[u8; BINDING_BYTES], Arc<Rows>>,
}

impl PreparedStatements {
    pub(crate) fn new(limits: &Limits) -> Self {
        let statements = Bounds {
            ttl: limits.prepared_ttl,
            per_user_max: limits.prepared_per_user_max,
            total_max: limits.prepared_max,
            bytes_max: limits.prepared_bytes_max,
        };
        let bindings = Bounds {
            bytes_max: limits.parameters_kept_bytes_max,
            ..statements
        };
        Self {
            statements: BoundedStore::new(statements),
            bindings: BoundedStore::new(bindings),
        }
    }

    /// Drops the parameters of a statement that is gone.
    fn unbind(&self, prepared: &Prepared) {
        for binding in prepared.bindings.lock().drain(..) {
            self.bindings.remove(binding, &prepared.user);
        }
    }
}

/// A statement that was parsed and planned once, to be planned anew at each execution: it then sees the tables' latest
/// versions.
#[derive(Debug)]
struct Prepared {
    user: Arc<str>,
    sql: String,
    /// The schema announced for the result; `None` for updates.
    result: Option<SchemaRef>,
    parameters: SchemaRef,
    /// The latest binding last.
    bindings: Mutex<VecDeque<[u8; BINDING_BYTES]>>,
}

/// Prepares a statement; the message that describes it.
pub(crate) async fn create(
    service: &Service,
    caller: &Caller,
    request: ActionCreatePreparedStatementRequest,
) -> Result<PreparedStatementResult, Status> {
    refuse_transaction(request.transaction_id.as_ref())?;
    let (parameters, result) = match service.prepare(caller, request.query.clone()).await {
        Ok(statement) => {
            let result = match &statement {
                Statement::Query(query) => Some(statement::result_schema(service, query).await.0),
                Statement::Write(_) => None,
            };
            (statement.parameters().to_vec(), result)
        }
        // what it made or dropped the first time may stand in the way of planning it again
        Err(error) => {
            let once = Repeatable::new(caller, &request.query, &[]).once(0);
            match service.carried_out(caller, once).await? {
                Some(_) => (Vec::new(), None),
                None => return Err(error),
            }
        }
    };
    let parameters: SchemaRef = Arc::new(Schema::new(parameters));
    let encoded = |schema: &Schema| wire::encode_schema(schema).map_err(status::internal);
    let id: [u8; ID_BYTES] = secret::random().map_err(status::internal)?;
    let answer = PreparedStatementResult {
        prepared_statement_handle: Bytes::copy_from_slice(&id),
        // JDBC takes a statement for an update if this is empty and it knows no better
        dataset_schema: result.as_ref().map_or(Ok(Bytes::new()), |schema| encoded(schema))?,
        // the types that clients shall send are plain ones too
        parameter_schema: encoded(&wire::wire_schema(&parameters))?,
        is_update: Some(result.is_none()),
    };
    let bytes = request.query.len() + answer.dataset_schema.len() + answer.parameter_schema.len();
    let prepared = Arc::new(Prepared {
        user: Arc::clone(&caller.user),
        sql: request.query,
        result,
        parameters,
        bindings: Mutex::default(),
    });
    let kept = &service.prepared;
    for gone in kept
        .statements
        .insert(id, &caller.user, prepared, bytes, Instant::now())
    {
        kept.unbind(&gone);
    }
    Ok(answer)
}

/// Closes a prepared statement. Closing one that is gone is no error.
pub(crate) fn close(
    service: &Service,
    caller: &Caller,
    request: &ActionClosePreparedStatementRequest,
) -> Result<(), Status> {
    let (id, _) = parse(&request.prepared_statement_handle)?;
    if let Some(prepared) = service.prepared.statements.remove(id, &caller.user) {
        service.prepared.unbind(&prepared);
    }
    Ok(())
}

/// The schema of the result, as announced when the statement was prepared.
pub(crate) fn schema(
    service: &Service,
    caller: &Caller,
    command: &CommandPreparedStatementQuery,
) -> Result<SchemaRef, Status> {
    let prepared = find(service, caller, &command.prepared_statement_handle)?;
    let update = || Status::invalid_argument("this prepared statement is an update, it has no result");
    prepared.result.clone().ok_or_else(update)
}

/// Plans a prepared query with its parameters, or executes a prepared update: ADBC executes both this way.
pub(crate) async fn info(
    service: &Arc<Service>,
    caller: &Caller,
    command: &CommandPreparedStatementQuery,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let (prepared, rows) = find_bound(service, caller, &command.prepared_statement_handle)?;
    if prepared.result.is_none() {
        let outcome = execute(service, caller, &prepared, &rows).await?;
        return statement::update_info(service, caller, &outcome, descriptor).await;
    }
    let [row] = &rows.values[..] else {
        let count = rows.values.len();
        return Err(Status::invalid_argument(format!(
            "a query takes one row of parameters, {count} were bound"
        )));
    };
    let planned = service.prepare(caller, prepared.sql.clone()).await?;
    let bound = planned.bind(row).map_err(|error| status::of_query(&error))?;
    let Statement::Query(query) = bound else {
        return Err(changed());
    };
    // types may have followed those of the values; names that changed are another table's
    let names = |schema: &Schema| {
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect::<Vec<_>>()
    };
    if prepared.result.as_ref().map(|schema| names(schema)) != Some(names(&query.schema())) {
        return Err(changed());
    }
    statement::query_info(service, caller, query, descriptor).await
}

/// Binds parameters; the encoded `DoPutPreparedStatementResult` with the handle to execute.
pub(crate) async fn bind(
    service: &Service,
    caller: &Caller,
    command: &CommandPreparedStatementQuery,
    upload: Upload,
) -> Result<Bytes, Status> {
    let (id, _) = parse(&command.prepared_statement_handle)?;
    let prepared = find(service, caller, &id)?;
    let rows = Rows::read(upload, &prepared.parameters, &service.limits).await?;
    let binding: [u8; BINDING_BYTES] = secret::random().map_err(status::internal)?;
    let (kept, bytes) = (&service.prepared.bindings, rows.bytes);
    kept.insert(binding, &caller.user, Arc::new(rows), bytes, Instant::now());
    let mut bindings = prepared.bindings.lock();
    bindings.push_back(binding);
    if bindings.len() > service.limits.bindings_per_statement_max
        && let Some(oldest) = bindings.pop_front()
    {
        kept.remove(oldest, &caller.user);
    }
    drop(bindings);
    let handle = Bytes::from([&id[..], &binding[..]].concat());
    Ok(DoPutPreparedStatementResult {
        prepared_statement_handle: Some(handle),
    }
    .encode_to_vec()
    .into())
}

/// Executes a prepared update once for each row of parameters that comes along; the encoded `DoPutUpdateResult`.
pub(crate) async fn update(
    service: &Service,
    caller: &Caller,
    command: &CommandPreparedStatementUpdate,
    upload: Upload,
) -> Result<Bytes, Status> {
    let prepared = find(service, caller, &command.prepared_statement_handle)?;
    if prepared.result.is_some() {
        return Err(Status::invalid_argument(
            "this prepared statement is a query, execute it as one",
        ));
    }
    let rows = Rows::read(upload, &prepared.parameters, &service.limits).await?;
    statement::update_result(service, &execute(service, caller, &prepared, &rows).await?).await
}

/// Executes an update for all rows at once, in one commit, where it is an `INSERT` of `VALUES`; else for each row, and
/// then counts add up and the last commit's receipt stands for all. Rows executed before one that fails stay executed, and
/// the error says how many those are.
async fn execute(service: &Service, caller: &Caller, prepared: &Prepared, rows: &Rows) -> Result<WriteOutcome, Status> {
    let mut total: Option<WriteOutcome> = None;
    let rows = &rows.values;
    let repeatable = Repeatable::new(caller, &prepared.sql, rows);
    if let Some(outcome) = service.carried_out(caller, repeatable.once(ALL_ROWS)).await? {
        return Ok(outcome);
    }
    for (i, row) in rows.iter().enumerate() {
        let once = repeatable.once(i as u64);
        if let Some(outcome) = service.carried_out(caller, once).await? {
            add_up(&mut total, outcome);
            continue;
        }
        let planned = service.prepare(caller, prepared.sql.clone()).await?;
        if i == 0
            && rows.len() > 1
            && let Some(all) = planned.bind_rows(rows).map_err(|error| status::of_query(&error))?
        {
            return execute_bound(service, all, repeatable.once(ALL_ROWS)).await;
        }
        let bound = planned.bind(row).map_err(|error| status::of_query(&error));
        let outcome = match bound {
            Ok(bound) => execute_bound(service, bound, once).await,
            Err(status) => Err(status),
        };
        let outcome = outcome.map_err(|status| after_rows(status, i, rows.len()))?;
        add_up(&mut total, outcome);
    }
    let nothing = || WriteOutcome {
        rows: 0,
        committed: None,
        message: "nothing to execute".to_owned(),
    };
    Ok(total.unwrap_or_else(nothing))
}

/// The counts of several executions, and what else the last one says.
fn add_up(total: &mut Option<WriteOutcome>, outcome: WriteOutcome) {
    let before = total.as_ref().map_or(0, |total| total.rows);
    *total = Some(WriteOutcome {
        rows: before + outcome.rows,
        ..outcome
    });
}

/// The part of a request that executes all rows of parameters in one commit; the others are rows, by their numbers.
const ALL_ROWS: u64 = u64::MAX;

/// What a caller may repeat under one key: a statement with these rows of parameters.
struct Repeatable<'a> {
    caller: &'a Caller,
    sql: &'a str,
    values: Option<String>,
}

impl<'a> Repeatable<'a> {
    fn new(caller: &'a Caller, sql: &'a str, rows: &[Vec<ScalarValue>]) -> Self {
        let has_values = caller.key.is_some() && rows.iter().any(|row| !row.is_empty());
        let values = has_values.then(|| format!("{rows:?}"));
        Self { caller, sql, values }
    }

    /// Without parameters it is the same request as the text alone makes.
    fn once(&self, part: u64) -> Option<Once> {
        let sql = self.sql.as_bytes();
        match &self.values {
            Some(values) => self.caller.once(part, &[sql, values.as_bytes()]),
            None => self.caller.once(part, &[sql]),
        }
    }
}

/// An error that says which row of parameters it is about, and what became of those before.
fn after_rows(status: Status, done: usize, all: usize) -> Status {
    if all < 2 {
        return status;
    }
    let message = format!(
        "row {} of {all} rows of parameters: {}; the {done} rows before it were executed and stay",
        done + 1,
        status.message()
    );
    Status::with_details_and_metadata(
        status.code(),
        message,
        Bytes::copy_from_slice(status.details()),
        status.metadata().clone(),
    )
}

async fn execute_bound(service: &Service, bound: Statement, once: Option<Once>) -> Result<WriteOutcome, Status> {
    match bound {
        Statement::Write(write) => statement::execute(service, write, once).await,
        Statement::Query(_) => Err(changed()),
    }
}

/// The statement that a handle names.
fn find(service: &Service, caller: &Caller, handle: &[u8]) -> Result<Arc<Prepared>, Status> {
    let (id, _) = parse(handle)?;
    let found = service.prepared.statements.get(id, &caller.user, Instant::now());
    found.ok_or_else(|| Status::not_found("this prepared statement is gone, prepare it again"))
}

/// The statement and the rows of parameters that a handle names; the latest rows where it names none.
fn find_bound(service: &Service, caller: &Caller, handle: &[u8]) -> Result<(Arc<Prepared>, Arc<Rows>), Status> {
    let prepared = find(service, caller, handle)?;
    let (_, binding) = parse(handle)?;
    let binding = binding.or_else(|| prepared.bindings.lock().back().copied());
    let Some(binding) = binding else {
        return Ok((prepared, Arc::new(Rows::none())));
    };
    // never executed without the values: parameters that had to go for others are bound again
    let rows = service.prepared.bindings.get(binding, &caller.user, Instant::now());
    let rows =
        rows.ok_or_else(|| Status::not_found("the parameters bound to this statement are gone, bind them again"))?;
    Ok((prepared, rows))
}

fn parse(handle: &[u8]) -> Result<([u8; ID_BYTES], Option<[u8; BINDING_BYTES]>), Status> {
    let malformed = || Status::invalid_argument("not a handle of a prepared statement");
    let (id, binding) = handle.split_first_chunk::<ID_BYTES>().ok_or_else(malformed)?;
    match binding {
        [] => Ok((*id, None)),
        binding => Ok((*id, Some(binding.try_into().map_err(|_| malformed())?))),
    }
}

fn changed() -> Status {
    Status::failed_precondition("a table of this statement has changed since it was prepared, prepare it again")
}
