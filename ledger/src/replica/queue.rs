//! Proposals that wait for an entry at the leader, by the replica that brought them.
//!
//! Each replica has its own bound, and entries are filled from all in turn: whoever brings much fills its own share, and keeps
//! nobody else's proposals out. A replica hands over again what takes long; what waits already is not queued twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ReplicaLimits;
use crate::state_machine::entry::ProposalBytes;

/// Bytes of one replica's proposals that wait; beyond, they are dropped and come again.
const SHARE_BYTES_MAX: usize = 8 << 20;

/// The proposals of all replicas.
#[derive(Debug, Default)]
pub(super) struct Queue {
    shares: BTreeMap<u64, Share>,
    /// Whose turn it was last.
    last: u64,
}

/// The proposals of one replica, in the order in which they came.
#[derive(Debug, Default)]
struct Share {
    proposals: VecDeque<ProposalBytes>,
    requests: BTreeSet<Vec<u8>>,
    bytes: usize,
}

/// A replica has brought more than may wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Proposals that wait.
    pub(super) fn len(&self) -> usize {
        self.shares.values().map(|share| share.proposals.len()).sum()
    }

    pub(super) fn clear(&mut self) {
        self.shares.clear();
    }

    /// Takes a proposal that `from` has brought, unless it waits already.
    pub(super) fn push(&mut self, from: u64, proposal: ProposalBytes) -> Result<(), Full> {
        let share = self.shares.entry(from).or_default();
        let bytes = share.bytes + proposal.size();
        if share.requests.contains(&proposal.request) {
            return Ok(());
        }
        // one alone always has room
        if bytes > SHARE_BYTES_MAX && !share.proposals.is_empty() {
            return Err(Full);
        }
        share.bytes = bytes;
        share.requests.insert(proposal.request.clone());
        share.proposals.push_back(proposal);
        Ok(())
    }

    /// Proposals for one entry: at least one where any wait, and as many as the bounds allow. A change of the members is the
    /// last of its entry.
    pub(super) fn next_group(&mut self, limits: &ReplicaLimits) -> Vec<ProposalBytes> {
        let (mut group, mut leaves, mut bytes) = (Vec::new(), 0, 0);
        while let Some(from) = self.next_in_turn() {
            let Some(proposal) = self.shares.get(&from).and_then(|share| share.proposals.front()) else {
                break;
            };
            let changes_members = proposal.changes_members();
            leaves += proposal.statements.len();
            bytes += proposal.size();
            if !group.is_empty() && (leaves > limits.group_leaves_max || bytes > limits.group_bytes_max) {
                break;
            }
            group.extend(self.pop(from));
            if changes_members {
                break;
            }
        }
        group
    }

    fn next_in_turn(&self) -> Option<u64> {
        let behind = self.shares.range(self.last + 1..).next();
        behind.or_else(|| self.shares.first_key_value()).map(|(from, _)| *from)
    }

    fn pop(&mut self, from: u64) -> Option<ProposalBytes> {
        self.last = from;
        let share = self.shares.get_mut(&from)?;
        let proposal = share.proposals.pop_front()?;
        share.bytes -= proposal.size();
        share.requests.remove(&proposal.request);
        if share.proposals.is_empty() {
            self.shares.remove(&from);
        }
        Some(proposal)
    }
}

#[cfg(test)]
mod tests {
    use dab_proof::note::SigningKey;

    use super::*;
    use crate::state_machine::entry::StatementBytes;
    use crate::testing::statement;

    fn limits() -> ReplicaLimits {
        ReplicaLimits {
            group_leaves_max: 4,
            group_bytes_max: 1 << 20,
            raft_log_bytes_max: 0,
        }
    }

    /// A proposal whose request is `number`, with a body of so many bytes.
    fn proposal(number: u8, body_bytes: usize) -> ProposalBytes {
        let writer = SigningKey::generate("w", &[1; 32]).unwrap();
        let leaf = statement("dab/test", &writer, "table/t", 0, None, "x").leaf;
        let statement = StatementBytes {
            leaf: leaf.bytes().to_vec(),
            body: Some(vec![0; body_bytes].into()),
        };
        ProposalBytes {
            statements: vec![statement],
            request: vec![number],
            once: None,
        }
    }

    fn requests(group: &[ProposalBytes]) -> Vec<u8> {
        group.iter().map(|proposal| proposal.request[0]).collect()
    }

    #[test]
    fn entries_are_filled_from_all_in_turn() {
        let mut queue = Queue::default();
        for number in 10..16 {
            queue.push(1, proposal(number, 0)).unwrap();
        }
        queue.push(2, proposal(20, 0)).unwrap();
        queue.push(3, proposal(30, 0)).unwrap();
        assert_eq!(requests(&queue.next_group(&limits())), [10, 20, 30, 11]);
        queue.push(2, proposal(21, 0)).unwrap();
        assert_eq!(requests(&queue.next_group(&limits())), [21, 12, 13, 14]);
        assert_eq!(requests(&queue.next_group(&limits())), [15]);
        assert!(queue.is_empty() && queue.next_group(&limits()).is_empty());
    }

    #[test]
    fn what_waits_already_is_not_queued_twice_and_may_come_again_later() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.push(1, proposal(1, 0)).unwrap();
        }
        // another replica's request of the same name is another's
        queue.push(2, proposal(1, 0)).unwrap();
        assert_eq!(queue.len(), 2);
        queue.next_group(&limits());
        queue.push(1, proposal(1, 0)).unwrap();
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn whoever_brings_too_much_is_refused_and_nobody_else() {
        let mut queue = Queue::default();
        let mut number = 0;
        while queue.push(1, proposal(number, 1 << 20)).is_ok() {
            number += 1;
        }
        assert_eq!(usize::from(number), SHARE_BYTES_MAX / (1 << 20) - 1);
        queue.push(2, proposal(200, 1 << 20)).unwrap();
        queue.clear();
        queue.push(1, proposal(0, SHARE_BYTES_MAX)).unwrap();
        assert_eq!(queue.push(1, proposal(1, 0)), Err(Full));
    }
}
