//! Results as they travel: one schema for every path, plain types only.
//!
//! [`wire_schema`] is the only place where a plan's schema becomes one that a client sees. GetFlightInfo, GetSchema,
//! prepare and DoGet all use it, and [`conform`] brings every batch to it. Otherwise they drift: the optimiser changes
//! nullability, DataFusion works on string views and dictionaries, and clients compare the schemas or lack the types.

mod conform;
mod encode;
mod size;
mod types;

pub(crate) use conform::conform;
pub(crate) use encode::{Encoder, encode_schema};
pub(crate) use size::{sliced_bytes, split};
#[cfg(test)]
pub(crate) use types::WireType;
use types::column_metadata;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

/// Metadata of extension types, the only field metadata of a plan that clients get to see.
const EXTENSION_KEYS: [&str; 2] = ["ARROW:extension:name", "ARROW:extension:metadata"];

/// The schema under which results of a plan with `schema` travel:
///
/// - string and binary views, large strings and binaries, dictionaries, run-end encoding, large lists and list views
///   become `Utf8`, `Binary` and `List`, at any depth; `Float16` becomes `Float32`, small decimals `Decimal128`;
/// - time zones that mean UTC are written `UTC`;
/// - children of nested types are nullable, whatever the plan says; columns are as the plan says;
/// - each column carries the Flight SQL metadata of its type; metadata of the plan's schema is left out.
pub(crate) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = types::plain(field.data_type());
        let mut metadata = column_metadata(&data_type);
        for key in EXTENSION_KEYS {
            field
                .metadata()
                .get(key)
                .map(|value| metadata.insert(key.to_owned(), value.clone()));
        }
        Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema to which uploaded batches are brought: plain types as in [`wire_schema`], without metadata.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| Field::new(field.name(), types::plain(field.data_type()), field.is_nullable()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
pub(crate) mod tests;
