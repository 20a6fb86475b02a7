//! The production core of a replica, for whoever brings it messages and time from a seed.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::leaf::Subject;
use dab_proof::note::SigningKey;
use dab_proof::policy::Policy;
use dab_proof::source::Source;
use dab_proof::trust::Trust;
use dab_proof::writers::Writers;
use tokio::sync::oneshot;

use crate::Error;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::node::NodeLimits;
use crate::notary::{Outcome, Proposal};
use crate::peer_files::PeerFiles;
use crate::pool::Waiting;
use crate::raft_snapshot::incoming::Wanted;
use crate::reader::Head;
use crate::replica::Replica;
use crate::replica::open::ReplicaConfig;
use crate::shared::Shared;
use crate::state_machine::entry::ProposalBytes;
use crate::state_machine::{Settings, StateView};

/// What one core is made from.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Where it keeps its files.
    pub disk: Arc<dyn Disk>,
    /// Its raft id.
    pub id: u64,
    /// The raft ids of all replicas.
    pub voters: Vec<u64>,
    /// The ledger's key, the same on every replica.
    pub log: SigningKey,
    /// Its own key.
    pub cosigner: SigningKey,
    /// Whose cosignatures make a checkpoint certified.
    pub policy: Policy,
    /// Who may write: the text of `trust/writers`.
    pub writers: String,
    /// Tells the time of cosignatures.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: NodeLimits,
    /// Draws election timeouts.
    pub election_seed: u64,
    /// Tells this run's requests from others.
    pub run: [u8; 16],
}

/// One replica, without thread, network or clock.
#[derive(Debug)]
pub struct Core {
    replica: Replica,
    shared: Arc<Shared>,
    flushing: bool,
}

/// What a core holds, for those who check invariants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreState {
    /// Whether it leads.
    pub leads: bool,
    /// Whom it follows, itself where it leads.
    pub leader: Option<u64>,
    /// Its raft term.
    pub term: u64,
    /// The last raft index that its log has given up, since its state and that of all others hold it.
    pub raft_base: u64,
    /// The last raft index that its log holds.
    pub raft_last: u64,
    /// The last raft index that it knows to be committed.
    pub raft_committed: u64,
    /// The last raft index applied.
    pub applied: u64,
    /// Whether it fetches leaves from others, since the raft logs have given up what it lacks.
    pub fetching: bool,
    /// Whether it takes over what it has fetched.
    pub installing: bool,
    /// The last raft index whose state is durable.
    pub flushed: u64,
    /// Leaves and root of its tree.
    pub tree: (u64, [u8; 32]),
    /// Leaves that the last certified checkpoint covers.
    pub certified: u64,
    /// The last head made durable before cosigning.
    pub signed: Option<(u64, [u8; 32])>,
}

impl Core {
    /// Opens a replica on its disk and replays its raft log.
    ///
    /// # Errors
    ///
    /// Those of [`crate::node::Node::start`].
    pub fn open(config: CoreConfig) -> Result<Self, Error> {
        let config = ReplicaConfig {
            disk: config.disk,
            private_dir: PathBuf::from("private"),
            public_dir: PathBuf::from("public"),
            id: config.id,
            first_voters: config.voters,
            settings: Settings {
                origin: config.log.name().to_owned(),
                writers: config.writers.clone(),
                members: String::new(),
                changes_bytes: 0,
            },
            log: config.log,
            cosigner: Some(config.cosigner),
            trust: Trust {
                policy: config.policy,
                writers: Writers::parse(config.writers.as_bytes())?,
                ledger: None,
            },
            joined: None,
            clock: config.clock,
            limits: config.limits,
            election_seed: config.election_seed,
            run: config.run,
        };
        let opened = config.open(None)?;
        Ok(Self {
            replica: opened.replica,
            shared: opened.shared,
            flushing: false,
        })
    }

    /// Takes a proposal; the outcome comes through the receiver.
    pub fn propose(&mut self, proposal: &Proposal) -> oneshot::Receiver<Result<Outcome, Error>> {
        let (answer, outcome) = oneshot::channel();
        let proposal = ProposalBytes::from(proposal);
        self.replica.propose(Waiting { proposal, answer });
        outcome
    }

    /// Asks for a moment at which everything acknowledged before is visible here.
    pub fn read(&mut self) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, ready) = oneshot::channel();
        self.replica.read(vec![answer]);
        ready
    }

    /// The last certified leaf of a subject, as a reader would be shown it.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        self.shared.head(subject)
    }

    /// The last leaf of a subject, certified or not, as the state database has it.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub fn applied_head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        self.shared.read(|_, state| state.head(subject))
    }

    /// The last certified checkpoint.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.shared.visible.read().checkpoint.clone()
    }

    /// The public files.
    pub fn files(&self) -> &dyn Source {
        &self.shared.files
    }

    /// Takes a message of another replica.
    ///
    /// # Errors
    ///
    /// Any error means that the replica has failed.
    pub fn receive(&mut self, from: u64, message: Bytes) -> Result<(), Error> {
        self.replica.receive(from, message)
    }

    /// Passes one tick.
    pub fn tick(&mut self) {
        self.replica.tick();
    }

    /// Does all that can be done now; gives messages for others, with the raft id of each one's receiver.
    ///
    /// # Errors
    ///
    /// Any error means that the replica has failed.
    pub fn pump(&mut self) -> Result<Vec<(u64, Bytes)>, Error> {
        self.replica.pump()?;
        self.flushing = true;
        self.replica.flush(false)?;
        self.flushing = false;
        let outgoing = self.replica.take_outgoing();
        Ok(outgoing
            .into_iter()
            .map(|outgoing| (outgoing.to, outgoing.message))
            .collect())
    }

    /// The file that it wants of another replica now, and of which.
    ///
    /// # Errors
    ///
    /// Any error means that the replica has failed.
    pub fn wanted(&mut self) -> Result<Option<(u64, String)>, Error> {
        let wanted = self.replica.wanted()?;
        Ok(wanted.map(|wanted| (wanted.from, wanted.path)))
    }

    /// Takes the file that it wanted of `from`; `None` where it could not be had.
    ///
    /// # Errors
    ///
    /// Any error means that the replica has failed.
    pub fn fetched(&mut self, from: u64, path: String, file: Option<Bytes>) -> Result<(), Error> {
        self.replica.fetched(&Wanted { from, path }, file)
    }

    /// A file that another replica wants.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let files = PeerFiles::new(Arc::clone(&self.shared));
        files.read(path).ok().flatten()
    }

    /// Whether it failed while it made its state durable.
    pub fn failed_in_flush(&self) -> bool {
        self.flushing
    }

    /// Pairs of contradicting notes met since the last call.
    pub fn contradictions(&mut self) -> Vec<(SignedCheckpoint, SignedCheckpoint)> {
        let met = self.replica.take_contradictions();
        met.into_iter().map(|met| (met.ours, met.theirs)).collect()
    }

    /// What it holds.
    pub fn state(&mut self) -> CoreState {
        self.replica.state()
    }

    /// Term and digest of the raft entry at an index; `None` where the log does not hold it.
    pub fn raft_entry(&mut self, index: u64) -> Option<(u64, [u8; 32])> {
        self.replica.raft_entry(index)
    }
}
