//! Values for the parameters of a prepared statement.

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use tonic::Status;

use crate::{limits::Limits, upload::Upload, wire};

/// Rows of values, each in ordinal order of the parameters. The statement casts them to the parameters' types.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) values: Vec<Vec<ScalarValue>>,
    /// What they take in memory, about.
    pub(super) bytes: usize,
}

impl Rows {
    /// One row without values: what is bound to a statement without parameters.
    pub(super) fn none() -> Self {
        Self {
            values: vec![vec![]],
            bytes: 0,
        }
    }

    /// Reads the values that a client sends. Columns count by position, whatever their names: drivers send `0`, `1`, or names
    /// of their own.
    ///
    /// An upload without columns is one execution without values, which is how clients execute updates that have no
    /// parameters; one with columns and no rows is no execution at all.
    pub(super) async fn read(mut upload: Upload, parameters: &Schema, limits: &Limits) -> Result<Self, Status> {
        let sent = upload.schema().await?;
        let columns = sent.as_ref().map_or(0, |schema| schema.fields().len());
        let expected = parameters.fields().len();
        if columns == 0 {
            while upload.batch().await?.is_some() {}
            return Ok(Self::none());
        }
        if columns != expected {
            let message = format!("the statement has {expected} parameters, {columns} columns of values were sent");
            return Err(Status::invalid_argument(message));
        }
        let plain = wire::plain_schema(&sent.unwrap_or_else(|| Schema::empty().into()));
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        while let Some(batch) = upload.batch().await? {
            let too_much = |max: usize, what: &str| {
                let message = format!("more than {max} {what} of parameters in one execution, use bulk ingest");
                Err(Status::resource_exhausted(message))
            };
            if rows.len() + batch.num_rows() > limits.parameter_rows_max {
                return too_much(limits.parameter_rows_max, "rows");
            }
            // what stands in the batch is copied out of it, into a value for each row and column
            bytes += batch.get_array_memory_size() + batch.num_rows() * columns * size_of::<ScalarValue>();
            if bytes > limits.parameter_bytes_max {
                return too_much(limits.parameter_bytes_max, "bytes");
            }
            // dictionaries and views are the driver's business, not the statement's
            let batch = wire::conform(&batch, &plain).map_err(|error| Status::invalid_argument(error.to_string()))?;
            for row in 0..batch.num_rows() {
                let row = batch
                    .columns()
                    .iter()
                    .map(|column| ScalarValue::try_from_array(column, row));
                rows.push(
                    row.collect::<Result<_, _>>()
                        .map_err(|error| Status::invalid_argument(error.to_string()))?,
                );
            }
        }
        Ok(Self { values: rows, bytes })
    }
}
