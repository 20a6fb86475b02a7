//! `dab.commits`: every commit of every table, as its notarized file and its leaf describe it.

use std::sync::Arc;

use dab_storage::{CommitRecord, Lake};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};

use super::told::{Told, tables};
use super::{Rows, Wanted, hex, int64, time};
use crate::Error;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        // NULL where the table was dropped
        Field::new("table_name", DataType::Utf8, true),
        Field::new("table_id", DataType::Utf8, false),
        Field::new("version", DataType::Int64, false),
        // the writer's word, and always after the commit before
        Field::new("committed_at", time(), false),
        // the server's word
        Field::new("user_name", DataType::Utf8, false),
        Field::new("operation", DataType::Utf8, false),
        Field::new("rows_added", DataType::Int64, true),
        Field::new("files_added", DataType::Int64, false),
        Field::new("files_removed", DataType::Int64, false),
        Field::new("bytes_added", DataType::Int64, false),
        Field::new("leaf_index", DataType::Int64, false),
        // BLAKE3 of the commit file, hexadecimal
        Field::new("digest", DataType::Utf8, false),
        // leaf hash of the commit before, base64
        Field::new("parent", DataType::Utf8, true),
        // JSON: what was loaded from outside
        Field::new("sources", DataType::Utf8, true),
        // JSON: the pins of the tables that the write read
        Field::new("read", DataType::Utf8, true),
        // the name that a dropped table had
        Field::new("dropped_name", DataType::Utf8, true),
    ]))
}

/// One batch per table, newest commit first; tables with a name before those that were dropped.
pub(super) fn rows(lake: Arc<Lake>, wanted: Wanted) -> Rows {
    let tables = {
        let (lake, wanted) = (lake.clone(), wanted.clone());
        stream::once(async move { tables(&lake, &wanted).await })
    };
    tables
        .map_ok(|tables| stream::iter(tables.into_iter().map(Ok)))
        .try_flatten()
        .and_then(move |told| {
            let (lake, wanted) = (lake.clone(), wanted.clone());
            async move { batch(&told, lake.history(&told.table).await?, &wanted) }
        })
        .boxed()
}

fn batch(told: &Told, records: Vec<CommitRecord>, wanted: &Wanted) -> Result<RecordBatch, Error> {
    let records: Vec<_> = records
        .into_iter()
        .filter(|record| wanted.version(record.version.0))
        .collect();
    let id = told.table.id.to_string();
    let json = |value: Result<String, serde_json::Error>| value.map_err(|error| Error::internal(error.to_string()));
    let mut sources = Vec::with_capacity(records.len());
    let mut read = Vec::with_capacity(records.len());
    for record in &records {
        let loaded = (!record.sources.is_empty()).then(|| json(serde_json::to_string(&record.sources)));
        sources.push(loaded.transpose()?);
        let pins = (!record.read.is_empty()).then(|| json(serde_json::to_string(&record.read)));
        read.push(pins.transpose()?);
    }
    let text = |value: &dyn Fn(&CommitRecord) -> String| -> ArrayRef {
        Arc::new(
            records
                .iter()
                .map(|record| Some(value(record)))
                .collect::<StringArray>(),
        )
    };
    let [name, dropped_name] = told.names(records.len());
    let whole = |value: &dyn Fn(&CommitRecord) -> u64| -> ArrayRef {
        Arc::new(
            records
                .iter()
                .map(|record| int64(value(record)))
                .collect::<Int64Array>(),
        )
    };
    let times = TimestampMillisecondArray::from_iter_values(records.iter().map(|record| record.timestamp_unix_ms));
    let columns: Vec<ArrayRef> = vec![
        name,
        text(&|_| id.clone()),
        whole(&|record| record.version.0),
        Arc::new(times.with_timezone("UTC")),
        text(&|record| record.user.clone()),
        text(&|record| record.operation.clone()),
        Arc::new(
            records
                .iter()
                .map(|record| record.rows_added.map(int64))
                .collect::<Int64Array>(),
        ),
        whole(&|record| record.files_added),
        whole(&|record| record.files_removed),
        whole(&|record| record.bytes_added),
        whole(&|record| record.leaf_index.0),
        text(&|record| hex(&record.digest)),
        Arc::new(
            records
                .iter()
                .map(|record| record.parent.map(|hash| hash.to_string()))
                .collect::<StringArray>(),
        ),
        Arc::new(StringArray::from(sources)),
        Arc::new(StringArray::from(read)),
        dropped_name,
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
