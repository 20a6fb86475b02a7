//! The wall clock, injected at the edge. Nothing safety-relevant depends on it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that a time of somebody else may be ahead of the clock: one beyond that was taken from a clock that is wrong, and
/// says nothing.
pub(crate) const AHEAD_S_MAX: u64 = 600;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Milliseconds since 1970-01-01 UTC.
    fn unix_ms(&self) -> u64;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
