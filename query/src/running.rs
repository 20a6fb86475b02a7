//! A query as it runs: a task of its own, a few batches ahead of its reader.
//!
//! The task owns the slot and the operators. It ends with the last row, with an error, with the deadline, or when the
//! reader drops the stream, whichever comes first; in every case the operators are dropped, and with them their memory
//! and their spilled files. The deadline holds although nobody reads: a reader that has fallen asleep keeps no slot.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, RecordBatchStream, SendableRecordBatchStream, execute_stream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use crate::Error;
use crate::admission::Permit;
use crate::deadline::Deadline;

/// Batches that a query may be ahead of its reader.
const BATCHES_AHEAD_MAX: usize = 2;

enum Message {
    Batch(DataFusionResult<RecordBatch>),
    /// The last row has been sent: a channel that closes without it has lost something.
    End,
}

/// Starts a plan and streams its rows.
pub(crate) fn run(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    deadline: Deadline,
    permit: Permit,
) -> SendableRecordBatchStream {
    let schema = plan.schema();
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
    let task = tokio::spawn(async move {
        let late = timeout_at(deadline.at(), produce(plan, context, &sender))
            .await
            .is_err();
        drop(permit);
        if late {
            // the reader is gone where this fails
            let _ = sender.send(Message::Batch(Err(deadline.error().into()))).await;
        }
    });
    Box::pin(Running {
        schema,
        receiver,
        task,
        ended: false,
    })
}

async fn produce(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, sender: &mpsc::Sender<Message>) {
    let mut stream = match execute_stream(plan, context) {
        Ok(stream) => stream,
        Err(error) => {
            let _ = sender.send(Message::Batch(Err(error))).await;
            return;
        }
    };
    while let Some(batch) = stream.next().await {
        let failed = batch.is_err();
        if sender.send(Message::Batch(batch)).await.is_err() || failed {
            return;
        }
    }
    let _ = sender.send(Message::End).await;
}

struct Running {
    schema: SchemaRef,
    receiver: mpsc::Receiver<Message>,
    task: JoinHandle<()>,
    ended: bool,
}

impl Stream for Running {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.receiver.poll_recv(context)) {
            Some(Message::Batch(batch)) => {
                self.ended = batch.is_err();
                Poll::Ready(Some(batch))
            }
            Some(Message::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            None => {
                let outcome = ready!(self.task.poll_unpin(context));
                self.ended = true;
                Poll::Ready(Some(Err(cut_short(outcome))))
            }
        }
    }
}

fn cut_short(outcome: Result<(), tokio::task::JoinError>) -> DataFusionError {
    match outcome {
        Err(error) if error.is_cancelled() => Error::Cancelled.into(),
        Err(error) => {
            tracing::error!(%error, "a query panicked");
            Error::internal("the query broke off").into()
        }
        Ok(()) => Error::internal("the query ended without its last row").into(),
    }
}

impl RecordBatchStream for Running {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
