//! The raft log as raft-rs reads it.

use std::cell::Cell;

use prost_for_raft::Message as _;
use raft::eraftpb::{ConfState, Entry, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

use super::log_storage::LogStorage;

/// The log, the membership that goes with the applied state, and what a replica is given that lacks older entries.
#[derive(Debug)]
pub(crate) struct RaftStorage {
    pub(crate) raft_log: LogStorage,
    pub(crate) conf_state: ConfState,
    /// What [`Storage::snapshot`] answers, as long as the log holds what follows.
    pub(crate) snapshot: Option<Snapshot>,
    /// Somebody needs a newer one.
    pub(crate) snapshot_wanted: Cell<bool>,
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

    /// raft-rs asks again, where there is none yet: at the answer to the next heartbeat.
    fn snapshot(&self, request_index: u64, _to: u64) -> Result<Snapshot> {
        let needed = request_index.max(self.raft_log.base().index);
        let usable = |snapshot: &&Snapshot| snapshot.get_metadata().index >= needed;
        self.snapshot.as_ref().filter(usable).cloned().ok_or_else(|| {
            self.snapshot_wanted.set(true);
            Error::Store(StorageError::SnapshotTemporarilyUnavailable)
        })
    }
}
