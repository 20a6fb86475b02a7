//! What kind of run a seed stands for.

use crate::checker::Voters;
use crate::ledger::{REPLICAS, SUBJECTS_MAX};
use crate::network::Weather;
use crate::rng::Rng;

/// The Byzantine replica's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treason {
    /// Contradicting notes, bad cosignatures, forged terms and commit indexes, garbage, old messages again.
    Messages,
    /// Other entries for other followers, and forgeries that nobody can tell from the truth.
    Lies,
    /// Its disk is set back to an older state, and it goes on as if nothing had happened.
    Rollback,
    /// Its disk says for a while that it has synced, and has not; then the power goes.
    LyingDisk,
}

impl Treason {
    /// What raft may count on beside such a replica.
    pub(crate) fn voters(self) -> Voters {
        match self {
            Treason::Messages => Voters::Honest,
            Treason::Rollback | Treason::LyingDisk => Voters::Forgetful,
            Treason::Lies => Voters::Lying,
        }
    }
}

/// Bounds of the replicas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreLimits {
    /// Entries between two flushes of the state.
    pub(crate) flush_entries: u64,
    pub(crate) segment_bytes: u32,
    /// Bytes of the raft log at which it gives up what others still need.
    pub(crate) raft_log_bytes: u64,
}

/// The choices that hold for a whole run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) weather: Weather,
    pub(crate) traitor: Option<(u64, Treason)>,
    /// How often faults come; chances per step in ten thousand.
    pub(crate) fault_rate: u64,
    /// Steps with faults.
    pub(crate) steps: u64,
    pub(crate) clients: usize,
    pub(crate) subjects: usize,
    pub(crate) limits: CoreLimits,
    /// Bytes of the body that each statement carries.
    pub(crate) body_bytes: usize,
    /// How often the power goes right behind a vote; chances in ten thousand.
    pub(crate) cut_behind_vote: u64,
    /// How often a liar forges a message; chances per step in ten thousand.
    pub(crate) forgeries: u64,
}

impl Scenario {
    pub(crate) fn voters(&self) -> Voters {
        self.traitor.map_or(Voters::Honest, |(_, treason)| treason.voters())
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let weathers = [
            (0, 0, 3, 0),
            (100, 100, 10, 10),
            (1000, 300, 20, 100),
            (2500, 1000, 40, 200),
        ];
        let (loss, doubling, delay_max, straggler) = *rng.pick(&weathers);
        let treason = match rng.below(20) {
            0..3 => Some(Treason::Messages),
            3..7 => Some(Treason::Lies),
            7 => Some(Treason::Rollback),
            8 => Some(Treason::LyingDisk),
            _ => None,
        };
        let traitor = treason.map(|treason| (rng.between(1, REPLICAS), treason));
        Self {
            weather: Weather {
                loss,
                doubling,
                delay_max,
                straggler,
            },
            traitor,
            fault_rate: *rng.pick(&[5, 15, 40, 100]),
            steps: 4000,
            clients: 3 + rng.below(4),
            subjects: 1 + rng.below(SUBJECTS_MAX),
            limits: CoreLimits {
                flush_entries: *rng.pick(&[3, 20, 1000]),
                segment_bytes: *rng.pick(&[4 << 10, 64 << 10]),
                raft_log_bytes: *rng.pick(&[4 << 10, 1 << 30]),
            },
            body_bytes: if rng.below(12) == 0 { 60 << 10 } else { 0 },
            cut_behind_vote: *rng.pick(&[0, 0, 1000, 4000]),
            forgeries: *rng.pick(&[0, 50, 500]),
        }
    }
}
