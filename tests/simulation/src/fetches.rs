//! Files that a replica which catches up by leaves asks of another one, and when it has an answer.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::replica::caught;
use crate::rules::Check;
use crate::world::World;

/// Steps after which the transport gives up on an answer.
const GIVEN_UP_STEPS: u64 = 300;

/// One file, asked for.
#[derive(Clone, Debug)]
struct Fetch {
    /// Who asks.
    by: u64,
    /// Who has it.
    from: u64,
    path: String,
    /// Whether the question or the answer is lost.
    lost: bool,
}

/// All that is under way, by the step at which the answer comes.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    due: BTreeMap<(u64, u64), Fetch>,
    asked: u64,
}

impl World {
    /// Asks for the file that a replica wants now, if there is one.
    pub(crate) fn ask_for_file(&mut self, id: u64) -> Check {
        let Some(core) = &mut self.machines[id as usize - 1].core else {
            return Ok(());
        };
        let (from, path) = match caught(|| core.wanted()) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(()),
            Err(stop) => return self.stopped(id, &stop),
        };
        let lost = self.rng.chance(self.scenario.weather.loss);
        let steps = match lost {
            true => GIVEN_UP_STEPS,
            false => self.rng.between(2, 2 * self.scenario.weather.delay_max),
        };
        self.fetches.asked += 1;
        let (by, at) = (id, (self.now + steps, self.fetches.asked));
        self.fetches.due.insert(at, Fetch { by, from, path, lost });
        Ok(())
    }

    /// Brings the answers that are due.
    pub(crate) fn answer_fetches(&mut self) -> Check {
        while let Some(first) = self.fetches.due.first_entry().filter(|first| first.key().0 <= self.now) {
            let fetch = first.remove();
            let file = self.file_for(&fetch);
            self.report.files_fetched += u64::from(file.is_some());
            let machine = &mut self.machines[fetch.by as usize - 1];
            let Some(core) = &mut machine.core else { continue };
            machine.busy = true;
            if let Err(stop) = caught(|| core.fetched(fetch.from, fetch.path, file)) {
                self.stopped(fetch.by, &stop)?;
            }
        }
        Ok(())
    }

    fn file_for(&mut self, fetch: &Fetch) -> Option<Bytes> {
        let (by, from) = (fetch.by, fetch.from);
        if fetch.lost || self.network.is_cut(by, from) || self.network.is_cut(from, by) {
            return None;
        }
        let lies = self.is_traitor(from) && self.rng.chance(5000);
        let machine = &self.machines[from as usize - 1];
        let mut file = machine
            .core
            .as_ref()
            .filter(|_| machine.awake(self.now))?
            .file(&fetch.path)?;
        if lies && !file.is_empty() {
            self.report.files_forged += 1;
            let at = self.rng.below(file.len());
            match self.rng.chance(5000) {
                true => file[at] ^= 1 << self.rng.below(8),
                false => file.truncate(at),
            }
        }
        Some(file.into())
    }
}
