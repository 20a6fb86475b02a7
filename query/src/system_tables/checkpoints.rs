//! `dab.checkpoints`: the checkpoints that this node issued, oldest first.

use std::sync::Arc;

use dab_storage::Lake;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};

use super::{Rows, Wanted, int64, time};
use crate::Error;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("tree_size", DataType::Int64, false),
        // base64, as in the checkpoint itself
        Field::new("root", DataType::Utf8, false),
        // by the node's own clock
        Field::new("issued_at", time(), false),
        // who vouches, by the policy of today, for a tree that this one is the beginning of; null while nobody does. Whose
        // signatures a checkpoint had when it was issued stands in its own note
        Field::new("certified_by", DataType::Utf8, true),
    ]))
}

/// All in one batch; the ledger keeps a bounded list.
pub(super) fn rows(lake: Arc<Lake>, _wanted: Wanted) -> Rows {
    stream::once(async move { batch(&lake).await }).boxed()
}

async fn batch(lake: &Lake) -> Result<RecordBatch, Error> {
    let reader = &lake.ledger().reader;
    let issued = reader.checkpoints().await;
    let certified = reader.certified().await;
    let certified_by = match certified.certifies_alone {
        true => "the node alone".to_owned(),
        false => format!("quorum {}", certified.quorum),
    };
    let times = TimestampMillisecondArray::from_iter_values(issued.iter().map(|checkpoint| int64(checkpoint.unix_ms)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            issued
                .iter()
                .map(|checkpoint| int64(checkpoint.size.0))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            issued
                .iter()
                .map(|checkpoint| Some(checkpoint.root.to_string()))
                .collect::<StringArray>(),
        ),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(
            issued
                .iter()
                .map(|checkpoint| (checkpoint.size <= certified.size).then_some(certified_by.as_str()))
                .collect::<StringArray>(),
        ),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
