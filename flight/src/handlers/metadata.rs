//! What there is: catalogs, schemas, tables, types and capabilities.
//!
//! Tables are taken from `information_schema`, so that a client sees here what it could query, no more and no less.

mod keys;
mod tables;

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::SchemaRef,
};
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo, Ticket, error::FlightError, sql::Command};
use dab_query::Statement;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tonic::Status;

use crate::{
    auth::Caller,
    cancel::Cancel,
    metrics::RowCount,
    result_stream::{self, Batches, Ends},
    router,
    service::{self, CATALOG, Service},
    status, wire,
};

/// The schemas. `information_schema` does not list itself among them, but its tables; a client that goes from schemas to
/// tables must find these too.
const SCHEMATA: &str = "SELECT catalog_name, schema_name FROM information_schema.schemata \
                        UNION SELECT table_catalog, table_schema FROM information_schema.tables";

/// Announces an answer. The ticket is the command itself: nothing has to be kept for it.
pub(crate) async fn info(
    service: &Service,
    _caller: &Caller,
    command: Command,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let schema = schema(service, &command).ok_or_else(|| router::no_such_command(&command, "GetFlightInfo"))?;
    let schema = wire::encode_schema(&schema).map_err(status::internal)?;
    Ok(service::info(schema, Ticket::new(descriptor.cmd.clone()), descriptor))
}

/// The schema of an answer; `None` if the command is not one of metadata.
pub(crate) fn schema(service: &Service, command: &Command) -> Option<SchemaRef> {
    Some(match command.clone() {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => service.sql_infos.schema(),
        Command::CommandGetXdbcTypeInfo(_) => service.xdbc_types.schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary_schema(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign_schema(),
        _ => return None,
    })
}

/// The rows of an answer.
pub(crate) async fn rows(
    service: &Arc<Service>,
    caller: &Caller,
    command: Command,
    rows: RowCount,
) -> Result<BoxStream<'static, Result<FlightData, Status>>, Status> {
    let schema = schema(service, &command).ok_or_else(|| router::no_such_command(&command, "DoGet"))?;
    let batch = match command {
        Command::CommandGetCatalogs(command) => {
            let mut catalogs = command.into_builder();
            catalogs.append(CATALOG);
            catalogs.build().map_err(unbuilt)?
        }
        Command::CommandGetDbSchemas(command) => {
            let mut schemas = command.into_builder();
            for row in select(service, caller, SCHEMATA).await? {
                schemas.append(&row[0], &row[1]);
            }
            schemas.build().map_err(unbuilt)?
        }
        Command::CommandGetTables(command) => tables::list(service, caller, command).await?,
        Command::CommandGetTableTypes(command) => {
            let mut types = command.into_builder();
            tables::TYPES.iter().for_each(|name| types.append(name));
            types.build().map_err(unbuilt)?
        }
        Command::CommandGetSqlInfo(command) => service.sql_infos.answer(command).map_err(unbuilt)?,
        Command::CommandGetXdbcTypeInfo(command) => service.xdbc_types.answer(command).map_err(unbuilt)?,
        Command::CommandGetPrimaryKeys(command) => {
            tables::require(service, caller, &[(command.catalog, command.db_schema, command.table)]).await?;
            RecordBatch::new_empty(Arc::clone(&schema))
        }
        // there are no foreign keys: every question about them has an empty answer
        _ => RecordBatch::new_empty(Arc::clone(&schema)),
    };
    let source = async move {
        let batches: Batches = stream::iter([Ok(batch)]).boxed();
        Ok(batches)
    };
    let ends = Ends {
        cancel: Cancel::new(),
        stopping: service.stopping.clone(),
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

/// The rows of a query of text columns.
async fn select(service: &Service, caller: &Caller, sql: &str) -> Result<Vec<Vec<String>>, Status> {
    let Statement::Query(query) = service.prepare(caller, sql.to_owned()).await? else {
        return Err(status::internal("a query of the service's own is none"));
    };
    let schema = wire::wire_schema(&query.schema());
    let batches: Vec<RecordBatch> = service
        .query_threads
        .run(async move {
            let batches = query.execute().await.map_err(|error| status::of_query(&error))?;
            batches
                .map_err(|error| status::of_query(&error.into()))
                .try_collect()
                .await
        })
        .await?;
    let mut rows = Vec::new();
    for batch in batches {
        let batch = wire::conform(&batch, &schema).map_err(status::internal)?;
        for row in 0..batch.num_rows() {
            let text = |column: &arrow::array::ArrayRef| {
                column
                    .as_string_opt::<i32>()
                    .map_or_else(String::new, |column| column.value(row).to_owned())
            };
            rows.push(batch.columns().iter().map(text).collect());
        }
    }
    Ok(rows)
}

fn unbuilt(error: FlightError) -> Status {
    match error {
        // a LIKE pattern of the client's
        FlightError::Arrow(error) => Status::invalid_argument(error.to_string()),
        other => status::internal(other),
    }
}
