//! The threads on which queries run, apart from those of the network.
//!
//! DataFusion's operators compute for long stretches without yielding. On the threads of the network they would delay
//! every other client's pings, logins and small answers.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use dab_ledger::http::Part;
use tokio::{runtime::Runtime, task::JoinHandle};
use tonic::Status;
use tracing::Instrument;

use crate::Error;

/// Threads for queries and commits. As a part of the node they are well when one of them finds time for the question.
#[derive(Debug)]
pub struct QueryThreads {
    runtime: Option<Runtime>,
}

impl QueryThreads {
    /// Starts `threads` threads.
    pub fn start(threads: usize) -> Result<Arc<Self>, Error> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(threads.max(1))
            .thread_name("dab-query")
            .thread_stack_size(dab_query::STACK_BYTES)
            .enable_all()
            .build();
        Ok(Arc::new(Self {
            runtime: Some(runtime.map_err(Error::Threads)?),
        }))
    }

    /// Starts work that ends when the returned task is dropped.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let runtime = self.runtime.as_ref().expect("there until dropped");
        Task(runtime.spawn(work.instrument(tracing::Span::current())))
    }

    /// Runs work that a caller who goes away interrupts.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let mut task = self.spawn(work);
        (&mut task.0).await.unwrap_or_else(|error| Err(ended(&error)))
    }
}

#[async_trait]
impl Part for QueryThreads {
    fn name(&self) -> &'static str {
        "query_threads"
    }

    async fn works(&self) -> bool {
        self.run(async { Ok(()) }).await.is_ok()
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // dropping a runtime waits for its threads, which must not happen on a thread of another one
            runtime.shutdown_background();
        }
    }
}

/// Running work; dropping it stops the work at its next pause.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ended(error: &tokio::task::JoinError) -> Status {
    if error.is_panic() {
        tracing::error!(%error, "a statement panicked");
        return Status::internal("internal error, the node's log has the details");
    }
    Status::unavailable("the node is stopping")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tonic::Code;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_work_alone() {
        let threads = QueryThreads::start(1).unwrap();
        let result: Result<(), _> = threads.run(async { panic!("the test's own panic") }).await;
        assert_eq!(result.unwrap_err().code(), Code::Internal);
        assert_eq!(threads.run(async { Ok(1) }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn they_are_well_when_one_of_them_has_time() {
        let threads = QueryThreads::start(1).unwrap();
        assert!(threads.works().await);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = threads.spawn(async move { held.recv() });
        let asked = tokio::time::timeout(Duration::from_millis(50), threads.works());
        assert!(asked.await.is_err(), "the only thread is held");
        release.send(()).unwrap();
        assert!(threads.works().await);
        drop(busy);
    }

    #[tokio::test]
    async fn abandoned_work_stops() {
        let threads = QueryThreads::start(1).unwrap();
        let (held, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
        let abandoned = threads.run(async move {
            let _held = held;
            std::future::pending::<Result<(), Status>>().await
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(10), abandoned)
                .await
                .is_err()
        );
        assert_eq!(dropped.recv().await, None);
    }
}
