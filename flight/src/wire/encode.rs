//! Record batches to Flight messages.

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use bytes::Bytes;

/// A schema as it stands in FlightInfo, SchemaResult, prepared statements and `GetTables`: an encapsulated IPC message
/// (continuation marker, length, flatbuffer).
pub(crate) fn encode_schema(schema: &Schema) -> Result<Bytes, ArrowError> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into()?;
    Ok(bytes)
}

/// Encodes the messages of one stream: the schema, then batches of it.
///
/// Not `arrow-flight`'s encoder: that one leaves out batches without rows, which keep a silent stream alive, and rewrites
/// schemas on its own.
pub(crate) struct Encoder {
    schema: SchemaRef,
    options: IpcWriteOptions,
    generator: IpcDataGenerator,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Encoder {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            options: IpcWriteOptions::default(),
            generator: IpcDataGenerator::default(),
            dictionaries: DictionaryTracker::new(true),
            context: IpcWriteContext::default(),
        }
    }

    /// The first message.
    pub(crate) fn schema(&self) -> FlightData {
        SchemaAsIpc::new(&self.schema, &self.options).into()
    }

    /// A message with one batch, which must be of this stream's schema.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<FlightData, ArrowError> {
        let (dictionaries, batch) =
            self.generator
                .encode(batch, &mut self.dictionaries, &self.options, &mut self.context)?;
        if !dictionaries.is_empty() {
            return Err(ArrowError::SchemaError("a dictionary in a wire batch".to_owned()));
        }
        Ok(batch.into())
    }

    /// A message with a batch of no rows.
    pub(crate) fn empty(&mut self) -> Result<FlightData, ArrowError> {
        self.batch(&RecordBatch::new_empty(self.schema.clone()))
    }
}
