//! One ledger node: a replica and its raft thread, alone or connected to others.

mod heads;
mod members;
mod reading;
mod status;
mod witnesses;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use dab_proof::leaf::SignedLeaf;
use dab_proof::note::SigningKey;
use dab_proof::report::{Report, Verdict};
use dab_proof::trust::Trust;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use crate::config::{NodeConfig, NodeLimits};
pub use status::NodeStatus;
pub use witnesses::ReachWitness;

pub use crate::lock::is_running;

use crate::Error;
use crate::disk::LocalDisk;
use crate::durable::{self, io};
use crate::fsck::fsck;
use crate::identity::{Directories, Identity, Membership};
use crate::inbox::PeerInbox;
use crate::lock::lock;
use crate::members::Member;
use crate::notary::{Notary, Once, Outcome, Proposal};
use crate::peer::{OwnReplica, PeerLimits, Transport};
use crate::peer_files::PeerFiles;
use crate::pool::{Command, Pool, Waiting};
use crate::post::Post;
use crate::replica::open::ReplicaConfig;
use crate::sequencer::{Sequencer, SequencerParts, panic_text};
use crate::shared::Shared;
use crate::state_machine::check::Refusal;
use crate::state_machine::entry::ProposalBytes;

/// The raft id of a ledger's first node. An id is never given again once its data is lost.
const RAFT_ID_FIRST: u64 = 1;

/// Pause before a queue that was full is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A shorter tick would keep a core busy with counting.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A running ledger node.
///
/// One that is nobody's replica certifies alone: its policy is `quorum none`, and every checkpoint that it issues is
/// certified by its own signature. [`crate::reader::LedgerReader::certified`] says so. A replica ([`Node::member`]) does
/// nothing until it is connected to the others with [`Node::connect`].
///
/// Dropping a node is like a crash: nothing acknowledged is lost, and the next start replays the raft log.
/// [`Node::stop`] leaves nothing to replay.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    pool: Option<Pool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    abandoned: Arc<AtomicBool>,
    raft_log_syncs: Arc<AtomicU64>,
    writer: SigningKey,
    /// Held by whoever writes a heads leaf.
    heads_turn: tokio::sync::Mutex<()>,
    trust: Arc<Trust>,
    membership: Option<Membership>,
    inbox: Arc<PeerInbox>,
    post: Arc<Post>,
    /// What runs beside the raft thread until the node is dropped: asks witnesses, follows the members.
    beside: Mutex<JoinSet<()>>,
    dirs: Directories,
}

impl Node {
    /// Starts a node: makes a ledger at the first start, replays the raft log at a later one, and returns when the node
    /// serves; a replica serves once it is connected. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another node uses the directories; [`Error::Corrupt`], [`Error::Inconsistent`] and
    /// [`Error::Setting`] name what an operator has to look at. Nothing that was acknowledged is thrown away by any of
    /// them.
    pub fn start(config: NodeConfig) -> Result<Arc<Self>, Error> {
        // raft-rs and redb panic on files that they hold for impossible; that must not take the process down
        catch_unwind(AssertUnwindSafe(|| Self::prepare(config)?.run())).unwrap_or_else(|panic| {
            let reason = format!("starting the ledger node panicked: {}", panic_text(panic.as_ref()));
            Err(Error::Inconsistent { reason })
        })
    }

    /// Opens everything and replays; all but the raft thread.
    fn prepare(config: NodeConfig) -> Result<Prepared, Error> {
        let dirs = Directories::of(&config);
        let limits = config.limits;
        durable::create_private_dir(&dirs.private)?;
        let lock = lock(&dirs.private)?;
        let identity = Identity::open(&dirs, config.origin.as_deref())?;
        if identity.membership.is_some() {
            refuse_lost_raft_log(&dirs)?;
        }
        let (id, first_voters) = match &identity.membership {
            Some(membership) => (
                membership.own.id.0,
                membership.founded.members.iter().map(|member| member.id.0).collect(),
            ),
            None => (RAFT_ID_FIRST, vec![RAFT_ID_FIRST]),
        };
        let replica = ReplicaConfig {
            disk: Arc::new(LocalDisk),
            private_dir: dirs.private.clone(),
            public_dir: dirs.public.clone(),
            id,
            first_voters,
            log: identity.log,
            cosigner: identity
                .membership
                .as_ref()
                .map(|membership| membership.cosigner.clone()),
            trust: match &identity.membership {
                Some(membership) => membership.founded.trust.clone(),
                None => identity.trust.clone(),
            },
            settings: identity.settings,
            joined: identity.membership.as_ref().map(|membership| membership.joined.clone()),
            clock: config.clock,
            limits: limits.clone(),
            election_seed: uuid::Uuid::new_v4().as_u64_pair().0,
            run: uuid::Uuid::new_v4().into_bytes(),
        };
        let opened = replica.open(Some(lock))?;
        let (shared, raft_log_syncs) = (opened.shared, opened.raft_log_syncs);
        let (pool, commands) = Pool::new(limits.waiting_max.max(1));
        let (inbox, post) = (Arc::new(PeerInbox::new(pool.clone())), Arc::<Post>::default());
        let parts = SequencerParts {
            replica: opened.replica,
            shared: Arc::clone(&shared),
            commands,
            inbox: Arc::clone(&inbox),
            post: Arc::clone(&post),
        };
        let sequencer = Sequencer::new(parts, limits.tick.max(TICK_MIN));
        let abandoned = sequencer.abandoned();
        let trust = Arc::new(identity.trust);
        if config.check_at_start {
            refuse_unless_valid(&fsck(&shared, &members::trust_now(&shared, &trust))?)?;
        }
        if identity.membership.is_none() {
            // a crash may have come between a change and its files
            members::follow_alone(&shared, &dirs)?;
        }
        let node = Self {
            shared,
            pool: Some(pool),
            thread: Mutex::new(None),
            abandoned,
            raft_log_syncs,
            writer: identity.writer,
            heads_turn: tokio::sync::Mutex::default(),
            trust,
            membership: identity.membership,
            inbox,
            post,
            beside: Mutex::default(),
            dirs,
        };
        Ok(Prepared { node, sequencer })
    }

    /// The key with which this node signs the leaves of its users.
    pub fn writer(&self) -> &SigningKey {
        &self.writer
    }

    /// The directory of the public files.
    pub fn public_dir(&self) -> &Path {
        &self.dirs.public
    }

    /// This node's place among the ledger's replicas; `None` where it certifies alone. The address is where the others
    /// look for it.
    pub fn member(&self) -> Option<&Member> {
        self.membership.as_ref().map(|membership| &membership.own)
    }

    /// Connects a replica to the others, which reach it over `listener`, until it is stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] when the connections cannot be set up. A node that is nobody's replica has nobody to connect to,
    /// and connects to nobody.
    pub async fn connect(&self, listener: TcpListener) -> Result<(), Error> {
        let Some(membership) = &self.membership else {
            return Ok(());
        };
        let own = OwnReplica {
            id: membership.own.id,
            origin: self.shared.origin.clone(),
            identity: membership.peer.clone(),
        };
        let files = Arc::new(PeerFiles::new(Arc::clone(&self.shared)));
        let limits = PeerLimits::default();
        let transport =
            Transport::start(own, listener, self.inbox.clone(), files, limits, std::future::pending()).await?;
        self.post.open(Arc::clone(&transport));
        let following = members::follow(Arc::clone(&self.shared), transport, self.dirs.clone());
        self.beside.lock().spawn(following);
        Ok(())
    }

    /// Waits until everything that was certified before this call is visible here: for as long as it takes to find a
    /// leader and a quorum.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub async fn ready(&self) -> Result<(), Error> {
        loop {
            match self.catch_up().await {
                // asking took its time, so that this does not spin
                Err(Error::NoLeader | Error::NoQuorum) => {}
                Err(Error::Busy { .. }) => tokio::time::sleep(BUSY_PAUSE).await,
                result => return result,
            }
        }
    }

    /// Counts the fdatasyncs of the raft log since the start.
    pub fn raft_log_syncs(&self) -> u64 {
        self.raft_log_syncs.load(Ordering::Relaxed)
    }

    /// Recomputes the whole ledger from its public files and compares it with the private state: what an auditor
    /// checks, and that heads, positions and private bodies are those of the leaves. Blocks; takes a while for a long
    /// ledger.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`]; [`Error::State`] when the state cannot be read. What does not hold is in the report.
    pub fn fsck(&self) -> Result<Report, Error> {
        fsck(&self.shared, &self.trust())
    }

    /// Waits until the node fails, as on a broken disk, and tells why; for ever where it never does. A failed node still
    /// answers what it had certified before, and takes nothing new: only a restart helps.
    pub async fn failed(&self) -> Error {
        self.shared.failed().await
    }

    /// Answers what waits, makes the state durable, and gives the directories free. Later calls answer
    /// [`Error::Stopped`].
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] when the node had failed or been stopped before.
    pub async fn stop(&self) -> Result<(), Error> {
        let pool = self.pool().clone();
        let (answer, stopped) = oneshot::channel();
        let submitted = tokio::task::spawn_blocking(move || pool.submit_blocking(Command::Stop(answer))).await;
        if !submitted.unwrap_or(false) {
            return Err(self.shared.stopped());
        }
        stopped.await.map_err(|_| self.shared.stopped())??;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        drop(self.post.close());
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn pool(&self) -> &Pool {
        self.pool
            .as_ref()
            .expect("the pool is taken only when the node is dropped")
    }

    fn submit(&self, command: Command) -> Result<(), Error> {
        self.pool().submit(command).map_err(|error| match error {
            Error::Stopped { .. } => self.shared.stopped(),
            error => error,
        })
    }

    /// Whether a proposal may be written. Gives its leaves.
    fn may_enter(&self, proposal: &ProposalBytes) -> Result<Vec<SignedLeaf>, Error> {
        let epoch = self.shared.epoch_now();
        let writers = epoch.as_ref().map_or(&self.trust.writers, |epoch| epoch.writers());
        let judged = self.shared.may_enter(proposal, writers)?;
        judged.map_err(|Refusal { subject, reason }| Error::refused(subject.as_ref(), reason))
    }

    async fn propose(&self, proposal: ProposalBytes) -> Result<Outcome, Error> {
        let leaves = self.may_enter(&proposal)?;
        let changes_epoch = leaves.iter().any(|leaf| leaf.leaf().subject.is_members());
        let (answer, outcome) = oneshot::channel();
        self.submit(Command::Propose(Waiting { proposal, answer }))?;
        let outcome = match changes_epoch && self.membership.is_none() {
            true => members::followed_alone(Arc::clone(&self.shared), self.dirs.clone(), outcome).await,
            false => Some(outcome.await),
        };
        outcome.and_then(Result::ok).ok_or_else(|| self.shared.stopped())?
    }
}

/// A node whose raft thread does not run yet.
struct Prepared {
    node: Node,
    sequencer: Sequencer,
}

impl Prepared {
    fn run(self) -> Result<Arc<Node>, Error> {
        let Self { node, sequencer } = self;
        let thread = std::thread::Builder::new()
            .name("dab-ledger-raft".to_owned())
            .spawn(move || sequencer.run())
            .map_err(io("start the raft thread of", &node.dirs.public))?;
        *node.thread.lock() = Some(thread);
        Ok(Arc::new(node))
    }
}

#[async_trait]
impl Notary for Node {
    async fn notarize(&self, proposal: Proposal) -> Result<Outcome, Error> {
        self.propose(ProposalBytes::from(&proposal)).await
    }

    async fn notarize_once(&self, proposal: Proposal, once: Once) -> Result<Outcome, Error> {
        self.propose(ProposalBytes::from(&proposal).carrying_out(&once)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Release);
        self.post.close();
        self.pool().wake();
        self.pool = None;
        if let Some(thread) = self.thread.get_mut().take() {
            let _ = thread.join();
        }
    }
}

/// A replica that lost its raft log has forgotten whom it voted for and what it acknowledged: under the same id it could
/// help to decide a second history. A crash between marker and log leaves a directory that never took part in anything,
/// and is refused all the same.
fn refuse_lost_raft_log(dirs: &Directories) -> Result<(), Error> {
    let marker = dirs.begun();
    let has_log = std::fs::read_dir(dirs.raft_log()).is_ok_and(|mut segments| segments.next().is_some());
    match (marker.exists(), has_log) {
        (true, false) => {
            let reason = "this replica has taken part before, and its raft log is gone: nobody can count on what it says \
                          under this id any more. Begin with another directory, as a new member";
            Err(Error::setting(&dirs.raft_log(), reason))
        }
        (true, true) => Ok(()),
        (false, _) => durable::write(&marker, b"", durable::Access::Owner),
    }
}

fn refuse_unless_valid(report: &Report) -> Result<(), Error> {
    if report.verdict() == Verdict::Valid {
        return Ok(());
    }
    let found = report.failures.iter().chain(&report.undecided).next();
    let first = found.map(|finding| finding.message.clone()).unwrap_or_default();
    let others = (report.failures.len() + report.undecided.len()).saturating_sub(1);
    Err(Error::Inconsistent {
        reason: format!("the check at start found: {first} (and {others} more)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Inbox, ReplicaId};
    use crate::reader::LedgerReader;
    use crate::replica::message::{Content, NoteBytes, PeerMessage};
    use crate::testing::statement;

    fn propose(node: &Node, sequence: u64, parent: Option<dab_proof::hash::Hash>) -> Proposal {
        let statement = statement(
            node.trust.policy.logs()[0].key.name(),
            &node.writer,
            "table/t",
            sequence,
            parent,
            "x",
        );
        Proposal {
            statements: vec![statement],
        }
    }

    /// After a failed fsync nobody knows what the disk holds: the node must not acknowledge, sign or try again.
    #[tokio::test]
    async fn a_failed_write_or_sync_of_the_raft_log_stops_the_node_and_shows_nothing() {
        for fail_sync in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let mut prepared = Node::prepare(NodeConfig::in_dir(dir.path())).unwrap();
            prepared.sequencer.raft_log().faults.sync = fail_sync;
            prepared.sequencer.raft_log().faults.write = !fail_sync;
            let node = prepared.run().unwrap();
            let checkpoint = std::fs::read(dir.path().join("public/checkpoint")).unwrap();
            for _ in 0..2 {
                let error = node.notarize(propose(&node, 0, None)).await.unwrap_err();
                assert!(
                    matches!(&error, Error::Stopped { reason } if reason.contains("planted")),
                    "{error}"
                );
            }
            let told = node.failed().await.to_string();
            assert!(told.contains("planted"), "{told}");
            assert_eq!(node.certified().await.size.0, 0);
            assert_eq!(std::fs::read(dir.path().join("public/checkpoint")).unwrap(), checkpoint);
            drop(node);
            // whether the entry reached the disk or not, a retry after a restart has one outcome
            let node = Node::start(NodeConfig::in_dir(dir.path())).unwrap();
            assert!(matches!(
                node.notarize(propose(&node, 0, None)).await,
                Ok(Outcome::Certified(_))
            ));
            assert_eq!(node.certified().await.size.0, 1);
        }
    }

    /// Its leader lied to it, or its disk did: the evidence must outlive the node, which stops in the same round.
    #[tokio::test]
    async fn a_node_whose_tree_is_not_the_certified_one_keeps_both_notes_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::start(NodeConfig::in_dir(dir.path())).unwrap();
        let log = crate::key_file::read_key(&dir.path().join("private/log.key"))
            .unwrap()
            .unwrap();
        let other = dab_proof::checkpoint::Checkpoint {
            origin: log.name().to_owned(),
            size: dab_proof::tree::TreeSize(1),
            root: dab_proof::hash::Hash::from_bytes([7; 32]),
        };
        // under `quorum none` the log's own signature certifies
        let checkpoint = other.sign(&log).unwrap().to_bytes();
        let note = NoteBytes {
            checkpoint: checkpoint.clone().into(),
            asks: false,
        };
        node.inbox
            .receive(ReplicaId(2), PeerMessage::to_bytes(Content::Note(note)));
        let error = node.notarize(propose(&node, 0, None)).await.unwrap_err();
        assert!(error.to_string().contains("this replica's tree"), "{error}");
        let evidence = std::fs::read_dir(dir.path().join("public/evidence")).unwrap();
        let folders: Vec<_> = evidence.map(|folder| folder.unwrap().path()).collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        assert_eq!(std::fs::read(folders[0].join("second")).unwrap(), checkpoint);
        let ours = std::fs::read(folders[0].join("first")).unwrap();
        let ours = dab_proof::checkpoint::SignedCheckpoint::parse(&ours).unwrap();
        node.trust.policy.verify(&ours).unwrap();
        assert_eq!(ours.checkpoint().size, other.size);
        assert_ne!(ours.checkpoint().root, other.root);
    }

    #[tokio::test]
    async fn a_panic_of_the_raft_thread_is_told_to_those_who_wait() {
        let dir = tempfile::tempdir().unwrap();
        let mut prepared = Node::prepare(NodeConfig::in_dir(dir.path())).unwrap();
        prepared.sequencer.raft_log().faults.panic = true;
        let node = prepared.run().unwrap();
        let error = node.notarize(propose(&node, 0, None)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Stopped { reason } if reason.contains("panicked: planted")),
            "{error}"
        );
    }
}
