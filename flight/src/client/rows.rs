//! Rows of a result, and uploads that are whole or not at all.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::SchemaRef,
};
use arrow_flight::{FlightData, decode::FlightRecordBatchStream, error::FlightError};
use futures::{Stream, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tonic::{Response, Streaming};

use super::Client;
use crate::{
    Error,
    receipt_metadata::{ResultPins, UpdateReceipt},
};

/// Silence after which an upload says that it goes on.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// The rows of a query, a stream of batches. Dropping it ends the query.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    pins: Option<ResultPins>,
    batches: FlightRecordBatchStream,
}

impl Rows {
    pub(super) fn new(schema: SchemaRef, pins: Option<ResultPins>, response: Response<Streaming<FlightData>>) -> Self {
        let messages = response.into_inner().map_err(FlightError::from);
        Self {
            schema,
            pins,
            batches: FlightRecordBatchStream::new_from_flight_data(messages),
        }
    }

    /// The schema of all batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Where the rows come from; `None` for metadata.
    pub fn pins(&self) -> Option<&ResultPins> {
        self.pins.as_ref()
    }

    /// All batches that have rows.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        self.try_filter(|batch| std::future::ready(batch.num_rows() > 0))
            .try_collect()
            .await
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.batches).poll_next(context);
        next.map(|batch| batch.map(|batch| batch.map_err(from_flight)))
    }
}

/// Messages with a bare one wherever there is none for `interval`: a node breaks off an upload that pauses for long.
fn kept_alive(
    messages: impl Stream<Item = FlightData> + Send + 'static,
    interval: Duration,
) -> impl Stream<Item = FlightData> + Send {
    futures::stream::unfold(messages.boxed(), move |mut messages| async move {
        match tokio::time::timeout(interval, messages.next()).await {
            Ok(message) => Some((message?, messages)),
            Err(_) => Some((FlightData::default(), messages)),
        }
    })
}

/// Sends `first` and `rest`. If `rest` fails, the upload breaks off without its end, so that the node commits nothing, and
/// the failure is returned rather than what the node says of the broken call.
pub(super) async fn put_unbroken(
    client: &Client,
    first: FlightData,
    rest: impl Stream<Item = Result<FlightData, Error>> + Send + 'static,
) -> Result<UpdateReceipt, Error> {
    let failure = Arc::new(Mutex::new(None));
    let (noted, notify) = (Arc::clone(&failure), Arc::new(tokio::sync::Notify::new()));
    let failed = Arc::clone(&notify);
    let rest = rest.filter_map(move |message| {
        let (noted, failed) = (Arc::clone(&noted), Arc::clone(&failed));
        async move {
            match message {
                Ok(message) => Some(message),
                Err(error) => {
                    *noted.lock() = Some(error);
                    failed.notify_one();
                    // ending here would be an upload that is whole; the call is dropped instead
                    std::future::pending().await
                }
            }
        }
    });
    let messages = kept_alive(futures::stream::iter([first]).chain(rest), KEEP_ALIVE_INTERVAL);
    tokio::select! {
        result = client.put(messages) => result,
        () = notify.notified() => {
            let error = failure.lock().take();
            Err(error.unwrap_or_else(|| Error::Answer("an upload that failed".to_owned())))
        }
    }
}

pub(super) fn text(batch: &RecordBatch, column: usize, row: usize) -> Result<String, Error> {
    let column = batch
        .columns()
        .get(column)
        .and_then(|column| column.as_string_opt::<i32>());
    let column = column.ok_or_else(|| Error::Answer("a column of text that is none".to_owned()))?;
    Ok(column.value(row).to_owned())
}

fn from_flight(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => Error::Refused { status },
        FlightError::Arrow(error) => Error::Arrow(error),
        other => Error::Answer(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check of a large file after its last row takes minutes, and the node must not lose patience meanwhile.
    #[tokio::test]
    async fn an_upload_that_pauses_says_so_and_loses_nothing() {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let message = || FlightData::default().with_app_metadata("rows");
        let mut sent = Box::pin(kept_alive(receiver, Duration::from_millis(5)));
        for _ in 0..2 {
            assert_eq!(sent.next().await, Some(FlightData::default()));
        }
        sender.unbounded_send(message()).unwrap();
        drop(sender);
        let rest: Vec<_> = sent.collect().await;
        assert_eq!(rest.iter().filter(|one| **one == message()).count(), 1);
    }
}
