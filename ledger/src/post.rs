//! What the raft thread has to say to other replicas, on its way to their connections.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::inbox::PeerInbox;
use crate::peer::{PeerStatus, ReplicaId, Transport};
use crate::raft_snapshot::incoming::Wanted;

/// The way out. A node that has no connections yet, or none at all, loses what is said: raft says it again.
#[derive(Default)]
pub(crate) struct Post {
    transport: RwLock<Option<Arc<Transport>>>,
}

impl Post {
    /// Sends from now on over these connections.
    pub(crate) fn open(&self, transport: Arc<Transport>) {
        *self.transport.write() = Some(transport);
    }

    /// Sends nothing from now on; gives back the connections.
    pub(crate) fn close(&self) -> Option<Arc<Transport>> {
        self.transport.write().take()
    }

    pub(crate) fn send(&self, to: u64, message: Bytes) {
        if let Some(transport) = &*self.transport.read() {
            // what does not fit is counted there
            let _ = transport.send(ReplicaId(to), message);
        }
    }

    /// Asks another replica for a file; the inbox is told what becomes of it.
    pub(crate) fn fetch(&self, wanted: Wanted, inbox: &Arc<PeerInbox>) {
        let Some(transport) = self.transport.read().clone() else {
            // it is asked for again
            return;
        };
        let inbox = Arc::clone(inbox);
        transport.clone().spawn(async move {
            let file = transport.read(ReplicaId(wanted.from), &wanted.path).await;
            let file = file.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot fetch what this replica lacks");
                None
            });
            inbox.fetched(wanted, file);
        });
    }

    /// How the others are doing, by id.
    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        self.transport
            .read()
            .as_ref()
            .map_or_else(Vec::new, |transport| transport.status())
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}
