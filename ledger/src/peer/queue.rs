//! Messages that wait for one peer.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::limits::PeerLimits;

/// A queue that many fill without ever waiting and one empties.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Queue {
    pub(super) fn new(limits: &PeerLimits) -> Self {
        Self {
            waiting: Mutex::default(),
            filled: Notify::new(),
            messages_max: limits.queued_max,
            bytes_max: limits.queued_bytes_max,
        }
    }

    /// Adds a message; `false` when there is no room for it.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut waiting = self.waiting.lock();
        let bytes = waiting.bytes.saturating_add(message.len());
        if waiting.messages.len() >= self.messages_max || bytes > self.bytes_max {
            return false;
        }
        waiting.bytes = bytes;
        waiting.messages.push_back(message);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// Takes the oldest messages, up to the first with which they have `bytes_target` bytes.
    pub(super) fn take(&self, bytes_target: usize) -> Vec<Bytes> {
        let mut waiting = self.waiting.lock();
        let mut bytes = 0;
        let enough = waiting.messages.iter().position(|message| {
            bytes += message.len();
            bytes >= bytes_target
        });
        let count = enough.map_or(waiting.messages.len(), |last| last + 1);
        waiting.bytes -= waiting.messages.iter().take(count).map(Bytes::len).sum::<usize>();
        waiting.messages.drain(..count).collect()
    }

    /// Waits until there is a message.
    pub(super) async fn filled(&self) {
        while self.queued().messages == 0 {
            self.filled.notified().await;
        }
    }

    /// Drops everything; how many messages that were.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *self.waiting.lock()).messages.len()
    }

    pub(super) fn queued(&self) -> Queued {
        let waiting = self.waiting.lock();
        Queued {
            messages: waiting.messages.len(),
            bytes: waiting.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queued_max: usize, queued_bytes_max: usize) -> Queue {
        Queue::new(&PeerLimits {
            queued_max,
            queued_bytes_max,
            ..PeerLimits::default()
        })
    }

    fn message(byte: u8, bytes: usize) -> Bytes {
        Bytes::from(vec![byte; bytes])
    }

    #[test]
    fn neither_more_messages_nor_more_bytes_than_the_limits_wait() {
        let few = queue(2, 100);
        assert!(few.push(message(1, 0)) && few.push(message(2, 0)));
        assert!(!few.push(message(3, 0)));
        let small = queue(100, 10);
        assert!(small.push(message(1, 6)));
        assert!(!small.push(message(2, 5)), "beyond the limit");
        assert!(small.push(message(3, 4)), "up to the limit");
        assert_eq!(small.queued(), Queued { messages: 2, bytes: 10 });
        assert_eq!(small.take(usize::MAX), [message(1, 6), message(3, 4)]);
        assert!(small.push(message(4, 10)), "room is given back");
        assert_eq!(small.clear(), 1);
        assert_eq!(small.queued(), Queued::default());
    }

    #[test]
    fn messages_are_taken_in_order_and_at_least_one_at_a_time() {
        let queue = queue(100, 100);
        for byte in 1..=4 {
            assert!(queue.push(message(byte, 10)));
        }
        assert_eq!(queue.take(1), [message(1, 10)]);
        assert_eq!(queue.take(20), [message(2, 10), message(3, 10)]);
        assert_eq!(queue.take(20), [message(4, 10)]);
        assert!(queue.take(20).is_empty());
    }

    #[tokio::test]
    async fn whoever_empties_the_queue_is_woken() {
        let queue = std::sync::Arc::new(queue(100, 100));
        let waiting = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { queue.filled().await }
        });
        tokio::task::yield_now().await;
        assert!(queue.push(message(1, 1)));
        waiting.await.unwrap();
    }
}
