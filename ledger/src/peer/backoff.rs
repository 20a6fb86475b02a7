//! Pauses between attempts to connect.

use std::time::Duration;

use super::limits::PeerLimits;

/// Pauses that double up to a limit. Chance shortens each by up to a half, so that replicas which lost each other at one
/// moment do not all come back at one moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    min: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(limits: &PeerLimits) -> Self {
        let (min, max) = (limits.reconnect_pause_min, limits.reconnect_pause_max);
        Self { next: min, min, max }
    }

    /// Begins anew: the last attempt succeeded.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.max);
        self.next = pause.saturating_mul(2);
        // without chance the pauses are merely equal
        let chance = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        pause.mul_f64(1.0 - chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_anew() {
        let limits = PeerLimits::default();
        let mut backoff = Backoff::new(&limits);
        for _ in 0..2 {
            let mut expected = limits.reconnect_pause_min;
            for _ in 0..100 {
                let pause = backoff.pause();
                assert!(pause <= expected && pause >= expected / 2, "{pause:?} for {expected:?}");
                expected = (expected * 2).min(limits.reconnect_pause_max);
            }
            backoff.reset();
        }
    }
}
