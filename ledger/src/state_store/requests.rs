//! Requests that were carried out, in the state database.
//!
//! | table | key | value, integers big-endian |
//! | --- | --- | --- |
//! | `requests` | request 32 | statement 32, then the leaf indexes, u64 each |
//! | `requests_by_leaf` | first leaf index u64 | request 32 |
//!
//! A flush clears away those that no tree of the present size remembers; until then they are passed over.

use std::collections::BTreeMap;

use dab_proof::tree::LeafIndex;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{StateStore, hash_at, u64_at};
use crate::Error;
use crate::notary::REQUEST_WINDOW_LEAVES;
use crate::state_machine::CarriedOut;

const REQUESTS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("requests");
const BY_LEAF: TableDefinition<'_, u64, [u8; 32]> = TableDefinition::new("requests_by_leaf");

/// Memory that a request takes besides its leaves, roughly.
const REQUEST_OVERHEAD_BYTES: usize = 192;

/// Requests carried out since the last flush.
pub(super) type RecentRequests = BTreeMap<[u8; 32], CarriedOut>;

/// Memory that a request takes, roughly.
pub(super) fn bytes_of(carried_out: &CarriedOut) -> usize {
    REQUEST_OVERHEAD_BYTES + size_of_val(carried_out.leaves.as_slice())
}

impl StateStore {
    pub(super) fn find_request(&self, request: &[u8; 32]) -> Result<Option<CarriedOut>, Error> {
        if let Some(carried_out) = self.recent.requests.get(request) {
            return Ok(Some(carried_out.clone()));
        }
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(REQUESTS)?;
            Ok(table.get(request)?.map(|bytes| from_bytes(bytes.value())))
        };
        read().map_err(|error| self.failed(&error))
    }
}

impl StateStore {
    /// The request that a leaf is the first of, where it is remembered.
    pub(crate) fn request_at(&self, leaf: LeafIndex) -> Result<Option<([u8; 32], CarriedOut)>, Error> {
        let begins_here = |carried_out: &CarriedOut| carried_out.leaves.first() == Some(&leaf);
        let mut recent = self.recent.requests.iter();
        let found = match recent.find(|(_, carried_out)| begins_here(carried_out)) {
            Some((request, carried_out)) => Some((*request, carried_out.clone())),
            None => {
                let read = || -> Result<_, redb::Error> {
                    let table = self.db.begin_read()?.open_table(BY_LEAF)?;
                    Ok(table.get(leaf.0)?.map(|request| request.value()))
                };
                let request = read().map_err(|error| self.failed(&error))?;
                let carried_out = request.map_or(Ok(None), |request| self.find_request(&request))?;
                request.zip(carried_out)
            }
        };
        let is_remembered = |(_, carried_out): &([u8; 32], CarriedOut)| {
            begins_here(carried_out) && carried_out.is_remembered(self.meta.tree_size)
        };
        Ok(found.filter(is_remembered))
    }
}

/// Writes what came since the last flush, and clears away what a tree of this size has forgotten.
pub(super) fn flush(
    transaction: &WriteTransaction,
    recent: &RecentRequests,
    tree_size: u64,
) -> Result<(), redb::Error> {
    let mut requests = transaction.open_table(REQUESTS)?;
    let mut by_leaf = transaction.open_table(BY_LEAF)?;
    for (request, carried_out) in recent {
        requests.insert(request, to_bytes(carried_out).as_slice())?;
        by_leaf.insert(carried_out.leaves.first().map_or(0, |leaf| leaf.0), request)?;
    }
    let oldest = tree_size.saturating_sub(REQUEST_WINDOW_LEAVES);
    let mut forgotten = Vec::new();
    by_leaf.retain_in(..oldest, |leaf, request| {
        forgotten.push((leaf, request));
        false
    })?;
    for (leaf, request) in forgotten {
        // a key may have been used again since
        let is_old = requests
            .get(&request)?
            .is_some_and(|bytes| first_leaf(bytes.value()) == Some(leaf));
        if is_old {
            requests.remove(&request)?;
        }
    }
    Ok(())
}

fn to_bytes(carried_out: &CarriedOut) -> Vec<u8> {
    let mut bytes = carried_out.statement.to_vec();
    for leaf in &carried_out.leaves {
        bytes.extend(leaf.0.to_be_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> CarriedOut {
    let leaves = bytes[32..].chunks_exact(8);
    CarriedOut {
        statement: hash_at(bytes, 0),
        leaves: leaves.map(|leaf| LeafIndex(u64_at(leaf, 0))).collect(),
    }
}

fn first_leaf(bytes: &[u8]) -> Option<u64> {
    from_bytes(bytes).leaves.first().map(|leaf| leaf.0)
}

#[cfg(test)]
mod tests {
    use crate::disk::LocalDisk;
    use crate::state_machine::{Effects, StateView};

    use super::*;

    fn carried_out(first: u64) -> CarriedOut {
        CarriedOut {
            statement: [first as u8; 32],
            leaves: vec![LeafIndex(first), LeafIndex(first + 1)],
        }
    }

    #[test]
    fn requests_outlive_a_flush_and_a_restart_and_go_with_their_window() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let open = || StateStore::open(&LocalDisk, &path, 8).unwrap();
        let mut store = open();
        let take = |store: &mut StateStore, request: u8, first: u64| {
            let effects = Effects {
                requests: vec![([request; 32], carried_out(first))],
                ..Effects::default()
            };
            store.insert(&effects);
            store.meta.tree_size = first + 2;
        };
        let flush = |store: &mut StateStore| {
            store.flush().unwrap();
            store.forget_recent();
        };
        take(&mut store, 1, 0);
        take(&mut store, 2, 5);
        assert_eq!(store.request(&[1; 32]).unwrap(), Some(carried_out(0)));
        flush(&mut store);
        drop(store);
        let mut store = open();
        assert_eq!(store.request(&[1; 32]).unwrap(), Some(carried_out(0)));
        // the second is used again after its window: the old row goes, the new one stays
        take(&mut store, 2, REQUEST_WINDOW_LEAVES + 20);
        flush(&mut store);
        assert_eq!(store.request(&[1; 32]).unwrap(), None);
        assert_eq!(
            store.request(&[2; 32]).unwrap(),
            Some(carried_out(REQUEST_WINDOW_LEAVES + 20))
        );
        assert_eq!(store.request(&[3; 32]).unwrap(), None);
    }
}
