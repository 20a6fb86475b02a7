//! What other replicas send, on its way to the raft thread.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::peer::{Inbox, ReplicaId};
use crate::pool::Pool;
use crate::raft_snapshot::incoming::Wanted;

/// Messages of one replica that may wait. A round takes them all, so many wait only while the disk is slow; and one that
/// floods does not take the others' places.
const WAITING_MAX: usize = 1024;
/// Bytes of them.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// What arrived, in order.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message {
        from: u64,
        message: Bytes,
    },
    /// What was sent there may be lost.
    Unreachable {
        to: u64,
    },
    /// A file that was wanted, or that it could not be had.
    Fetched {
        wanted: Wanted,
        file: Option<Bytes>,
    },
}

/// The queue between the connections, which never wait for it, and the raft thread, which empties it in each round. It
/// is not the clients' queue: a crowd of clients shall not keep replicas from agreeing.
#[derive(Debug)]
pub(crate) struct PeerInbox {
    waiting: Mutex<Waiting>,
    pool: Pool,
}

#[derive(Debug, Default)]
struct Waiting {
    arrivals: Vec<Arrival>,
    /// How many of them are of each replica, and their bytes.
    taken: BTreeMap<u64, (usize, usize)>,
}

impl PeerInbox {
    /// An inbox whose owner takes commands from `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            waiting: Mutex::default(),
            pool,
        }
    }

    /// All that has arrived.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.waiting.lock()).arrivals
    }

    /// Takes what was wanted of another replica, which was asked for one file at a time.
    pub(crate) fn fetched(&self, wanted: Wanted, file: Option<Bytes>) {
        let from = ReplicaId(wanted.from);
        self.put(from, Arrival::Fetched { wanted, file }, 0);
    }

    /// Has the owner look at once.
    pub(crate) fn wake(&self) {
        self.pool.wake();
    }

    fn put(&self, of: ReplicaId, arrival: Arrival, size: usize) {
        let mut waiting = self.waiting.lock();
        let (count, bytes) = waiting.taken.entry(of.0).or_default();
        // full is full: raft sends again what matters
        if *count == WAITING_MAX || *bytes + size > WAITING_BYTES_MAX {
            return;
        }
        *count += 1;
        *bytes += size;
        waiting.arrivals.push(arrival);
        if waiting.arrivals.len() == 1 {
            self.pool.wake();
        }
    }
}

impl Inbox for PeerInbox {
    fn receive(&self, from: ReplicaId, message: Bytes) {
        let bytes = message.len();
        self.put(from, Arrival::Message { from: from.0, message }, bytes);
    }

    fn unreachable(&self, to: ReplicaId) {
        self.put(to, Arrival::Unreachable { to: to.0 }, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Command;

    #[test]
    fn the_owner_is_woken_once_and_takes_what_came_in_order() {
        let (pool, commands) = Pool::new(4);
        let inbox = PeerInbox::new(pool);
        for n in 1..=3 {
            inbox.receive(ReplicaId(n), Bytes::from(vec![0; n as usize]));
        }
        inbox.unreachable(ReplicaId(2));
        assert!(matches!(commands.try_recv(), Ok(Command::Wake)));
        assert!(commands.try_recv().is_err(), "woken twice");
        let taken = inbox.take();
        let from = |arrival: &Arrival| match arrival {
            Arrival::Message { from, message } => (*from, message.len()),
            Arrival::Unreachable { to } => (*to, 0),
            Arrival::Fetched { wanted, .. } => (wanted.from, 0),
        };
        assert_eq!(
            taken.iter().map(from).collect::<Vec<_>>(),
            [(1, 1), (2, 2), (3, 3), (2, 0)]
        );
        inbox.receive(ReplicaId(1), Bytes::new());
        assert!(matches!(commands.try_recv(), Ok(Command::Wake)), "not woken again");
    }

    #[test]
    fn a_flood_is_bounded_and_a_full_queue_of_commands_wakes_by_itself() {
        let (pool, commands) = Pool::new(1);
        let inbox = PeerInbox::new(pool.clone());
        pool.wake();
        let message = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..2 * WAITING_MAX {
            inbox.receive(ReplicaId(1), message.clone());
        }
        assert_eq!(inbox.take().len(), WAITING_BYTES_MAX >> 20);
        for _ in 0..2 * WAITING_MAX {
            inbox.receive(ReplicaId(1), Bytes::new());
        }
        // another one still has its places
        inbox.receive(ReplicaId(2), Bytes::new());
        assert_eq!(inbox.take().len(), WAITING_MAX + 1);
        assert!(matches!(commands.try_recv(), Ok(Command::Wake)));
    }
}
