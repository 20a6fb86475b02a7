//! From a client's proposal to a raft entry: at the leader's own, or over to whoever leads.

use super::message::{Content, Forward, PeerMessage};
use super::{Outgoing, Replica};
use crate::Error;
use crate::machine::pending::REQUEST_ID_BYTES;
use crate::planted::planted;
use crate::state_machine::LedgerEntry;
use crate::state_machine::entry::ProposalBytes;

/// What is refused of one replica's forwarded proposals between two ticks before no more of them is looked at: to refuse costs a
/// check of a signature, and honest replicas forward nothing that is refused, but for keys that were just revoked.
const REFUSED_PER_TICK_MAX: u32 = 256;
/// How much a change of the epoch counts among these: to refuse it, all of the epoch is read.
const REFUSED_CHANGE_COUNTS: u32 = 64;

/// Bytes of one message of forwarded proposals, but for a single larger one.
const FORWARD_BYTES_MAX: usize = 1 << 20;

impl Replica {
    /// Gives the clients' proposals to whoever leads.
    pub(super) fn hand_over(&mut self) -> Result<(), Error> {
        let Some(leader) = self.driver.leader() else {
            return Ok(());
        };
        let now = self.now();
        let due = self.machine.pending().due(now);
        if self.driver.leads() {
            for proposal in due {
                // where too much waits, it is due again later
                let _ = self.queue.push(self.id, proposal);
            }
            return Ok(());
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        for proposal in due {
            bytes += proposal.size();
            group.push(proposal);
            if bytes >= FORWARD_BYTES_MAX {
                self.forward(leader, std::mem::take(&mut group));
                bytes = 0;
            }
        }
        if !group.is_empty() {
            self.forward(leader, group);
        }
        Ok(())
    }

    fn forward(&mut self, leader: u64, proposals: Vec<ProposalBytes>) {
        let message = PeerMessage::to_bytes(Content::Forward(Forward { proposals }));
        self.outgoing.push(Outgoing { to: leader, message });
    }

    pub(super) fn receive_forward(&mut self, from: u64, forward: Forward) -> Result<(), Error> {
        // whoever forwarded it learns of the new leader and forwards again
        if !self.driver.leads() || self.room.check().is_err() {
            return Ok(());
        }
        let mut refused = self.refused_this_tick.get(&from).copied().unwrap_or_default();
        let writers = self.machine.writers()?;
        for proposal in forward.proposals {
            if refused >= REFUSED_PER_TICK_MAX {
                self.count_refusal(from, "too much of what it forwards is refused");
                break;
            }
            if !proposal.is_bounded() || proposal.request.len() != REQUEST_ID_BYTES {
                self.count_refusal(from, "it forwards what is no proposal");
                break;
            }
            // its own replica has checked it: what will be refused shall not fill everybody's log
            if self.machine.shared().may_enter(&proposal, &writers)?.is_err() {
                // a key may have been revoked since: what came with it is not held up
                self.count_refusal(from, "it forwards what may not be written");
                refused += if proposal.changes_members() {
                    REFUSED_CHANGE_COUNTS
                } else {
                    1
                };
                continue;
            }
            if self.queue.push(from, proposal).is_err() {
                self.count_refusal(from, "too much of it waits to be proposed");
                break;
            }
        }
        self.refused_this_tick.insert(from, refused);
        Ok(())
    }

    pub(super) fn propose_entries(&mut self) -> Result<(), Error> {
        if !self.driver.leads() {
            self.queue.clear();
            return Ok(());
        }
        let settled = self.machine.settings()?.is_some() || planted("a ledger begins without settings");
        if !settled && !self.propose_settings()? {
            // without settings every proposal would be refused, for a reason that is none of its client's
            return Ok(());
        }
        if self.members_are_changing() {
            return Ok(());
        }
        while self.has_room_for_an_entry() && !self.members_are_changing() {
            let group = self.queue.next_group(&self.limits);
            let changes_members = group.last().is_some_and(ProposalBytes::changes_members);
            let entry = LedgerEntry::group(group).to_bytes();
            match self.driver.propose(entry.clone()) {
                // too much waits to be committed: what can be is, and the entry tried once more
                Err(Error::NoLeader) if self.driver.leads() => {
                    self.driver.pump(&mut self.machine)?;
                    match self.driver.propose(entry) {
                        // those who wait hand it over again
                        Err(Error::NoLeader) => break,
                        result => result?,
                    }
                }
                Err(Error::NoLeader) => break,
                result => result?,
            }
            if changes_members {
                self.members_change_at = Some(self.driver.raft_log_end());
            }
        }
        Ok(())
    }

    /// Whether proposals wait, and an entry of them may be made now: while one is on its way to being applied, the next group
    /// gathers, since each entry costs syncs, signatures and files, whatever is in it. A lone proposal waits for nobody.
    pub(super) fn has_room_for_an_entry(&self) -> bool {
        !self.queue.is_empty() && self.driver.raft_log_end() == self.machine.applied_position().index
    }

    /// Whether a change of the members is under way: what comes behind it waits until the old ones have certified it, and raft
    /// counts the new ones. Leaves that only the new ones could certify would keep these from being let in.
    fn members_are_changing(&mut self) -> bool {
        let applied = self.machine.applied_position().index;
        self.members_change_at = self.members_change_at.filter(|index| *index > applied);
        let counts_others = self.machine.members_beyond_raft();
        self.members_change_at.is_some()
            || self.machine.certifier().policies().bound().is_some()
            || counts_others.is_some_and(|(gone, new)| !gone.is_empty() || !new.is_empty())
    }

    /// Asks for the ledger's first settings, once in a term; true when they are applied.
    fn propose_settings(&mut self) -> Result<bool, Error> {
        let term = self.driver.term();
        // behind the first entry of its term, a leader knows that no earlier one left settings
        if self.machine.applied_position().term == term && self.settings_asked_in != term {
            let entry = LedgerEntry::settings(self.settings.clone());
            match self.driver.propose(entry.to_bytes()) {
                // too much waits to be committed: the next round asks again
                Err(Error::NoLeader) => return Ok(false),
                result => result?,
            }
            self.settings_asked_in = term;
            self.driver.pump(&mut self.machine)?;
        }
        Ok(self.machine.settings()?.is_some())
    }
}
