//! Statements as text.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use arrow_flight::{
    FlightData, FlightDescriptor, FlightInfo,
    sql::{CommandStatementQuery, CommandStatementUpdate},
};
use bytes::Bytes;
use dab_ledger::notary::Once;
use dab_query::{Query, Statement, Write, WriteOutcome};
use futures::{StreamExt, stream::BoxStream};
use prost::Message;
use tonic::Status;

use crate::{
    auth::Caller,
    messages::UpdateResult,
    metrics::RowCount,
    receipt_metadata::{self, PINS_KEY, ResultPins, StatementMetadata, UpdateReceipt},
    result_stream::{self, Batches, Ends},
    service::{Service, refuse_transaction},
    statements::{Executable, Source},
    status, wire,
};

/// The result of a statement that writes: one row, one column.
static COUNT: LazyLock<SchemaRef> = LazyLock::new(|| {
    let count = Schema::new(vec![Field::new("count", DataType::Int64, false)]);
    wire::wire_schema(&count)
});

/// Plans a query; executes anything else. ADBC sends every statement this way, also those that write, and may ask for the
/// rows of one twice: it is executed here, once, and its ticket leads to the count.
pub(crate) async fn info(
    service: &Arc<Service>,
    caller: &Caller,
    command: CommandStatementQuery,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    match run(service, caller, command.query).await? {
        Ran::Query(query) => query_info(service, caller, *query, descriptor).await,
        Ran::Write(outcome) => update_info(service, caller, &outcome, descriptor).await,
    }
}

/// The schema of a statement's result; nothing is executed.
pub(crate) async fn schema(
    service: &Service,
    caller: &Caller,
    command: CommandStatementQuery,
) -> Result<SchemaRef, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    match service.prepare(caller, command.query).await? {
        Statement::Query(query) => Ok(result_schema(service, &query).await.0),
        Statement::Write(_) => Ok(Arc::clone(&COUNT)),
    }
}

/// Executes a statement that writes; the encoded `DoPutUpdateResult`.
pub(crate) async fn update(
    service: &Service,
    caller: &Caller,
    command: CommandStatementUpdate,
) -> Result<Bytes, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    match run(service, caller, command.query).await? {
        Ran::Write(outcome) => update_result(service, &outcome).await,
        Ran::Query(_) => Err(Status::invalid_argument("this statement is a query, execute it as one")),
    }
}

/// A statement that was planned, and executed if it writes.
enum Ran {
    Query(Box<Query>),
    Write(Box<WriteOutcome>),
}

/// Plans a statement, and executes one that writes. Where the caller gave it a key and it was executed before, what came of
/// it then is told; the tables that it names may be gone by now. A query may be repeated as often as one likes, whatever its
/// key stands for: drivers send the headers of a connection with every call.
async fn run(service: &Service, caller: &Caller, sql: String) -> Result<Ran, Status> {
    let once = caller.once(0, &[sql.as_bytes()]);
    let refused = match service.carried_out(caller, once).await {
        Ok(Some(outcome)) => return Ok(Ran::Write(Box::new(outcome))),
        Ok(None) => None,
        Err(status) => Some(status),
    };
    match (prepare_unbound(service, caller, sql).await, refused) {
        (Ok(Statement::Query(query)), _) => Ok(Ran::Query(Box::new(query))),
        (_, Some(refused)) => Err(refused),
        (Ok(Statement::Write(write)), None) => Ok(Ran::Write(Box::new(execute(service, write, once).await?))),
        (Err(error), None) => Err(error),
    }
}

/// The rows of a statement that [`info`] or a prepared statement announced.
pub(crate) fn rows(
    service: &Service,
    caller: &Caller,
    handle: &[u8],
    rows: RowCount,
) -> Result<BoxStream<'static, Result<FlightData, Status>>, Status> {
    let executable = service.executable(caller, handle)?;
    let ends = Ends {
        cancel: executable.cancel.clone(),
        stopping: service.stopping.clone(),
    };
    let schema = Arc::clone(&executable.schema);
    let source = async move {
        let batches: Batches = match &executable.source {
            Source::Rows(batch) => futures::stream::iter([Ok(batch.clone())]).boxed(),
            Source::Query(query) => {
                let batches = query.execute().await.map_err(|error| status::of_query(&error))?;
                batches
                    .map(|batch| batch.map_err(|error| status::of_query(&error.into())))
                    .boxed()
            }
        };
        Ok(batches)
    };
    Ok(result_stream::start(
        &service.query_threads,
        &service.limits,
        schema,
        source,
        ends,
        rows,
    ))
}

/// Announces a planned query.
pub(crate) async fn query_info(
    service: &Service,
    caller: &Caller,
    query: Query,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let (schema, pins) = result_schema(service, &query).await;
    let bytes = query.bytes();
    let executable = Executable::new(schema, Source::Query(Box::new(query)));
    let info = service.announce(caller, executable, bytes, descriptor)?;
    Ok(info.with_app_metadata(receipt_metadata::json(&StatementMetadata::Query(pins))))
}

/// Announces the count of a statement that was executed.
pub(crate) async fn update_info(
    service: &Service,
    caller: &Caller,
    outcome: &WriteOutcome,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let count = Int64Array::from(vec![i64::try_from(outcome.rows).unwrap_or(i64::MAX)]);
    let batch = RecordBatch::try_new(Arc::clone(&COUNT), vec![Arc::new(count)]).map_err(status::internal)?;
    let executable = Executable::new(Arc::clone(&COUNT), Source::Rows(batch));
    let receipt = UpdateReceipt::new(outcome, &service.certified().await);
    let info = service
        .announce(caller, executable, 0, descriptor)?
        .with_total_records(1);
    Ok(info.with_app_metadata(receipt_metadata::json(&StatementMetadata::Update(receipt))))
}

/// The encoded `DoPutUpdateResult` of a write.
pub(crate) async fn update_result(service: &Service, outcome: &WriteOutcome) -> Result<Bytes, Status> {
    let receipt = receipt_metadata::json(&UpdateReceipt::new(outcome, &service.certified().await));
    let record_count = i64::try_from(outcome.rows).unwrap_or(i64::MAX);
    Ok(UpdateResult { record_count, receipt }.encode_to_vec().into())
}

/// Executes a write. If the caller goes away, it stops while it still produces rows; a commit runs to its end.
pub(crate) async fn execute(service: &Service, write: Write, once: Option<Once>) -> Result<WriteOutcome, Status> {
    let write = match once {
        Some(once) => write.carrying_out(once),
        None => write,
    };
    service
        .query_threads
        .run(async move { write.execute().await.map_err(|error| status::of_query(&error)) })
        .await
}

/// The one schema of a query's result, for every path, with its pins.
pub(crate) async fn result_schema(service: &Service, query: &Query) -> (SchemaRef, ResultPins) {
    let pins = ResultPins::new(query.pins(), &service.certified().await);
    let mut schema = Arc::unwrap_or_clone(wire::wire_schema(&query.schema()));
    schema
        .metadata
        .insert(PINS_KEY.to_owned(), receipt_metadata::json(&pins));
    (Arc::new(schema), pins)
}

async fn prepare_unbound(service: &Service, caller: &Caller, sql: String) -> Result<Statement, Status> {
    let statement = service.prepare(caller, sql).await?;
    match statement.parameters().len() {
        0 => Ok(statement),
        count => Err(Status::invalid_argument(format!(
            "the statement has {count} parameters, prepare it and bind them"
        ))),
    }
}
