//! Puts a replica together from what its disk holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::note::SigningKey;
use dab_proof::trust::Trust;
use prost_for_raft::Message as _;
use raft::eraftpb::{ConfState, HardState, Snapshot};

use super::pending::Pending;
use super::{Replica, ReplicaLimits, ReplicaParts};
use crate::Error;
use crate::certify::Certifier;
use crate::checkpoint_file::CheckpointFile;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::epoch::Epoch;
use crate::machine::epochs::{epoch_shown, policies_in};
use crate::machine::{FlushLimits, Machine, Parts, WaitLimits, frontier_in};
use crate::node::NodeLimits;
use crate::peer::ReplicaId;
use crate::raft::{Driver, LogStorage, RaftLimits};
use crate::room::Room;
use crate::shared::Shared;
use crate::snapshot::Target;
use crate::snapshot::staging::Staging;
use crate::state_machine::Settings;
use crate::state_store::{Meta, StateStore};
use crate::tile_store::{PublicFiles, TileStore};

/// Everything that makes one replica differ from another, and from a simulated one.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaConfig {
    pub(crate) disk: Arc<dyn Disk>,
    /// Raft log and state database.
    pub(crate) private_dir: PathBuf,
    /// Checkpoint and tiles.
    pub(crate) public_dir: PathBuf,
    /// Its raft id, never given again once its data is lost.
    pub(crate) id: u64,
    /// The voters of a ledger that has not changed its members yet, this replica among them.
    pub(crate) first_voters: Vec<u64>,
    pub(crate) log: SigningKey,
    /// Absent where the policy knows none, or this replica is none of its cosigners.
    pub(crate) cosigner: Option<SigningKey>,
    /// Whom those trust who know the ledger's beginning; where it has one node, whom they trust now.
    pub(crate) trust: Trust,
    /// Those of the ledger's beginning, or of now where it has one node.
    pub(crate) settings: Settings,
    /// The epoch in which this replica joined, `None` where it is none.
    pub(crate) joined: Option<Epoch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: NodeLimits,
    /// Draws the election timeouts.
    pub(crate) election_seed: u64,
    /// Tells the requests of this run from those of others.
    pub(crate) run: [u8; 16],
}

/// A replica that has replayed what its disk holds, and what others may see of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) replica: Replica,
    pub(crate) shared: Arc<Shared>,
    pub(crate) raft_log_syncs: Arc<AtomicU64>,
}

impl ReplicaConfig {
    /// Opens the replica and replays its raft log. `lock` is held as long as the state is open.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] and [`Error::Inconsistent`] name what does not fit; nothing is repaired by forgetting it.
    pub(crate) fn open(self, lock: Option<std::fs::File>) -> Result<Opened, Error> {
        let (disk, limits) = (self.disk, self.limits);
        let state_path = self.private_dir.join("state.redb");
        let state = StateStore::open(&*disk, &state_path, limits.checkpoints_listed_max)?;
        let meta = state.meta.clone();
        let mut raft_log = LogStorage::open(Arc::clone(&disk), &self.private_dir.join("raft"), limits.segment_bytes)?;
        let raft_log_syncs = raft_log.sync_counter();
        let tiles = TileStore::open(Arc::clone(&disk), &self.public_dir, frontier_in(&meta)?)?;
        let staging = Staging::new(Arc::clone(&disk), &self.private_dir);
        let installing = target_in(&meta, &self.trust)?;
        let policies = policies_in(&state, self.trust.policy.clone())?;
        // one that was invited is in no earlier epoch than that
        let epoch = epoch_shown(&state)?
            .filter(|epoch| epoch.members.get(ReplicaId(self.id)).is_some())
            .or(self.joined);
        let in_target = installing.as_ref().and_then(|target| target.checkpoint.as_ref());
        let checkpoint = in_target.map_or_else(|| meta.checkpoint.clone(), SignedCheckpoint::to_bytes);
        let checkpoint_file = CheckpointFile::open(Arc::clone(&disk), &self.public_dir, &policies, &checkpoint)?;
        let files = PublicFiles::new(Arc::clone(&disk), &self.public_dir);
        let alone = self.trust.policy.needs_no_cosigner();
        let shared = Shared::new(files, state, lock, alone, &self.settings.origin, epoch);
        let mut machine = Machine::new(Parts {
            shared: Arc::clone(&shared),
            tiles,
            certifier: Certifier::new(self.log, self.cosigner, policies, raft_log.signed_head()),
            checkpoint_file,
            clock: self.clock,
            flush_limits: FlushLimits {
                entries_max: limits.flush_entries_max,
                leaves_max: limits.flush_leaves_max,
                bytes_max: limits.flush_bytes_max,
            },
            wait_limits: WaitLimits {
                ticks_max: limits.request_ticks_max,
                count_max: limits.waiting_max.max(1),
            },
            pending: Pending::new(self.run, limits.request_ticks_max, limits.waiting_max.max(1)),
        })?;
        if let Some(target) = installing {
            go_on_installing(&mut machine, &mut raft_log, &staging, &target)?;
        }
        staging.clear()?;
        let is_alone = self.first_voters.len() == 1;
        let conf_state = shared.read(|_, state| conf_state_in(&state.meta.conf_state, self.first_voters))?;
        let mut driver = Driver::new(
            self.id,
            raft_log,
            machine.applied_position(),
            conf_state,
            &RaftLimits::default(),
            self.election_seed,
        )?;
        if !is_alone {
            // the founding gave every replica the same
            driver.agree_on(self.settings.clone());
        }
        let mut replica = Replica::new(ReplicaParts {
            driver,
            machine,
            room: Room::of(disk, &[&self.private_dir, &self.public_dir]),
            staging,
            limits: ReplicaLimits {
                group_leaves_max: limits.group_leaves_max,
                group_bytes_max: limits.group_bytes_max,
                raft_log_bytes_max: limits.raft_log_bytes_max,
            },
            settings: self.settings,
            founded: self.trust,
            id: self.id,
        });
        replica.start()?;
        Ok(Opened {
            replica,
            shared,
            raft_log_syncs,
        })
    }
}

/// What the state was being taken over from others for, when the last run ended.
fn target_in(meta: &Meta, founded: &Trust) -> Result<Option<Target>, Error> {
    if meta.installing.is_empty() {
        return Ok(None);
    }
    let inconsistent = |reason: String| Error::Inconsistent {
        reason: format!("the raft snapshot in the state database: {reason}"),
    };
    let snapshot = Snapshot::decode(meta.installing.as_slice()).map_err(|error| inconsistent(error.to_string()))?;
    let target = Target::read(snapshot, founded).map_err(|reason| inconsistent(reason.to_owned()))?;
    Ok(Some(target))
}

/// Goes on where a crash has cut off [`Machine::begin_install`] and what follows.
fn go_on_installing(
    machine: &mut Machine,
    raft_log: &mut LogStorage,
    staging: &Staging,
    target: &Target,
) -> Result<(), Error> {
    if machine.applied_position() != target.at {
        let size = target.head().size;
        while machine.tree_size() < size {
            machine.take_over(staging.leaves_from(machine.tree_size(), size)?)?;
            if machine.flush_is_due()? {
                machine.flush(raft_log)?;
            }
        }
        machine.finish_install(target)?;
    }
    if raft_log.base().index < target.at.index {
        let before = raft_log.hard_state();
        let hard_state = HardState {
            // a vote counts in its own term only
            term: before.term.max(target.at.term),
            vote: if before.term >= target.at.term { before.vote } else { 0 },
            commit: target.at.index,
        };
        raft_log.reset(target.at, &hard_state)?;
    }
    machine.end_install()
}

/// The membership of the state; before the first change, that of the beginning.
fn conf_state_in(bytes: &[u8], first_voters: Vec<u64>) -> Result<ConfState, Error> {
    if bytes.is_empty() {
        return Ok(ConfState {
            voters: first_voters,
            ..ConfState::default()
        });
    }
    ConfState::decode(bytes).map_err(|error| Error::Inconsistent {
        reason: format!("the membership in the state database: {error}"),
    })
}
