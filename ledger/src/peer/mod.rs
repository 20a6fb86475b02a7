//! The transport between replicas: messages for raft, and public files for a replica that catches up.
//!
//! ```text
//!  replica 1                                            replica 2
//!  send(2, m) -> queue -> [Hello] [Message] [Ping] ...  -> receive(1, m)      one connection for each direction
//!                         <- [Welcome]      [Pong] ...
//!  read(2, p)          -> [Hello] [Ask] ...             -> Source::read(p)    made when a file is wanted
//!                         <- [Welcome] [File] ...
//! ```
//!
//! Both sides of a connection prove a key that the membership names ([`PeerKey`]); a message's sender is the replica of
//! that key, whatever the message says. What a peer sends is bounded before there is room for it, and means nothing here:
//! the inbox judges it. `DESIGN.md`, section 10, has the bytes, and what somebody on the network can achieve.
//!
//! The transport loses messages rather than wait: raft sends again what matters. Messages over one connection arrive
//! whole and in order.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use dab_ledger::peer::{Inbox, OwnReplica, Peer, PeerIdentity, PeerLimits, ReplicaId, Transport};
//! use dab_proof::files::DirSource;
//! use tokio::sync::mpsc;
//!
//! struct Channel(mpsc::Sender<(ReplicaId, Bytes)>);
//!
//! impl Inbox for Channel {
//!     fn receive(&self, from: ReplicaId, message: Bytes) {
//!         // full is full: raft sends again what matters
//!         let _ = self.0.try_send((from, message));
//!     }
//! }
//!
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("checkpoint"), "a signed note")?;
//! let (sender, mut inbox) = mpsc::channel(16);
//! let mut replicas = Vec::new();
//! for id in [ReplicaId(1), ReplicaId(2)] {
//!     let own = OwnReplica {
//!         id,
//!         origin: "dab/example".to_owned(),
//!         identity: PeerIdentity::open(&dir.path().join(format!("private/{id}.key")))?,
//!     };
//!     let key = own.identity.key();
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!     let (inbox, files) = (Channel(sender.clone()), DirSource::new(dir.path()));
//!     let never = std::future::pending();
//!     let limits = PeerLimits::default();
//!     let transport = Transport::start(own, listener, Arc::new(inbox), Arc::new(files), limits, never).await?;
//!     let address = transport.address().to_string();
//!     replicas.push((transport, Peer { id, address, key }));
//! }
//! // each names the other, as every replica of a ledger does
//! let peers: Vec<Peer> = replicas.iter().map(|(_, peer)| peer.clone()).collect();
//! for (transport, _) in &replicas {
//!     transport.set_peers(peers.clone());
//! }
//! let (one, two) = (&replicas[0].0, &replicas[1].0);
//! assert!(one.send(ReplicaId(2), Bytes::from_static(b"append these")));
//! assert_eq!(inbox.recv().await, Some((ReplicaId(1), Bytes::from_static(b"append these"))));
//! let checkpoint = two.read(ReplicaId(1), "checkpoint").await?;
//! assert_eq!(checkpoint.as_deref(), Some(&b"a signed note"[..]));
//! # Ok(())
//! # }
//! ```

mod limits;

mod identity;
mod tls;

mod frame;
mod hello;

mod accept;
mod handshakes;
mod roster;
mod transport;

mod backoff;
mod dial;
mod sending;

mod receiving;

mod files;

mod ended;
mod queue;
mod remote;
mod task;

#[cfg(feature = "testing")]
pub(crate) mod decoders;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub use identity::{NotAPeerKey, PeerIdentity, PeerKey};
pub use limits::PeerLimits;
pub use remote::PeerStatus;
pub use transport::Transport;

/// A replica's raft id. It is never given again once its data is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId(pub u64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// This replica, as it introduces itself.
#[derive(Clone, Debug)]
pub struct OwnReplica {
    /// Its raft id.
    pub id: ReplicaId,
    /// The origin of its ledger, the name of the log's key. Replicas of another one are refused, whatever their keys.
    pub origin: String,
    /// The key that it proves to hold.
    pub identity: PeerIdentity,
}

/// Another replica, as the membership names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its raft id.
    pub id: ReplicaId,
    /// Where it listens for its peers, `host:port`.
    pub address: String,
    /// The key that it proves to hold.
    pub key: PeerKey,
}

/// Where messages of other replicas arrive.
pub trait Inbox: Send + Sync {
    /// Takes a message of the replica `from`, which its key proves. Must not block: when there is no room, the message is
    /// dropped, and raft sends again what matters.
    fn receive(&self, from: ReplicaId, message: Bytes);

    /// Messages to the replica `to` may have been lost: its connection ended, or none can be made. Told again at every
    /// attempt. Must not block. Raft wants to know (`report_unreachable`, and `report_snapshot` for a raft snapshot
    /// under way), lest it wait for answers to what never arrived.
    fn unreachable(&self, to: ReplicaId) {
        let _ = to;
    }
}
