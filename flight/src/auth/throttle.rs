//! Pauses after failed logins.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Failed logins that cost nothing.
pub(crate) const FREE_FAILURES: u32 = 5;
/// Pause after the first failure beyond those; each further one doubles it.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Failed logins of one address, whatever the users, that cost nothing.
pub(crate) const ADDRESS_FREE_FAILURES: u32 = 30;
/// Pause after each failure of an address beyond those. It does not grow: others may sit behind the same address.
pub(crate) const ADDRESS_PAUSE: Duration = Duration::from_secs(1);
/// Failures are forgotten after this time without a new one.
const FORGET_AFTER: Duration = Duration::from_secs(900);
/// Pairs of address and user remembered; beyond this the oldest are forgotten.
const ENTRIES_MAX: usize = 10_000;

/// Counts failures per address and user, so that one client's wrong password locks out neither other clients nor other
/// users; and per address, so that nobody gets around that with ever new names, each of which costs a verification.
/// Whether a user exists makes no difference.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<(IpAddr, Option<String>), Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn pause_of_user(self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => FIRST_PAUSE.saturating_mul(1 << (beyond - 1).min(16)).min(LONGEST_PAUSE),
        }
    }

    fn pause_of_address(self) -> Duration {
        match self.count > ADDRESS_FREE_FAILURES {
            true => ADDRESS_PAUSE,
            false => Duration::ZERO,
        }
    }
}

impl Throttle {
    /// How long this address has to wait before it may try this user again; `None` if it may now.
    pub(crate) fn wait(&self, address: IpAddr, user: &str, now: Instant) -> Option<Duration> {
        let all = self.failures.lock();
        let until = |user: Option<String>, pause: fn(Failures) -> Duration| {
            let failures = *all.get(&(address, user))?;
            Some(failures.last + pause(failures))
        };
        let of_user = until(Some(user.to_owned()), Failures::pause_of_user);
        let until = of_user.max(until(None, Failures::pause_of_address))?;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Remembers a failure.
    pub(crate) fn failed(&self, address: IpAddr, user: &str, now: Instant) {
        let mut all = self.failures.lock();
        for user in [Some(user.to_owned()), None] {
            Self::count(&mut all, (address, user), now);
        }
    }

    fn count(all: &mut HashMap<(IpAddr, Option<String>), Failures>, key: (IpAddr, Option<String>), now: Instant) {
        if all.len() >= ENTRIES_MAX {
            all.retain(|_, failures| now.duration_since(failures.last) < FORGET_AFTER);
        }
        if all.len() >= ENTRIES_MAX {
            let oldest = all.iter().min_by_key(|(_, failures)| failures.last);
            oldest.map(|(key, _)| key.clone()).map(|key| all.remove(&key));
        }
        let entry = all.entry(key).or_insert(Failures { count: 0, last: now });
        let forgotten = now.duration_since(entry.last) >= FORGET_AFTER;
        *entry = Failures {
            count: if forgotten { 1 } else { entry.count.saturating_add(1) },
            last: now,
        };
    }

    /// Forgets the failures of an address and user that now logged in; the address's own count stays, or one known
    /// password would buy endless guesses.
    pub(crate) fn succeeded(&self, address: IpAddr, user: &str) {
        self.failures.lock().remove(&(address, Some(user.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_sixth_failure_starts_pauses_that_double_up_to_the_longest() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.wait(A, "admin", now), None);
            throttle.failed(A, "admin", now);
        }
        assert_eq!(throttle.wait(A, "admin", now), None);
        for expected_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.failed(A, "admin", now);
            assert_eq!(throttle.wait(A, "admin", now), Some(Duration::from_secs(expected_s)));
        }
        assert_eq!(throttle.wait(A, "admin", now + LONGEST_PAUSE), None, "the pause ends");
    }

    #[test]
    fn others_are_not_locked_out_and_a_login_forgets() {
        let throttle = Throttle::default();
        let now = Instant::now();
        (0..10).for_each(|_| throttle.failed(A, "admin", now));
        assert_eq!(throttle.wait(B, "admin", now), None);
        assert_eq!(throttle.wait(A, "ann", now), None);
        throttle.succeeded(A, "admin");
        assert_eq!(throttle.wait(A, "admin", now), None);
    }

    #[test]
    fn ever_new_names_slow_their_address_down_to_a_steady_pause() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for i in 0..=ADDRESS_FREE_FAILURES {
            assert_eq!(throttle.wait(A, "ann", now), None, "after {i} failures");
            throttle.failed(A, &format!("user{i}"), now);
        }
        throttle.succeeded(A, "ann");
        for _ in 0..10 {
            assert_eq!(throttle.wait(A, "somebody new", now), Some(ADDRESS_PAUSE));
            throttle.failed(A, "somebody else", now);
        }
        assert_eq!(throttle.wait(B, "ann", now), None);
        assert_eq!(throttle.wait(A, "ann", now + ADDRESS_PAUSE), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        (0..ENTRIES_MAX + 10).for_each(|i| throttle.failed(A, &format!("user{i}"), now));
        assert!(throttle.failures.lock().len() <= ENTRIES_MAX);
    }
}
