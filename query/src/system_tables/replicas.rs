//! `dab.replicas`: the replicas of the ledger, as the node that answers sees them.

use std::sync::Arc;

use dab_ledger::reader::ReplicaStatus;
use dab_storage::Lake;
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};

use super::{Rows, Wanted, int64};
use crate::Error;

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        // null, as the address, for a node that certifies alone
        Field::new("name", DataType::Utf8, true),
        Field::new("address", DataType::Utf8, true),
        // whether it is the node that answers
        Field::new("answers", DataType::Boolean, false),
        Field::new("leads", DataType::Boolean, false),
        Field::new("connected", DataType::Boolean, false),
        // why it is not connected
        Field::new("trouble", DataType::Utf8, true),
        // since anything came from it
        Field::new("heard_ms_ago", DataType::Int64, true),
    ]))
}

/// All in one batch; there are few.
pub(super) fn rows(lake: Arc<Lake>, _wanted: Wanted) -> Rows {
    stream::once(async move { batch(&lake.ledger().reader.replicas().await) }).boxed()
}

fn batch(replicas: &[ReplicaStatus]) -> Result<RecordBatch, Error> {
    let text = |of: fn(&ReplicaStatus) -> Option<&str>| -> ArrayRef {
        Arc::new(replicas.iter().map(of).collect::<StringArray>())
    };
    let flag = |of: fn(&ReplicaStatus) -> bool| -> ArrayRef {
        Arc::new(
            replicas
                .iter()
                .map(|replica| Some(of(replica)))
                .collect::<BooleanArray>(),
        )
    };
    let heard = |replica: &ReplicaStatus| replica.heard_ago.and_then(|ago| i64::try_from(ago.as_millis()).ok());
    let columns = vec![
        Arc::new(replicas.iter().map(|replica| int64(replica.id)).collect::<Int64Array>()) as ArrayRef,
        text(|replica| replica.name.as_deref()),
        text(|replica| replica.address.as_deref()),
        flag(|replica| replica.is_asked),
        flag(|replica| replica.leads),
        flag(|replica| replica.is_connected),
        text(|replica| replica.trouble.as_deref()),
        Arc::new(replicas.iter().map(heard).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
