//! Who the peers are at the moment, and what runs for each of them. Whatever belongs to a peer ends when it is taken off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::hello::{Hello, Purpose};
use super::identity::PeerKey;
use super::remote::Remote;
use super::task::Task;
use super::tls::Pins;
use super::{OwnReplica, Peer, ReplicaId};

/// The peers of this moment.
#[derive(Debug)]
pub(super) struct Roster {
    own_id: ReplicaId,
    own_key: PeerKey,
    origin: String,
    file_connections_max: usize,
    listed: Mutex<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    closed: bool,
    entries: BTreeMap<ReplicaId, Entry>,
}

#[derive(Debug)]
struct Entry {
    remote: Arc<Remote>,
    _sending: Task,
    receiving: Option<Task>,
    /// The oldest first.
    serving: VecDeque<Task>,
}

/// Its tasks end with it, and whoever holds the remote learns of it.
impl Drop for Entry {
    fn drop(&mut self) {
        self.remote.remove();
    }
}

impl Roster {
    pub(super) fn new(own: &OwnReplica, file_connections_max: usize) -> Self {
        Self {
            own_id: own.id,
            own_key: own.identity.key(),
            origin: own.origin.clone(),
            file_connections_max,
            listed: Mutex::default(),
        }
    }

    /// Makes `peers` the peers. What runs for one that is the same as before goes on; for the others it ends, and
    /// `start` begins anew.
    pub(super) fn replace(&self, peers: Vec<Peer>, start: impl Fn(Peer) -> (Arc<Remote>, Task)) {
        let wanted = self.unambiguous(peers);
        let mut listed = self.listed.lock();
        if listed.closed {
            return;
        }
        listed
            .entries
            .retain(|id, entry| wanted.get(id) == Some(&entry.remote.peer));
        for (id, peer) in wanted {
            listed.entries.entry(id).or_insert_with(|| {
                let (remote, sending) = start(peer);
                Entry {
                    remote,
                    _sending: sending,
                    receiving: None,
                    serving: VecDeque::new(),
                }
            });
        }
    }

    /// Ends everything, for good.
    pub(super) fn close(&self) {
        let mut listed = self.listed.lock();
        listed.closed = true;
        listed.entries.clear();
    }

    pub(super) fn remote(&self, id: ReplicaId) -> Option<Arc<Remote>> {
        let listed = self.listed.lock();
        listed.entries.get(&id).map(|entry| Arc::clone(&entry.remote))
    }

    pub(super) fn remotes(&self) -> Vec<Arc<Remote>> {
        let listed = self.listed.lock();
        listed.entries.values().map(|entry| Arc::clone(&entry.remote)).collect()
    }

    /// The peer that says `hello` having proven to hold `key`, or why it is refused. The key decides.
    pub(super) fn recognize(&self, key: &PeerKey, hello: &Hello) -> Result<Arc<Remote>, String> {
        let listed = self.listed.lock();
        let mut entries = listed.entries.values();
        let Some(entry) = entries.find(|entry| entry.remote.peer.key == *key) else {
            return Err("this key is no peer's any more".to_owned());
        };
        if hello.origin != self.origin {
            return Err(format!(
                "this is a replica of {:?}, not of {:?}",
                self.origin, hello.origin
            ));
        }
        let id = entry.remote.peer.id;
        if hello.from != id {
            return Err(format!("this key is that of replica {id}, not {}", hello.from));
        }
        if hello.to != self.own_id {
            return Err(format!("this is replica {}, not {}", self.own_id, hello.to));
        }
        Ok(Arc::clone(&entry.remote))
    }

    /// Keeps what runs for a connection that a peer made, ending the oldest where there are too many: the peer has
    /// restarted, and nobody reads at the other end. A peer that was taken off meanwhile gets nothing.
    pub(super) fn admit(&self, remote: &Arc<Remote>, purpose: Purpose, task: Task) {
        let mut listed = self.listed.lock();
        let entry = listed.entries.get_mut(&remote.peer.id);
        let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.remote, remote)) else {
            return;
        };
        match purpose {
            Purpose::Messages => entry.receiving = Some(task),
            Purpose::Files => {
                entry.serving.retain(|task| !task.is_finished());
                while entry.serving.len() >= self.file_connections_max {
                    entry.serving.pop_front();
                }
                entry.serving.push_back(task);
            }
        }
    }

    /// The peers by id, without this replica, and without those whom their id or key would not tell apart: such a key
    /// proves nothing, so nobody gets in with it.
    fn unambiguous(&self, peers: Vec<Peer>) -> BTreeMap<ReplicaId, Peer> {
        let others: Vec<Peer> = peers.into_iter().filter(|peer| peer.id != self.own_id).collect();
        let is_alone = |peer: &&Peer| {
            let same = others
                .iter()
                .filter(|other| other.id == peer.id || other.key == peer.key);
            let alone = same.count() == 1 && peer.key != self.own_key;
            if !alone {
                tracing::error!(peer = %peer.id, key = %peer.key, "a peer's id or key is another's too: it is ignored");
            }
            alone
        };
        others
            .iter()
            .filter(is_alone)
            .map(|peer| (peer.id, peer.clone()))
            .collect()
    }
}

impl Pins for Roster {
    fn is_pinned(&self, key: &PeerKey) -> bool {
        let listed = self.listed.lock();
        listed.entries.values().any(|entry| entry.remote.peer.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PeerIdentity;
    use crate::peer::limits::PeerLimits;

    fn own() -> OwnReplica {
        let dir = tempfile::tempdir().unwrap();
        OwnReplica {
            id: ReplicaId(1),
            origin: "dab/test".to_owned(),
            identity: PeerIdentity::open(&dir.path().join("peer.key")).unwrap(),
        }
    }

    fn peer(id: u64, key: &str) -> Peer {
        Peer {
            id: ReplicaId(id),
            address: "replica.example.com:1".to_owned(),
            key: PeerKey::of(key.as_bytes()),
        }
    }

    fn roster() -> Roster {
        Roster::new(&own(), 2)
    }

    fn fill(roster: &Roster, peers: Vec<Peer>) -> Vec<u64> {
        let runtime = tokio::runtime::Handle::current();
        roster.replace(peers, |peer| {
            let remote = Arc::new(Remote::new(peer, &PeerLimits::default()));
            (remote, Task::spawn(&runtime, std::future::pending()))
        });
        roster.remotes().iter().map(|remote| remote.peer.id.0).collect()
    }

    #[tokio::test]
    async fn peers_that_cannot_be_told_apart_are_ignored_and_so_is_this_replica() {
        let own = own();
        let roster = Roster::new(&own, 2);
        let kept = fill(
            &roster,
            vec![
                peer(1, "one"),
                peer(2, "two"),
                Peer {
                    key: own.identity.key(),
                    ..peer(3, "")
                },
                peer(4, "same"),
                peer(5, "same"),
                peer(6, "six"),
                peer(6, "other"),
                peer(7, "seven"),
            ],
        );
        assert_eq!(kept, [2, 7]);
        assert!(!roster.is_pinned(&PeerKey::of(b"same")) && !roster.is_pinned(&own.identity.key()));
        assert!(roster.is_pinned(&PeerKey::of(b"seven")));
    }

    #[tokio::test]
    async fn a_peer_that_stays_keeps_what_runs_and_one_that_changes_does_not() {
        let roster = roster();
        fill(&roster, vec![peer(2, "two"), peer(3, "three"), peer(4, "four")]);
        let before = roster.remotes();
        fill(&roster, vec![peer(2, "two"), peer(3, "new"), peer(5, "five")]);
        let after = roster.remotes();
        assert!(Arc::ptr_eq(&before[0], &after[0]));
        assert_eq!(
            before.iter().map(|r| r.is_removed()).collect::<Vec<_>>(),
            [false, true, true]
        );
        roster.close();
        assert!(after.iter().all(|remote| remote.is_removed()));
        assert!(fill(&roster, vec![peer(2, "two")]).is_empty(), "closed for good");
    }
}
