//! How many statements run at a time, and how many wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Limits};

/// Hands out the slots in which statements run, first come first served.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    running_max: usize,
    waiting_max: usize,
}

/// A slot, held for as long as the statement runs.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let running_max = limits.concurrent_statements_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(running_max)),
            waiting: AtomicUsize::new(0),
            running_max,
            waiting_max: limits.waiting_statements_max,
        }
    }

    /// Waits for a slot, or fails at once where too many wait already.
    pub(crate) async fn admit(&self) -> Result<Permit, Error> {
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _queued = Queued::enter(&self.waiting, self.waiting_max).ok_or(Error::Busy {
            running: self.running_max,
            waiting: self.waiting_max,
        })?;
        self.slots.clone().acquire_owned().await.map_err(|_| Error::Cancelled)
    }
}

/// A place in the queue; given up when dropped, also by a client that goes away.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let enter = |now: usize| (now < max).then_some(now + 1);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter)
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_queue_is_first_come_first_served_and_has_an_end() {
        let limits = Limits {
            concurrent_statements_max: 1,
            waiting_statements_max: 1,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let first = admission.admit().await.unwrap();
        let mut second = Box::pin(admission.admit());
        assert!(second.as_mut().now_or_never().is_none());
        let refused = admission.admit().await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "1 statements are running and 1 are waiting: try again later"
        );
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        drop(second);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_the_queue() {
        let limits = Limits {
            concurrent_statements_max: 1,
            waiting_statements_max: 1,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let _running = admission.admit().await.unwrap();
        let mut gone = Box::pin(admission.admit());
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }
}
