//! Counts rows as they pass, so that a bar can move while they are being sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};

use crate::progress::Progress;

/// How often the bar moves.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many rows have passed, in all streams that it counts.
#[derive(Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// The same batches, counted.
    pub(super) fn counting<S, E>(&self, batches: S) -> impl Stream<Item = Result<RecordBatch, E>> + use<S, E>
    where
        S: Stream<Item = Result<RecordBatch, E>>,
    {
        let passed = self.0.clone();
        batches.inspect(move |batch| {
            if let Ok(batch) = batch {
                passed.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            }
        })
    }

    /// Waits for the work and keeps the progress up to date meanwhile.
    pub(super) async fn watch<T>(&self, work: impl Future<Output = T>, progress: &mut Progress) -> T {
        let mut shown = 0;
        let mut ticks = tokio::time::interval(INTERVAL);
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                _ = ticks.tick() => {
                    let passed = self.0.load(Ordering::Relaxed);
                    progress.advance(passed - shown);
                    shown = passed;
                }
            }
        }
    }
}
