//! `dab.heads`: for every table the proof of which version is its latest.
//!
//! Where leaves came since the ledger bound its heads, asking has it bind them anew; those who ask at the same time share a
//! leaf.

use std::sync::Arc;

use dab_proof::head_proof::{Found, HeadProof};
use dab_storage::{Lake, TableName};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Rows, Wanted, int64, open, tables_wanted};
use crate::Error;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("table_name", DataType::Utf8, false),
        // null for a table of which no leaf is covered yet
        Field::new("version", DataType::Int64, true),
        // leaves that the proof speaks about: what was notarized later, it does not know
        Field::new("leaves_covered", DataType::Int64, false),
        // the text of a .head-proof file
        Field::new("proof", DataType::Utf8, false),
    ]))
}

/// A table at a time.
pub(super) fn rows(lake: Arc<Lake>, wanted: Wanted) -> Rows {
    let names = {
        let lake = lake.clone();
        stream::once(async move { tables_wanted(&lake, &wanted).await })
    };
    names
        .map_ok(|names| stream::iter(names.into_iter().map(Ok)))
        .try_flatten()
        .and_then(move |name| {
            let lake = lake.clone();
            async move {
                match open(&lake, &name).await? {
                    Some(table) => row(&name, &table.head_proof().await?),
                    None => Ok(RecordBatch::new_empty(schema())),
                }
            }
        })
        .boxed()
}

fn row(name: &TableName, proof: &HeadProof) -> Result<RecordBatch, Error> {
    let version = match &proof.found {
        Found::Head { leaf, .. } => Some(int64(leaf.leaf().sequence)),
        Found::Other(_) | Found::Nothing => None,
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![name.as_str()])),
        Arc::new(Int64Array::from(vec![version])),
        Arc::new(Int64Array::from(vec![int64(proof.size.0)])),
        Arc::new(StringArray::from(vec![proof.to_text()])),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
