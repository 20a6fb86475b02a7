//! A result on its way to the client.
//!
//! ```text
//!  query threads                              network threads
//!  DataFusion ── conform ── cut, join ── encode ──▶ queue ──▶ schema, batches, keep-alives ──▶ client
//! ```
//!
//! The queue holds a few messages, so that a slow client slows the query down and not the memory up. A client that goes
//! away drops the stream, which drops the query. The stream ends well only if the query said that it ended well.

use std::{future::Future, sync::Arc, time::Duration};

use arrow::{array::RecordBatch, compute::concat_batches, datatypes::SchemaRef, error::ArrowError};
use arrow_flight::FlightData;
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::sync::mpsc;
use tonic::Status;

use crate::{
    cancel::Cancel,
    limits::Limits,
    metrics::RowCount,
    query_threads::{QueryThreads, Task},
    status, wire,
};

/// Batches of a running query.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch, Status>>;

/// Signals that end a stream early.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    /// The client asked for it in another call.
    pub(crate) cancel: Cancel,
    /// The node is stopping.
    pub(crate) stopping: Cancel,
}

/// Runs `source` on the query threads and returns its messages: first the schema, which is `schema` as it stands, then
/// the batches brought to it, and after each [`Limits::keep_alive_interval`] of silence a batch without rows.
pub(crate) fn start(
    threads: &QueryThreads,
    limits: &Arc<Limits>,
    schema: SchemaRef,
    source: impl Future<Output = Result<Batches, Status>> + Send + 'static,
    ends: Ends,
    rows: RowCount,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let (sender, receiver) = mpsc::channel(limits.result_queue_messages);
    let mut encoder = wire::Encoder::new(Arc::clone(&schema));
    let first = encoder.schema();
    let keep_alive = encoder.empty().map_err(status::internal);
    let producer = Producer {
        encoder,
        schema,
        limits: Arc::clone(limits),
        queue: sender,
        waiting: Vec::new(),
        waiting_bytes: 0,
        rows,
    };
    let task = threads.spawn(produce(producer, source, ends));
    let messages = Messages {
        receiver,
        keep_alive,
        interval: limits.keep_alive_interval,
        _task: task,
    };
    futures::stream::iter([Ok(first)]).chain(messages.into_stream()).boxed()
}

/// What passes through the queue.
enum Message {
    Data(FlightData),
    Failed(Status),
    /// The query ended well. Without this the stream fails: a result cut short must not look whole.
    Complete,
}

struct Messages {
    receiver: mpsc::Receiver<Message>,
    keep_alive: Result<FlightData, Status>,
    interval: Duration,
    _task: Task<()>,
}

impl Messages {
    fn into_stream(self) -> impl Stream<Item = Result<FlightData, Status>> {
        futures::stream::unfold(Some(self), |state| async {
            let mut messages = state?;
            match tokio::time::timeout(messages.interval, messages.receiver.recv()).await {
                Err(_) => Some((messages.keep_alive.clone(), Some(messages))),
                Ok(Some(Message::Data(data))) => Some((Ok(data), Some(messages))),
                Ok(Some(Message::Failed(status))) => Some((Err(status), None)),
                Ok(Some(Message::Complete)) => None,
                Ok(None) => Some((Err(status::internal("a query ended without saying so")), None)),
            }
        })
    }
}

async fn produce(
    mut producer: Producer,
    source: impl Future<Output = Result<Batches, Status>> + Send + 'static,
    ends: Ends,
) {
    let queue = producer.queue.clone();
    let result = tokio::select! {
        result = producer.run(source) => result,
        () = ends.cancel.cancelled() => Err(Status::cancelled("the statement was cancelled")),
        () = ends.stopping.cancelled() => Err(Status::unavailable("the node is stopping")),
        () = queue.closed() => return,
    };
    let last = match result {
        Ok(()) => Message::Complete,
        Err(status) => Message::Failed(status),
    };
    // fails if the client went away
    let _ = queue.send(last).await;
}

struct Producer {
    encoder: wire::Encoder,
    schema: SchemaRef,
    limits: Arc<Limits>,
    queue: mpsc::Sender<Message>,
    /// Batches that wait for more rows to travel in one message.
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    rows: RowCount,
}

impl Producer {
    async fn run(&mut self, source: impl Future<Output = Result<Batches, Status>>) -> Result<(), Status> {
        let mut batches = source.await?;
        loop {
            let next = batches.next();
            let next = match self.waiting.is_empty() {
                true => next.await,
                false => match tokio::time::timeout(self.limits.coalesce_wait, next).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.flush().await?;
                        continue;
                    }
                },
            };
            match next {
                Some(batch) => self.take(batch?).await?,
                None => return self.flush().await,
            }
        }
    }

    async fn take(&mut self, batch: RecordBatch) -> Result<(), Status> {
        let target = self.limits.response_bytes_target;
        let (mut raw, mut pieces) = (Vec::new(), Vec::new());
        // cut before conforming too: what is a small dictionary here may be a large column there
        wire::split(batch, target.saturating_mul(8), &mut raw);
        for batch in raw {
            let batch = wire::conform(&batch, &self.schema).map_err(misfit)?;
            wire::split(batch, target, &mut pieces);
        }
        for piece in pieces {
            let bytes = wire::sliced_bytes(&piece);
            if bytes > self.limits.response_bytes_max {
                let max = self.limits.response_bytes_max;
                return Err(Status::out_of_range(format!(
                    "one row takes {bytes} bytes, messages hold at most {max}"
                )));
            }
            if self.waiting_bytes + bytes > target {
                self.flush().await?;
            }
            self.waiting.push(piece);
            self.waiting_bytes += bytes;
        }
        if self.waiting_bytes * 2 > target {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Status> {
        self.waiting_bytes = 0;
        let batch = match &mut self.waiting[..] {
            [] => return Ok(()),
            [batch] => batch.clone(),
            batches => concat_batches(&self.schema, batches.iter()).map_err(status::internal)?,
        };
        self.waiting.clear();
        let message = Message::Data(self.encoder.batch(&batch).map_err(status::internal)?);
        match tokio::time::timeout(self.limits.reader_idle_max, self.queue.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Status::cancelled("the client went away")),
            Err(_) => return Err(Status::deadline_exceeded("the client stopped reading the result")),
        }
        self.rows.add(batch.num_rows());
        Ok(())
    }
}

fn misfit(error: ArrowError) -> Status {
    match error {
        ArrowError::InvalidArgumentError(message) => {
            status::internal(format!("a batch does not fit the schema announced for it: {message}"))
        }
        other => status::internal(other),
    }
}

#[cfg(test)]
mod tests;
