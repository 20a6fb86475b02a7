//! When a statement must have ended.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Error;

/// A point in time, and the limit from which it was reckoned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// That long from now.
    pub(crate) fn after(limit: Duration) -> Self {
        let now = Instant::now();
        // a limit too far away to be told as a time is as good as thirty years
        let at = now
            .checked_add(limit)
            .unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400));
        Self { at, limit }
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    pub(crate) fn error(&self) -> Error {
        Error::Timeout { limit: self.limit }
    }

    /// Awaits the work, but no longer than this.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match timeout_at(self.at, work).await {
            Ok(result) => result,
            Err(_) => Err(self.error()),
        }
    }
}
