//! What kind of run a seed stands for.

use crate::ledger::REPLICAS;
use crate::network::Weather;
use crate::rng::Rng;

/// The Byzantine replica's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treason {
    /// Contradicting notes, bad cosignatures, forged terms and commit indexes, garbage, old messages again.
    Messages,
    /// Its disk is set back to an older state, and it goes on as if nothing had happened.
    Rollback,
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
    /// Entries between two flushes of the state.
    pub(crate) flush_entries: u64,
    pub(crate) segment_bytes: u32,
}

impl Scenario {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let weathers = [
            (0, 0, 3, 0),
            (100, 100, 10, 10),
            (1000, 300, 20, 100),
            (2500, 1000, 40, 200),
        ];
        let (loss, doubling, delay_max, straggler) = *rng.pick(&weathers);
        let traitor = match rng.below(10) {
            0 | 1 => Some((rng.between(1, REPLICAS), Treason::Messages)),
            2 => Some((rng.between(1, REPLICAS), Treason::Rollback)),
            _ => None,
        };
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
            subjects: 1 + rng.below(4),
            flush_entries: *rng.pick(&[3, 20, 1000]),
            segment_bytes: *rng.pick(&[4 << 10, 64 << 10]),
        }
    }
}
