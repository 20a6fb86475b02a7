//! The network between replicas: it loses, doubles, delays and reorders, and parts of it go dark for a while.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::report::Report;
use crate::rng::Rng;

/// Bytes of the longest message that passes: raft packs up to 1 MiB of entries into one, and one entry of at most that again. The
/// transport lets more through, for raft snapshots of ledgers that have changed often, which this one never does.
const MESSAGE_BYTES_MAX: usize = (2 << 20) + (64 << 10);

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) message: Bytes,
}

/// How bad the network is; chances in ten thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) doubling: u64,
    pub(crate) delay_max: u64,
    /// Of a message that comes very late.
    pub(crate) straggler: u64,
}

impl Weather {
    pub(crate) const CALM: Self = Self {
        loss: 0,
        doubling: 0,
        delay_max: 2,
        straggler: 0,
    };
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    queue: BTreeMap<(u64, u64), Envelope>,
    sent: u64,
    /// Directions in which nothing passes.
    cut: BTreeSet<(u64, u64)>,
    /// Bytes of the longest message that passes.
    pub(crate) message_bytes_max: usize,
}

impl Network {
    pub(crate) fn new(weather: Weather) -> Self {
        Self {
            weather,
            queue: BTreeMap::new(),
            sent: 0,
            cut: BTreeSet::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }

    /// Takes a message that leaves its sender at `at`.
    pub(crate) fn send(&mut self, envelope: Envelope, at: u64, rng: &mut Rng, report: &mut Report) {
        // as the transport does: its sender drops what is too long
        if envelope.message.len() > self.message_bytes_max {
            report.messages_too_long += 1;
            return;
        }
        if rng.chance(self.weather.loss) {
            report.messages_lost += 1;
            return;
        }
        let copies = 1 + u64::from(rng.chance(self.weather.doubling));
        report.messages_doubled += copies - 1;
        for _ in 0..copies {
            let mut delay = rng.between(1, self.weather.delay_max);
            if rng.chance(self.weather.straggler) {
                delay += rng.between(50, 600);
                report.messages_late += 1;
            }
            self.queue_at(at + delay, envelope.clone());
        }
    }

    fn queue_at(&mut self, at: u64, envelope: Envelope) {
        self.sent += 1;
        self.queue.insert((at, self.sent), envelope);
    }

    /// Messages that arrive by `now`, in order.
    pub(crate) fn arrive(&mut self, now: u64, report: &mut Report) -> Vec<Envelope> {
        let mut arrived = Vec::new();
        while let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= now) {
            let envelope = first.remove();
            if self.cut.contains(&(envelope.from, envelope.to)) {
                report.messages_cut += 1;
            } else {
                arrived.push(envelope);
            }
        }
        arrived
    }

    /// Gives a message to somebody who sleeps until `at`.
    pub(crate) fn keep(&mut self, envelope: Envelope, at: u64) {
        self.queue_at(at, envelope);
    }

    /// Cuts what leads from one side to the other, and back where `both_ways`.
    pub(crate) fn cut(&mut self, side: &[u64], others: &[u64], both_ways: bool) {
        for &one in side {
            for &other in others {
                self.cut.insert((one, other));
                if both_ways {
                    self.cut.insert((other, one));
                }
            }
        }
    }

    pub(crate) fn is_cut(&self, from: u64, to: u64) -> bool {
        self.cut.contains(&(from, to))
    }

    pub(crate) fn is_parted(&self) -> bool {
        !self.cut.is_empty()
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }
}
