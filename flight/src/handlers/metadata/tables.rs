//! GetTables.

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema},
};
use arrow_flight::sql::{CommandGetTables, metadata::GetTablesBuilder};
use dab_query::Statement;
use futures::{StreamExt, TryStreamExt, stream};
use tonic::Status;

use super::{select, unbuilt};
use crate::{
    auth::Caller,
    service::{CATALOG, DEFAULT_SCHEMA, Service},
    wire,
};

/// The types of tables.
pub(super) const TYPES: [&str; 3] = ["SYSTEM TABLE", "TABLE", "VIEW"];
/// The name that some tools have for `TABLE`; understood in filters, never answered.
const BASE_TABLE: &str = "BASE TABLE";
/// Tables planned at once for their schemas.
const PLANNED_AT_ONCE: usize = 8;

const TABLES: &str = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables";

struct Table {
    catalog: String,
    schema: String,
    name: String,
    kind: &'static str,
}

/// The tables that match the command's filters, with their columns if it asks for them.
pub(super) async fn list(
    service: &Service,
    caller: &Caller,
    mut command: CommandGetTables,
) -> Result<RecordBatch, Status> {
    for kind in &mut command.table_types {
        if kind.eq_ignore_ascii_case(BASE_TABLE) {
            *kind = "TABLE".to_owned();
        }
    }
    let tables: Vec<Table> = select(service, caller, TABLES)
        .await?
        .into_iter()
        .filter_map(Table::from_row)
        .collect();
    if !command.include_schema {
        let mut builder = command.into_builder();
        for table in &tables {
            table.append(&mut builder, &Schema::empty())?;
        }
        return builder.build().map_err(unbuilt);
    }
    // planning a table for its columns costs more than a name: filter by names first
    let matching = matching(&command, &tables)?;
    let planned: Vec<_> = matching.iter().map(|table| columns(service, caller, table)).collect();
    let schemas: Vec<_> = stream::iter(planned).buffered(PLANNED_AT_ONCE).try_collect().await?;
    let mut builder = command.into_builder();
    for (table, schema) in matching.iter().zip(&schemas) {
        schema
            .as_ref()
            .map_or(Ok(()), |schema| table.append(&mut builder, schema))?;
    }
    builder.build().map_err(unbuilt)
}

/// Checks that named tables exist; names that are left out mean the defaults.
pub(super) async fn require(
    service: &Service,
    caller: &Caller,
    named: &[(Option<String>, Option<String>, String)],
) -> Result<(), Status> {
    let tables = select(service, caller, TABLES).await?;
    for (catalog, schema, table) in named {
        let (catalog, schema) = (
            catalog.as_deref().unwrap_or(CATALOG),
            schema.as_deref().unwrap_or(DEFAULT_SCHEMA),
        );
        if !tables
            .iter()
            .any(|row| row[0] == catalog && row[1] == schema && row[2] == *table)
        {
            return Err(Status::not_found(format!(
                "there is no table {catalog}.{schema}.{table}"
            )));
        }
    }
    Ok(())
}

impl Table {
    fn from_row(row: Vec<String>) -> Option<Self> {
        let [catalog, schema, name, kind] = <[String; 4]>::try_from(row).ok()?;
        let kind = match (schema.as_str(), kind.as_str()) {
            (DEFAULT_SCHEMA, "VIEW") => "VIEW",
            (DEFAULT_SCHEMA, _) => "TABLE",
            _ => "SYSTEM TABLE",
        };
        Some(Self {
            catalog,
            schema,
            name,
            kind,
        })
    }

    fn append(&self, builder: &mut GetTablesBuilder, schema: &Schema) -> Result<(), Status> {
        builder
            .append(&self.catalog, &self.schema, &self.name, self.kind, schema)
            .map_err(unbuilt)
    }
}

/// The tables that the builder, which knows the rules of the filters, would keep.
fn matching<'a>(command: &CommandGetTables, tables: &'a [Table]) -> Result<Vec<&'a Table>, Status> {
    let mut matching = Vec::new();
    for table in tables {
        let mut builder = CommandGetTables {
            include_schema: false,
            ..command.clone()
        }
        .into_builder();
        table.append(&mut builder, &Schema::empty())?;
        if builder.build().map_err(unbuilt)?.num_rows() > 0 {
            matching.push(table);
        }
    }
    Ok(matching)
}

/// The columns of a table as results would have them; `None` if it is gone, which it may be since it was listed. A table
/// that cannot be read is listed without columns: the others can.
async fn columns(service: &Service, caller: &Caller, table: &Table) -> Result<Option<Schema>, Status> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (catalog, schema, name) = (quoted(&table.catalog), quoted(&table.schema), quoted(&table.name));
    match service
        .prepare(caller, format!("SELECT * FROM {catalog}.{schema}.{name}"))
        .await
    {
        Ok(Statement::Query(query)) => Ok(Some(described(&wire::wire_schema(&query.schema()), table))),
        Ok(Statement::Write(_)) => Ok(None),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => {
            tracing::warn!(table = table.name, %status, "a table cannot be described");
            Ok(Some(Schema::empty()))
        }
    }
}

/// Says in each column's metadata whose column it is.
fn described(schema: &Schema, table: &Table) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let mut metadata = field.metadata().clone();
        for (key, value) in [
            ("CATALOG_NAME", &table.catalog),
            // the specification and the drivers disagree about this key's name
            ("DB_SCHEMA_NAME", &table.schema),
            ("SCHEMA_NAME", &table.schema),
            ("TABLE_NAME", &table.name),
        ] {
            metadata.insert(format!("ARROW:FLIGHT:SQL:{key}"), value.clone());
        }
        Field::clone(field).with_metadata(metadata)
    });
    Schema::new(fields.collect::<Vec<_>>())
}
