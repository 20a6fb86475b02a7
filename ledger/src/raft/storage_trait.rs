//! The raft log as raft-rs reads it.

use prost_for_raft::Message as _;
use raft::eraftpb::{ConfState, Entry, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

use super::log_storage::LogStorage;

/// The log and the membership that goes with the applied state.
#[derive(Debug)]
pub(crate) struct RaftStorage {
    pub(crate) raft_log: LogStorage,
    pub(crate) conf_state: ConfState,
}

impl Storage for RaftStorage {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(
            self.raft_log.hard_state().clone(),
            self.conf_state.clone(),
        ))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.raft_log.base().index {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.raft_log.last().index + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let (mut entries, mut size) = (Vec::new(), 0);
        for index in low..high {
            let entry = self
                .raft_log
                .entry(index)
                .map_err(|error| Error::Store(StorageError::Other(error.into())))?;
            let entry = entry.ok_or(Error::Store(StorageError::Unavailable))?;
            size += entry.encoded_len() as u64;
            if size > max_size && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index < self.raft_log.base().index {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.raft_log
            .term_at(index)
            .ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.raft_log.base().index + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.raft_log.last().index)
    }

    /// No replica needs a raft snapshot: the log keeps what any of them lacks. raft-rs asks again where one does, whose disk
    /// was rolled back, say.
    fn snapshot(&self, _request_index: u64, _to: u64) -> Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
