//! Record batches that a client sends.

use std::{collections::HashMap, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, RecordBatch},
    buffer::Buffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        convert::try_schema_from_flatbuffer_bytes,
        reader::{RecordBatchDecoder, read_dictionary},
        root_as_message,
    },
};
use arrow_flight::{FlightData, FlightDescriptor};
use futures::{Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use crate::{
    ipc_guard::{self, Kind},
    limits::Limits,
};

/// Bytes of dictionaries kept for one upload.
pub(crate) const DICTIONARY_BYTES_MAX: usize = 64 << 20;

type Messages = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The stream of one `DoPut`, checked and decoded message by message.
pub(crate) struct Upload {
    messages: Messages,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// The message that carried the descriptor, until it is decoded.
    first: Option<FlightData>,
    idle_max: Duration,
    _place: OwnedSemaphorePermit,
}

impl Upload {
    /// Reads the first message, which must come soon and carry a descriptor. The upload keeps `place` until it is dropped.
    pub(crate) async fn begin(
        place: OwnedSemaphorePermit,
        limits: &Limits,
        messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    ) -> Result<(FlightDescriptor, Self), Status> {
        let mut messages: Messages = Box::pin(messages);
        let empty = || Status::invalid_argument("an upload without a message");
        let mut first = next(&mut messages, limits.upload_start_max).await?.ok_or_else(empty)?;
        let missing = || Status::invalid_argument("the first message of an upload must carry a flight descriptor");
        let descriptor = first.flight_descriptor.take().ok_or_else(missing)?;
        Ok((
            descriptor,
            Self {
                messages,
                schema: None,
                dictionaries: HashMap::new(),
                first: Some(first),
                idle_max: limits.uploader_idle_max,
                _place: place,
            },
        ))
    }

    /// The schema, read on demand; `None` if the upload ends without one.
    pub(crate) async fn schema(&mut self) -> Result<Option<SchemaRef>, Status> {
        while self.schema.is_none() {
            let Some(data) = self.message().await? else {
                return Ok(None);
            };
            self.decode(data)?;
        }
        Ok(self.schema.clone())
    }

    /// The next batch; `None` at the upload's end. An upload that breaks off is an error.
    pub(crate) async fn batch(&mut self) -> Result<Option<RecordBatch>, Status> {
        loop {
            let Some(data) = self.message().await? else {
                return Ok(None);
            };
            if let Some(batch) = self.decode(data)? {
                return Ok(Some(batch));
            }
        }
    }

    /// The remaining batches as a stream, for which the schema must have been read.
    pub(crate) fn into_batches(self) -> impl Stream<Item = Result<RecordBatch, Status>> + Send {
        futures::stream::try_unfold(self, |mut upload| async move {
            Ok(upload.batch().await?.map(|batch| (batch, upload)))
        })
    }

    async fn message(&mut self) -> Result<Option<FlightData>, Status> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => next(&mut self.messages, self.idle_max).await,
        }
    }

    fn decode(&mut self, data: FlightData) -> Result<Option<RecordBatch>, Status> {
        let refused = |error: ipc_guard::Refused| Status::invalid_argument(error.to_string());
        let kind = ipc_guard::check(&data, self.schema.as_ref()).map_err(refused)?;
        // the guard leaves the decoder nothing to panic about; this is the second lock on that door
        let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| self.decode_checked(kind, data)));
        let batch = match decoded {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => return Err(Status::invalid_argument(format!("upload refused: {error}"))),
            Err(_) => {
                return Err(Status::invalid_argument(
                    "upload refused: a message that cannot be decoded",
                ));
            }
        };
        batch
            .as_ref()
            .map_or(Ok(()), ipc_guard::check_decoded)
            .map_err(refused)?;
        Ok(batch)
    }

    fn decode_checked(&mut self, kind: Kind, data: FlightData) -> Result<Option<RecordBatch>, ArrowError> {
        let lost = || ArrowError::IpcError("a message that changed while it was read".to_owned());
        match (kind, &self.schema) {
            (Kind::Bare, _) => return Ok(None),
            (Kind::Schema, _) => {
                self.schema = Some(Arc::new(try_schema_from_flatbuffer_bytes(&data.data_header)?));
                return Ok(None);
            }
            (Kind::Dictionary | Kind::Batch, None) => return Err(lost()),
            (Kind::Dictionary | Kind::Batch, Some(_)) => {}
        }
        let schema = self.schema.clone().ok_or_else(lost)?;
        let message = root_as_message(&data.data_header).map_err(|_| lost())?;
        let (body, version) = (Buffer::from(data.data_body), message.version());
        if kind == Kind::Dictionary {
            let dictionary = message.header_as_dictionary_batch().ok_or_else(lost)?;
            read_dictionary(&body, dictionary, &schema, &mut self.dictionaries, &version)?;
            let kept: usize = self
                .dictionaries
                .values()
                .map(|values| values.get_buffer_memory_size())
                .sum();
            if kept > DICTIONARY_BYTES_MAX {
                let message = format!("dictionaries of more than {DICTIONARY_BYTES_MAX} bytes");
                return Err(ArrowError::InvalidArgumentError(message));
            }
            return Ok(None);
        }
        let batch = message.header_as_record_batch().ok_or_else(lost)?;
        let decoder = RecordBatchDecoder::try_new(&body, batch, schema, &self.dictionaries, &version)?;
        decoder.read_record_batch().map(Some)
    }
}

async fn next(messages: &mut Messages, idle_max: Duration) -> Result<Option<FlightData>, Status> {
    match tokio::time::timeout(idle_max, messages.next()).await {
        Ok(message) => message.transpose(),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "nothing came for {} s, the upload was broken off",
            idle_max.as_secs()
        ))),
    }
}
