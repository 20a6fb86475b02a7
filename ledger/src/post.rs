//! What the raft thread has to say to other replicas, on its way to their connections.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::peer::{PeerStatus, ReplicaId, Transport};

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
