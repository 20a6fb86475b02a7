//! Handshakes under way: with whom, nobody knows yet. Only so many are, and a flood of them is the flood's own loss.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::task::Task;

/// The handshakes under way. Dropping them ends them.
#[derive(Debug)]
pub(super) struct Handshakes {
    /// The oldest first.
    running: VecDeque<(Network, Task)>,
    running_max: usize,
}

impl Handshakes {
    pub(super) fn new(running_max: usize) -> Self {
        let running = VecDeque::new();
        Self { running, running_max }
    }

    /// Starts another one. Where that is one too many, it ends the oldest of the network that has most: whoever makes
    /// them faster than they end pushes out their own, and nobody else's.
    pub(super) fn add(&mut self, from: IpAddr, start: impl FnOnce() -> Task) {
        let from = Network::of(from);
        self.running.retain(|(_, handshake)| !handshake.is_finished());
        if self.running.len() >= self.running_max {
            tracing::debug!(?from, "too many handshakes, one was ended");
            self.running.remove(self.surplus(from));
        }
        self.running.push_back((from, start()));
    }

    /// The place of the oldest one of the network that has most, counting the one that comes.
    fn surplus(&self, coming: Network) -> usize {
        let networks = || self.running.iter().map(|(network, _)| *network);
        let count = |network| networks().chain([coming]).filter(|other| *other == network).count();
        let most = networks().map(count).max();
        networks().position(|network| Some(count(network)) == most).unwrap_or(0)
    }
}

/// Those who count as one: an IPv4 address, or the 64 bits of an IPv6 address that a provider gives to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network(u64);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // no network of IPv6 is below 2^32: its first bits are not zero but for the loopback's
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;

    fn idle() -> Task {
        Task::spawn(&Handle::current(), std::future::pending())
    }

    fn add(handshakes: &mut Handshakes, from: &str) {
        handshakes.add(from.parse().unwrap(), idle);
    }

    fn running(handshakes: &Handshakes, from: &str) -> usize {
        let network = Network::of(from.parse().unwrap());
        handshakes.running.iter().filter(|(other, _)| *other == network).count()
    }

    #[tokio::test]
    async fn a_flood_pushes_out_its_own_and_nobody_elses() {
        for (flood, peer) in [
            ("203.0.113.9", "192.0.2.1"),
            ("::ffff:203.0.113.9", "203.0.113.8"),
            ("2001:db8::1", "2001:db8:0:1::1"),
        ] {
            let mut handshakes = Handshakes::new(4);
            for _ in 0..10 {
                add(&mut handshakes, flood);
            }
            add(&mut handshakes, peer);
            for _ in 0..10 {
                add(&mut handshakes, flood);
            }
            assert_eq!(
                (running(&handshakes, flood), running(&handshakes, peer)),
                (3, 1),
                "{flood}"
            );
        }
    }

    #[tokio::test]
    async fn of_equals_the_oldest_goes_and_neighbours_are_one() {
        let mut handshakes = Handshakes::new(2);
        add(&mut handshakes, "192.0.2.1");
        add(&mut handshakes, "192.0.2.2");
        add(&mut handshakes, "192.0.2.3");
        assert_eq!(running(&handshakes, "192.0.2.1"), 0);
        assert_eq!(running(&handshakes, "2001:db8::1"), running(&handshakes, "2001:db8::2"));
        assert_eq!(
            Network::of("2001:db8::1".parse().unwrap()),
            Network::of("2001:db8::2".parse().unwrap())
        );
        assert_eq!(
            Network::of("::ffff:192.0.2.1".parse().unwrap()),
            Network::of("192.0.2.1".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn one_that_has_ended_makes_room_for_the_next() {
        let mut handshakes = Handshakes::new(2);
        add(&mut handshakes, "192.0.2.1");
        handshakes.add("192.0.2.2".parse().unwrap(), || {
            Task::spawn(&Handle::current(), async {})
        });
        while !handshakes.running[1].1.is_finished() {
            tokio::task::yield_now().await;
        }
        add(&mut handshakes, "192.0.2.3");
        assert_eq!(
            (running(&handshakes, "192.0.2.1"), running(&handshakes, "192.0.2.3")),
            (1, 1)
        );
    }
}
