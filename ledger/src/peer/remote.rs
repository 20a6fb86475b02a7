//! What this replica holds of one peer: the queue towards it, how it is doing, and the connection for its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::ended::Ended;
use super::limits::PeerLimits;
use super::queue::Queue;
use super::{Peer, ReplicaId};

/// How a peer is doing, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Its raft id.
    pub id: ReplicaId,
    /// Where it is looked for, `host:port`.
    pub address: String,
    /// Whether messages to it have a connection at the moment.
    pub connected: bool,
    /// Why they have none, or why they lost the last one.
    pub trouble: Option<String>,
    /// Time since anything came from it, over either connection; `None` when nothing ever did.
    pub heard_ago: Option<Duration>,
    /// Time that the last ping took to be answered.
    pub round_trip: Option<Duration>,
    /// Messages that wait to be written.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Messages that were never written to a connection: no room in the queue, too long, or the connection ended first.
    pub dropped: u64,
}

/// One peer, for as long as it is one under the same key and address.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) peer: Peer,
    pub(super) queue: Queue,
    /// The connection over which this replica asks for files, while nobody uses it.
    pub(super) files: tokio::sync::Mutex<Option<TlsStream<TcpStream>>>,
    /// Places for its reads at this replica's disk. Whoever connects anew does not get others while the old ones are taken.
    pub(super) reads: Arc<Semaphore>,
    message_bytes_max: usize,
    dropped: AtomicU64,
    pulse: Mutex<Pulse>,
    removed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Pulse {
    connected: bool,
    trouble: Option<String>,
    heard: Option<Instant>,
    round_trip: Option<Duration>,
}

impl Remote {
    pub(super) fn new(peer: Peer, limits: &PeerLimits) -> Self {
        Self {
            peer,
            queue: Queue::new(limits),
            files: tokio::sync::Mutex::default(),
            reads: Arc::new(Semaphore::new(limits.file_connections_max)),
            message_bytes_max: limits.message_bytes_max,
            dropped: AtomicU64::new(0),
            pulse: Mutex::default(),
            removed: watch::Sender::new(false),
        }
    }

    /// Queues a message, or drops it and counts it.
    pub(super) fn send(&self, message: Bytes) -> bool {
        let sent = message.len() <= self.message_bytes_max && self.queue.push(message);
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    pub(super) fn heard(&self) {
        self.pulse.lock().heard = Some(Instant::now());
    }

    pub(super) fn answered_after(&self, round_trip: Duration) {
        self.pulse.lock().round_trip = Some(round_trip);
    }

    pub(super) fn connected(&self) {
        let mut pulse = self.pulse.lock();
        (pulse.connected, pulse.trouble) = (true, None);
        drop(pulse);
        tracing::info!(peer = %self.peer.id, address = %self.peer.address, "connected to a peer");
    }

    /// Notes why messages have no connection, and drops those that wait: raft has newer ones by the time there is
    /// another connection.
    pub(super) fn disconnected(&self, ended: &Ended) {
        let trouble = ended.to_string();
        let mut pulse = self.pulse.lock();
        let is_news = pulse.connected || pulse.trouble.as_ref() != Some(&trouble);
        if is_news {
            tracing::warn!(peer = %self.peer.id, address = %self.peer.address, %trouble, "no connection to a peer");
        }
        (pulse.connected, pulse.trouble) = (false, Some(trouble));
        drop(pulse);
        self.dropped.fetch_add(self.queue.clear() as u64, Ordering::Relaxed);
    }

    pub(super) fn remove(&self) {
        self.removed.send_replace(true);
    }

    pub(super) fn is_removed(&self) -> bool {
        *self.removed.borrow()
    }

    /// Waits until this is no peer any more.
    pub(super) async fn removed(&self) {
        let mut removed = self.removed.subscribe();
        // the sender lives as long as self, so that waiting cannot fail
        let _ = removed.wait_for(|removed| *removed).await;
    }

    pub(super) fn status(&self) -> PeerStatus {
        let queued = self.queue.queued();
        let pulse = self.pulse.lock();
        PeerStatus {
            id: self.peer.id,
            address: self.peer.address.clone(),
            connected: pulse.connected,
            trouble: pulse.trouble.clone(),
            heard_ago: pulse.heard.map(|heard| heard.elapsed()),
            round_trip: pulse.round_trip,
            queued: queued.messages,
            queued_bytes: queued.bytes,
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}
