//! `dab.receipts`: for every commit the proof that the ledger holds it, against the latest certified checkpoint.

use std::sync::Arc;

use dab_storage::{Lake, Table, TableName, TableVersion};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Rows, Wanted, int64, open, tables_wanted};
use crate::Error;

/// Receipts made before they are handed on.
const RECEIPTS_PER_BATCH: usize = 64;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("table_name", DataType::Utf8, false),
        Field::new("version", DataType::Int64, false),
        Field::new("leaf_index", DataType::Int64, false),
        Field::new("tree_size", DataType::Int64, false),
        // the text of a .tlog-proof file
        Field::new("proof", DataType::Utf8, false),
    ]))
}

/// A few receipts at a time, oldest version first: whoever wants one does not wait for all.
pub(super) fn rows(lake: Arc<Lake>, wanted: Wanted) -> Rows {
    let versions = {
        let (lake, wanted) = (lake.clone(), wanted.clone());
        stream::once(async move { versions(&lake, &wanted).await })
    };
    versions
        .map_ok(|batches| stream::iter(batches.into_iter().map(Ok)))
        .try_flatten()
        .and_then(move |(name, versions)| {
            let lake = lake.clone();
            async move {
                match open(&lake, &name).await? {
                    Some(table) => batch(&table, &versions).await,
                    None => Ok(RecordBatch::new_empty(schema())),
                }
            }
        })
        .boxed()
}

/// The versions wanted, in portions.
async fn versions(lake: &Lake, wanted: &Wanted) -> Result<Vec<(TableName, Vec<u64>)>, Error> {
    let mut portions = Vec::new();
    for name in tables_wanted(lake, wanted).await? {
        let Some(table) = open(lake, &name).await? else {
            continue;
        };
        let Some(latest) = table.history(Some(1)).await?.pop() else {
            continue;
        };
        let versions: Vec<_> = (0..=latest.version.0)
            .filter(|version| wanted.version(*version))
            .collect();
        portions.extend(
            versions
                .chunks(RECEIPTS_PER_BATCH)
                .map(|portion| (name.clone(), portion.to_vec())),
        );
    }
    Ok(portions)
}

async fn batch(table: &Table, versions: &[u64]) -> Result<RecordBatch, Error> {
    let mut receipts = Vec::with_capacity(versions.len());
    for version in versions {
        receipts.push((*version, table.receipt(TableVersion(*version)).await?));
    }
    let size = |receipt: &dab_proof::receipt::Receipt| int64(receipt.checkpoint.checkpoint().size.0);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            receipts
                .iter()
                .map(|_| Some(table.name().as_str()))
                .collect::<StringArray>(),
        ),
        Arc::new(
            receipts
                .iter()
                .map(|(version, _)| int64(*version))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            receipts
                .iter()
                .map(|(_, receipt)| int64(receipt.index.0))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            receipts
                .iter()
                .map(|(_, receipt)| size(receipt))
                .collect::<Int64Array>(),
        ),
        Arc::new(
            receipts
                .iter()
                .map(|(_, receipt)| Some(receipt.to_text()))
                .collect::<StringArray>(),
        ),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
