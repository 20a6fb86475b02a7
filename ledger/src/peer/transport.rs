//! The transport: what a node starts, tells its membership, and sends messages through.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use dab_proof::note::KEY_NAME_BYTES_MAX;
use dab_proof::source::Source;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::accept::accept;
use super::files::fetch;
use super::limits::PeerLimits;
use super::remote::{PeerStatus, Remote};
use super::roster::Roster;
use super::sending::keep_sending;
use super::task::Task;
use super::tls::Tls;
use super::{Inbox, OwnReplica, Peer, ReplicaId};
use crate::Error;

/// The connections of one replica to its peers. Dropping it ends them.
///
/// Nothing here waits for a peer but [`Transport::read`]; the rest may be called from any thread, within a runtime or not.
pub struct Transport {
    parts: Arc<Parts>,
    address: SocketAddr,
    ended: watch::Receiver<bool>,
    _accepting: Task,
}

/// What the tasks of a transport share.
pub(super) struct Parts {
    pub(super) own: OwnReplica,
    pub(super) limits: PeerLimits,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) files: Arc<dyn Source + Send + Sync>,
    /// Places for reading a file from the disk: a read cannot be cancelled, however long it hangs.
    pub(super) file_reads: Arc<Semaphore>,
    pub(super) tls: Tls,
    pub(super) roster: Arc<Roster>,
    runtime: Handle,
}

impl Parts {
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Task {
        Task::spawn(&self.runtime, future)
    }
}

impl Transport {
    /// Accepts connections over `listener` from now on; there are no peers yet. Everything ends when `shutdown` does.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] when the origin is too long to be one, TLS cannot be set up or the listener has no address.
    pub async fn start(
        own: OwnReplica,
        listener: TcpListener,
        inbox: Arc<dyn Inbox>,
        files: Arc<dyn Source + Send + Sync>,
        limits: PeerLimits,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let limits = limits.made_sense_of();
        if own.origin.len() > KEY_NAME_BYTES_MAX {
            return Err(Error::peer(own.id.0, "the origin is longer than a key's name may be"));
        }
        let address = listener.local_addr().map_err(|error| Error::peer(own.id.0, error))?;
        let roster = Arc::new(Roster::new(&own, limits.file_connections_max));
        let tls = Tls::new(own.identity.clone(), roster.clone()).map_err(|error| Error::peer(own.id.0, error))?;
        let parts = Arc::new(Parts {
            own,
            inbox,
            files,
            file_reads: Arc::new(Semaphore::new(limits.file_reads_max)),
            limits,
            tls,
            roster,
            runtime: Handle::current(),
        });
        let (ending, ended) = watch::channel(false);
        let accepting = parts.spawn({
            let parts = Arc::clone(&parts);
            async move {
                tokio::select! {
                    () = accept(&parts, listener) => {}
                    () = shutdown => {}
                }
                parts.roster.close();
                ending.send_replace(true);
            }
        });
        Ok(Arc::new(Self {
            parts,
            address,
            ended,
            _accepting: accepting,
        }))
    }

    /// Where this replica listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes `peers` the peers, after a change of the membership. Connections of those who are none any more, or have
    /// another key or address, end at once; the others are not touched. This replica may be among `peers`. Where an id
    /// or a key stands twice, nobody is let in with it.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        self.parts.roster.replace(peers, |peer| {
            let remote = Arc::new(Remote::new(peer, &self.parts.limits));
            let sending = keep_sending(Arc::clone(&self.parts), Arc::clone(&remote));
            (remote, self.parts.spawn(sending))
        });
    }

    /// Queues a message for a peer, without ever waiting; whether it was. It is dropped, and counted in the peer's
    /// status, when the queue is full or the message too long; `false` also for a replica that is no peer. A queued
    /// message may still be lost with its connection.
    pub fn send(&self, to: ReplicaId, message: Bytes) -> bool {
        self.parts.roster.remote(to).is_some_and(|remote| remote.send(message))
    }

    /// Reads a file of a peer: `checkpoint`, a tile or an entry bundle, by its C2SP path, or the private bodies of a bundle's
    /// leaves (`bodies/<N>[.p/<W>]`); `None` when the peer has no such file. The bytes are the peer's word: prove them. Reads from one peer follow one another, and each is
    /// bounded in size and time.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] when the path is none of these, when `from` is no peer, cannot be reached, does not answer in
    /// time, or refuses.
    pub async fn read(&self, from: ReplicaId, path: &str) -> Result<Option<Bytes>, Error> {
        let remote = self.parts.roster.remote(from);
        let remote = remote.ok_or_else(|| Error::peer(from.0, "it is no peer of this replica"))?;
        fetch(&self.parts, &remote, path)
            .await
            .map_err(|ended| Error::peer(from.0, format!("cannot read {path:?}: {ended}")))
    }

    /// Runs something that uses these connections, where they run.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.parts.runtime.spawn(future);
    }

    /// How the peers are doing, by id.
    pub fn status(&self) -> Vec<PeerStatus> {
        self.parts
            .roster
            .remotes()
            .iter()
            .map(|remote| remote.status())
            .collect()
    }

    /// Waits until the transport has ended after `shutdown`, and its port is free.
    pub async fn ended(&self) {
        // fails when the task is gone with its runtime: that is an end, too
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // the tasks hold what they need; they end because those who hold them do
        self.parts.roster.close();
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("id", &self.parts.own.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
