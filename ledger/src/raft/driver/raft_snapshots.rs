//! Raft snapshots: what raft-rs asks for where the log does not reach back far enough, and what it is given.

use raft::eraftpb::{Message, MessageType, Snapshot, SnapshotMetadata};
use raft::{ProgressState, SnapshotStatus};

use super::{Driver, raft_error};
use crate::Error;
use crate::raft::Position;
use crate::raft::guard::{self, Refusal};

impl Driver {
    /// Why a snapshot that `from` sends is of no use here, or refused.
    ///
    /// # Errors
    ///
    /// The refusal of [`guard::admit_snapshot`].
    pub(crate) fn admit_snapshot(&self, from: u64, message: &Message) -> Result<(), Refusal> {
        guard::admit_snapshot(&self.node, from, message)
    }

    /// Whether the log has this entry, or has given it up.
    pub(crate) fn has(&self, at: Position) -> bool {
        let raft_log = &self.node.raft.raft_log;
        at.index < raft_log.committed || raft_log.term(at.index).ok() == Some(at.term)
    }

    /// Whether this replica follows a leader that it knows.
    pub(crate) fn follows(&self) -> bool {
        self.leader().is_some_and(|leader| leader != self.node.raft.id)
    }

    /// Gives raft a snapshot, all of whose leaves are here, as if the present leader had sent it: what is certified is so
    /// whoever leads. Somebody has to.
    pub(crate) fn take_snapshot(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        let raft = &self.node.raft;
        let mut message = Message {
            msg_type: MessageType::MsgSnapshot as i32,
            from: raft.leader_id,
            to: raft.id,
            term: raft.term,
            ..Message::default()
        };
        message.set_snapshot(snapshot);
        self.node.step(message).map_err(raft_error)
    }

    /// Whether another replica needs a snapshot that is not there.
    pub(crate) fn snapshot_is_wanted(&self) -> bool {
        self.leads() && self.node.store().snapshot_wanted.get()
    }

    /// Has the state at `at` for those who need a snapshot.
    pub(crate) fn offer_snapshot(&mut self, at: Position, data: Vec<u8>) {
        let storage = self.node.mut_store();
        let mut metadata = SnapshotMetadata {
            index: at.index,
            term: at.term,
            ..SnapshotMetadata::default()
        };
        metadata.set_conf_state(storage.conf_state.clone());
        let mut snapshot = Snapshot {
            data,
            ..Snapshot::default()
        };
        snapshot.set_metadata(metadata);
        storage.snapshot = Some(snapshot);
        storage.snapshot_wanted.set(false);
    }

    /// Replicas to which a snapshot was sent and which have not answered.
    pub(crate) fn awaiting_snapshot(&self) -> Vec<u64> {
        let waits =
            |(id, progress): (&u64, &raft::Progress)| (progress.state == ProgressState::Snapshot).then_some(*id);
        let progress = self.node.raft.prs().iter();
        progress.filter_map(waits).collect()
    }

    /// Tells raft that a snapshot may not have arrived: it sends another one, of a later state where there is one.
    pub(crate) fn snapshot_may_be_lost(&mut self, id: u64) {
        self.node.store().snapshot_wanted.set(true);
        self.node.report_snapshot(id, SnapshotStatus::Failure);
    }
}
