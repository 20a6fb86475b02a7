//! Ends a write that is still producing its rows; one that has begun to commit runs to its end.
//!
//! A commit that is cut off halfway would be repaired by recovery, but nobody could tell the client what became of it.
//! So a write runs in a task of its own, and a deadline or a client that goes away reaches it only through its rows.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::Error;
use crate::deadline::Deadline;

/// Says whether a write must stop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stop {
    deadline: Deadline,
    abandoned: Shared<BoxFuture<'static, ()>>,
    /// Why the rows ended early, kept whole: deltalake turns the errors of its input into text.
    failure: Arc<Mutex<Option<Error>>>,
}

/// Held by whoever waits for the write; dropping it abandons the write.
#[derive(Debug)]
pub(crate) struct Waiting(#[expect(dead_code, reason = "only its drop matters")] oneshot::Sender<()>);

impl Stop {
    pub(crate) fn new(deadline: Deadline) -> (Self, Waiting) {
        let (sender, receiver) = oneshot::channel();
        let abandoned = receiver.map(|_| ()).boxed().shared();
        let stop = Self {
            deadline,
            abandoned,
            failure: Arc::default(),
        };
        (stop, Waiting(sender))
    }

    /// Resolves when the write must stop, with the reason.
    async fn reason(self) -> Error {
        tokio::select! {
            () = self.abandoned => Error::Cancelled,
            () = tokio::time::sleep_until(self.deadline.at()) => self.deadline.error(),
        }
    }

    /// Does some work that comes before the commit.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = work => result,
            reason = self.clone().reason() => Err(reason),
        }
    }

    /// Keeps the error that ended the rows; the first one counts.
    pub(crate) fn fail(&self, error: &Error) {
        self.failure.lock().get_or_insert_with(|| error.clone());
    }

    /// What ended the rows, if anything did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.lock().clone()
    }

    /// The same rows, ending in an error once the write must stop.
    pub(crate) fn guard(&self, rows: SendableRecordBatchStream) -> Guarded {
        Guarded {
            rows: Some(rows),
            reason: self.clone().reason().boxed(),
        }
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stop({:?})", self.deadline)
    }
}

/// See [`Stop::guard`].
pub(crate) struct Guarded {
    /// Dropped, and all its operators with it, as soon as the write must stop.
    rows: Option<SendableRecordBatchStream>,
    reason: BoxFuture<'static, Error>,
}

impl Stream for Guarded {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rows.is_none() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(reason) = self.reason.poll_unpin(context) {
            self.rows = None;
            return Poll::Ready(Some(Err(reason.into())));
        }
        match &mut self.rows {
            Some(rows) => rows.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }
}
