//! The replicas that this one talks to, and how raft comes to count them.
//!
//! ```text
//! leaf on `members` applied -> certified by the old members -> shown: the transport connects the new ones
//!                                                          \-> the leader proposes raft's own changes, one at a time
//! ```
//!
//! Raft's members order leaves and certify nothing, so they may lag behind. A replica takes such an entry for what it is
//! only where it leads to the members that the last leaf names: a leader cannot make up voters.

use raft::eraftpb::{ConfChange, ConfChangeType};

use super::Replica;
use crate::Error;

impl Replica {
    /// All other replicas: those that raft knows, and those that hold the ledger together now.
    pub(super) fn others(&self) -> Vec<u64> {
        let mut others = self.driver.others();
        others.extend(self.machine.members_shown());
        others.sort_unstable();
        others.dedup();
        others.retain(|id| *id != self.id);
        others
    }

    /// Whether this replica is a member, as far as it knows; one that was removed asks nobody for votes.
    pub(super) fn is_member(&self) -> bool {
        let members = self.machine.members_shown();
        members.is_empty() || members.contains(&self.id)
    }

    /// Has raft count who the ledger's members are, where this replica leads. One change at a time: each is safe by itself.
    pub(super) fn propose_members(&mut self) -> Result<(), Error> {
        if !self.driver.leads() {
            self.members_change_at = None;
            return Ok(());
        }
        if self.machine.certifier().policies().bound().is_some() {
            return Ok(());
        }
        let Some((gone, new)) = self.machine.members_beyond_raft() else {
            return Ok(());
        };
        let (id, kind) = match (gone.first(), new.first()) {
            (None, None) => {
                self.next_members_proposal = self.ticks;
                return Ok(());
            }
            _ if self.ticks < self.next_members_proposal => return Ok(()),
            // whoever is to go does not lead to the end: another one sees to it
            (Some(id), _) if *id == self.id => return self.driver.step_down(),
            (Some(id), _) => (*id, ConfChangeType::RemoveNode),
            (None, Some(id)) => (*id, ConfChangeType::AddNode),
        };
        self.next_members_proposal = self.ticks + super::notes::ASK_TICKS;
        let change = ConfChange {
            change_type: kind as i32,
            node_id: id,
            ..ConfChange::default()
        };
        self.driver.propose_members(&change)
    }
}
