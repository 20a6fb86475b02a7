//! Batches made on a thread of their own, a few ahead of whoever sends them.

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

/// Batches that wait to be sent.
const BATCHES_AHEAD_MAX: usize = 4;

/// The same batches, in the same order. A thread that panics ends them with an error: what it did not send is missing.
pub(super) fn ahead(
    batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD_MAX);
    let thread = tokio::task::spawn_blocking(move || {
        for batch in batches {
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    let broken = stream::once(thread).filter_map(|ended| std::future::ready(ended.err()));
    let broken = broken.map(|error| Err(DataFusionError::External(error.into())));
    stream::poll_fn(move |context| receiver.poll_recv(context)).chain(broken)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use futures::TryStreamExt;

    use super::*;

    fn batch() -> Result<RecordBatch> {
        Ok(RecordBatch::new_empty(Schema::empty().into()))
    }

    #[tokio::test]
    async fn all_that_was_made_arrives_and_a_panic_is_no_end() {
        let whole: Vec<_> = ahead((0..20).map(|_| batch())).try_collect().await.unwrap();
        assert_eq!(whole.len(), 20);
        let broken = ahead((0..20).map(|n| {
            if n < 10 {
                batch()
            } else {
                panic!("the test's own panic")
            }
        }));
        let arrived: Vec<_> = broken.collect().await;
        assert_eq!(arrived.iter().filter(|batch| batch.is_ok()).count(), 10);
        assert!(arrived.last().is_some_and(Result::is_err));
    }
}
