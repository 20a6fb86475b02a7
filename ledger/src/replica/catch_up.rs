//! Catching up by what others give, where their raft logs do not reach back far enough any more (`raft_snapshot.rs`); and what
//! a leader gives.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use raft::eraftpb::Message;

use super::Replica;
use crate::Error;
use crate::raft_snapshot::Target;
use crate::raft_snapshot::incoming::{Incoming, Wanted};

/// Bundles that are taken over in one round, so that a replica that has many leaves to take over still stops when told to.
const BUNDLES_PER_ROUND: usize = 8;
/// Ticks after which a leader sends a snapshot once more to one that has not taken it: it may be lost, and one that is
/// still busy with the last goes on from there.
const SEND_AGAIN_TICKS: u64 = 100;

/// Where a replica stands in catching up.
#[derive(Debug)]
pub(super) enum CatchUp {
    /// Its raft log is enough.
    No,
    Fetching(Box<Incoming>),
    /// Everything is there, and raft waits: nothing else may change the state.
    Installing(Box<Target>),
}

impl Replica {
    /// Takes a raft snapshot: not over to raft yet, but as something to fetch.
    pub(super) fn receive_snapshot(&mut self, from: u64, mut message: Message) -> Result<(), Error> {
        if let Err(refusal) = self.driver.admit_snapshot(from, &message) {
            self.refuse(from, refusal);
            return Ok(());
        }
        let target = match Target::read(message.take_snapshot(), &self.founded) {
            Ok(target) => target,
            Err(reason) => {
                self.count_refusal(from, reason);
                return Ok(());
            }
        };
        if self.driver.has(target.at) {
            // raft tells the leader how far it is: an earlier answer may be lost
            return match self.catch_up {
                CatchUp::No => self.driver.take_snapshot(target.raft),
                _ => Ok(()),
            };
        }
        // one who has all leaves lacks nothing that a raft snapshot could bring, and would lose its raft log to a lie
        if target.head().size <= self.machine.tree_size() || !self.are_members(&target) {
            self.count_refusal(
                from,
                "its raft snapshot is of no more than is here, or of other members",
            );
            return Ok(());
        }
        match &mut self.catch_up {
            CatchUp::Installing(_) => {}
            CatchUp::Fetching(incoming) => incoming.retarget(target),
            CatchUp::No => {
                tracing::info!(from, leaves = %target.head().size, "this replica lacks what the raft logs hold no more, and fetches it");
                let mut sources = self.others();
                let first = sources.iter().position(|id| *id == from).unwrap_or(0);
                let places = sources.len().max(1);
                sources.rotate_left((first + self.failed_catch_ups) % places);
                let frontier = self.machine.frontier().clone();
                let incoming = Incoming::begin(self.staging.clone(), target, frontier, sources)?;
                self.catch_up = CatchUp::Fetching(Box::new(incoming));
            }
        }
        Ok(())
    }

    /// Whether raft's voters in a raft snapshot can be: at most one is missing, and one more, of the members that it names.
    fn are_members(&self, target: &Target) -> bool {
        let voters = &target.raft.get_metadata().get_conf_state().voters;
        let members = match &target.members {
            Some(members) => members.clone(),
            None => self.machine.members_founded(),
        };
        let is_in = |ids: &[u64], id: &u64| ids.contains(id);
        let more = voters.iter().filter(|id| !is_in(&members, id)).count();
        let missing = members.iter().filter(|id| !is_in(voters, id)).count();
        let distinct: BTreeSet<_> = voters.iter().collect();
        members.is_empty() || (more <= 1 && missing <= 1 && distinct.len() == voters.len())
    }

    /// A file of another replica that this one wants now.
    pub(crate) fn wanted(&mut self) -> Result<Option<Wanted>, Error> {
        match &mut self.catch_up {
            CatchUp::Fetching(incoming) => incoming.wanted(self.ticks),
            _ => Ok(None),
        }
    }

    /// The file that was wanted; `None` where it could not be had.
    ///
    /// # Errors
    ///
    /// Only what of this replica itself has failed.
    pub(crate) fn fetched(&mut self, wanted: &Wanted, file: Option<Bytes>) -> Result<(), Error> {
        match &mut self.catch_up {
            CatchUp::Fetching(incoming) => incoming.fetched(wanted, file),
            _ => Ok(()),
        }
    }

    /// Whether leaves are being fetched, for those who check invariants.
    #[cfg(feature = "testing")]
    pub(crate) fn is_fetching(&self) -> bool {
        matches!(self.catch_up, CatchUp::Fetching(_))
    }

    /// Whether leaves are being taken over: then raft has to wait, and the next round is due at once.
    pub(crate) fn is_installing(&self) -> bool {
        matches!(self.catch_up, CatchUp::Installing(_))
    }

    /// Takes over what is there; true while raft has to wait for more of it.
    pub(super) fn catch_up(&mut self) -> Result<bool, Error> {
        if let CatchUp::Fetching(incoming) = &self.catch_up
            && incoming.has_all()
            && self.driver.follows()
        {
            let target = incoming.target().clone();
            let comes_from_here = target.head().size > self.machine.tree_size() && !self.driver.has(target.at);
            let known = self.machine.members_changes()?;
            let holds = incoming.makes_the_root() && incoming.has_changes(known);
            if comes_from_here && holds {
                self.machine.begin_install(&target, &self.settings)?;
                self.catch_up = CatchUp::Installing(Box::new(target));
            } else {
                if !holds {
                    self.failed_catch_ups += 1;
                    tracing::error!("what other replicas gave, or what is here, is not what a quorum has certified");
                }
                self.staging.clear()?;
                self.catch_up = CatchUp::No;
            }
        }
        let CatchUp::Installing(target) = &self.catch_up else {
            return Ok(false);
        };
        let target = target.clone();
        let size = target.head().size;
        for _ in 0..BUNDLES_PER_ROUND {
            if self.machine.tree_size() == size {
                self.finish_catch_up(&target)?;
                return Ok(false);
            }
            let leaves = self.staging.leaves_from(self.machine.tree_size(), size)?;
            self.machine.take_over(leaves)?;
            if self.machine.flush_is_due()? {
                self.machine.flush(self.driver.raft_log())?;
            }
        }
        Ok(true)
    }

    fn finish_catch_up(&mut self, target: &Target) -> Result<(), Error> {
        self.driver.take_snapshot(target.raft.clone())?;
        self.driver.pump(&mut self.machine)?;
        if self.machine.applied_position() != target.at {
            let reason = "raft did not take the snapshot whose leaves were taken over".to_owned();
            return Err(Error::Raft { reason });
        }
        self.staging.clear()?;
        self.machine.end_install()?;
        self.machine.go_on_from(target)?;
        tracing::info!(leaves = %target.head().size, "this replica has taken over what it lacked");
        self.catch_up = CatchUp::No;
        Ok(())
    }

    /// Has a snapshot where a follower needs one, and sends it again to one that does not answer.
    pub(super) fn offer_snapshot(&mut self) -> Result<(), Error> {
        if self.driver.snapshot_is_wanted()
            && let Some((at, data)) = self.machine.raft_snapshot()?
        {
            self.driver.offer_snapshot(at, data.encode_to_vec());
        }
        Ok(())
    }

    /// Told of each tick.
    pub(super) fn send_snapshots_again(&mut self) {
        let awaiting = self.driver.awaiting_snapshot();
        self.snapshots_sent.retain(|id, _| awaiting.contains(id));
        for id in awaiting {
            let since = *self.snapshots_sent.entry(id).or_insert(self.ticks);
            if self.ticks - since >= SEND_AGAIN_TICKS {
                self.snapshots_sent.remove(&id);
                self.driver.snapshot_may_be_lost(id);
            }
        }
    }
}
