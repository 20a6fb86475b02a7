//! Puts a replica together from what its disk holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dab_proof::note::SigningKey;
use dab_proof::trust::Trust;
use prost_for_raft::Message as _;
use raft::eraftpb::{ConfState, HardState, Snapshot};

use super::{Replica, ReplicaLimits, ReplicaParts};
use crate::Error;
use crate::certify::Certifier;
use crate::checkpoint_file::CheckpointFile;
use crate::clock::Clock;
use crate::config::NodeLimits;
use crate::disk::Disk;
use crate::epoch::Epoch;
use crate::machine::epochs::{epoch_shown, policies_in};
use crate::machine::pending::Pending;
use crate::machine::{FlushLimits, Machine, Parts, WaitLimits, frontier_in};
use crate::peer::ReplicaId;
use crate::raft::{Driver, LogStorage, RaftLimits};
use crate::raft_snapshot::Target;
use crate::raft_snapshot::staging::Staging;
use crate::room::Room;
use crate::shared::Shared;
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
        let mut parts = self.clone().parts(None)?;
        if let Some(target) = parts.target.take() {
            go_on_installing(&mut parts, &target)?;
        }
        parts.staging.clear()?;
        // what follows judges by the state as it is then
        drop(parts);
        let (id, settings, founded, limits) = (self.id, self.settings.clone(), self.trust.clone(), self.limits.clone());
        let (disk, private_dir, public_dir) = (
            Arc::clone(&self.disk),
            self.private_dir.clone(),
            self.public_dir.clone(),
        );
        let (first_voters, election_seed) = (self.first_voters.clone(), self.election_seed);
        let parts = self.parts(lock)?;
        let (mut machine, shared) = (parts.machine, parts.shared);
        let raft_log_syncs = parts.raft_log.sync_counter();
        let is_alone = first_voters.len() == 1;
        let conf_state = shared.read(|_, state| conf_state_in(&state.meta.conf_state, first_voters))?;
        machine.begin_with(&conf_state, &settings)?;
        let mut driver = Driver::new(
            id,
            parts.raft_log,
            machine.applied_position(),
            conf_state,
            &RaftLimits::default(),
            election_seed,
        )?;
        if !is_alone {
            // the founding gave every replica the same
            driver.agree_on(settings.clone());
        }
        let mut replica = Replica::new(ReplicaParts {
            driver,
            machine,
            room: Room::of(disk, &[&private_dir, &public_dir]),
            staging: parts.staging,
            limits: ReplicaLimits {
                group_leaves_max: limits.group_leaves_max,
                group_bytes_max: limits.group_bytes_max,
                raft_log_bytes_max: limits.raft_log_bytes_max,
            },
            settings,
            founded,
            id,
        });
        replica.start()?;
        Ok(Opened {
            replica,
            shared,
            raft_log_syncs,
        })
    }

    /// Opens what is on disk, and replays nothing.
    fn parts(self, lock: Option<std::fs::File>) -> Result<OnDisk, Error> {
        let (disk, limits) = (self.disk, self.limits);
        let state_path = self.private_dir.join("state.redb");
        let state = StateStore::open(&*disk, &state_path, limits.checkpoints_listed_max)?;
        let meta = state.meta.clone();
        let raft_log = LogStorage::open(Arc::clone(&disk), &self.private_dir.join("raft"), limits.segment_bytes)?;
        let tiles = TileStore::open(Arc::clone(&disk), &self.public_dir, frontier_in(&meta)?)?;
        let policies = policies_in(&state, self.trust.policy.clone())?;
        // one that was invited is in no earlier epoch than that
        let epoch = epoch_shown(&state)?
            .filter(|epoch| epoch.is_alone() || epoch.members.get(ReplicaId(self.id)).is_some())
            .or(self.joined);
        let checkpoint_file = CheckpointFile::open(Arc::clone(&disk), &self.public_dir, &policies, &meta.checkpoint)?;
        let files = PublicFiles::new(Arc::clone(&disk), &self.public_dir);
        let alone = self.trust.policy.needs_no_cosigner();
        let shared = Shared::new(files, state, lock, alone, &self.settings.origin, epoch);
        let machine = Machine::new(Parts {
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
        Ok(OnDisk {
            machine,
            shared,
            raft_log,
            staging: Staging::new(disk, &self.private_dir),
            target: target_in(&meta, &self.trust)?,
        })
    }
}

/// What one replica has on disk.
struct OnDisk {
    machine: Machine,
    shared: Arc<Shared>,
    raft_log: LogStorage,
    staging: Staging,
    /// What the state was being taken over for, when the last run ended.
    target: Option<Target>,
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

/// Goes on where a crash has cut off [`Machine::begin_install`] and what follows, until the state says nothing of it any more.
fn go_on_installing(parts: &mut OnDisk, target: &Target) -> Result<(), Error> {
    let OnDisk {
        machine,
        raft_log,
        staging,
        ..
    } = parts;
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
    machine.end_install()?;
    machine.flush_installed(target)
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
