//! What each commit of a table says about itself.

use dab_proof::hash::Hash;
use dab_proof::tree::LeafIndex;
use serde_json::Value;

use crate::commit::context::LoadedSource;
use crate::object_store::commit_path;
use crate::table_log::{RatifiedCommit, TableLog};
use crate::{Error, TableVersion};

/// One commit, as its notarized file and its leaf describe it.
#[derive(Debug, Clone)]
pub struct CommitRecord {
    /// The version that it made.
    pub version: TableVersion,
    /// Its time, milliseconds since the epoch, UTC: the writer's word, and always after its parent's.
    pub timestamp_unix_ms: i64,
    /// The operation that the leaf names.
    pub operation: String,
    /// The user, as the server knew them.
    pub user: String,
    /// Rows in the files added; `None` where a file tells no number.
    pub rows_added: Option<u64>,
    /// Files added.
    pub files_added: u64,
    /// Files removed.
    pub files_removed: u64,
    /// Bytes in the files added.
    pub bytes_added: u64,
    /// Where the ledger has it.
    pub leaf_index: LeafIndex,
    /// The commit digest: BLAKE3 of the commit file.
    pub digest: [u8; 32],
    /// The leaf hash of the commit before; `None` for version 0.
    pub parent: Option<Hash>,
    /// Inputs from outside.
    pub sources: Vec<LoadedSource>,
    /// The pins of the tables that the write read, as JSON.
    pub read: Vec<Value>,
}

/// Reads the last `limit` commits, newest first.
pub(crate) async fn history(log: &TableLog, limit: Option<usize>) -> Result<Vec<CommitRecord>, Error> {
    let Some(latest) = log.latest().await? else {
        return Ok(Vec::new());
    };
    let mut records = Vec::new();
    for version in (0..=latest.0).rev().take(limit.unwrap_or(usize::MAX)) {
        records.push(record(log, TableVersion(version)).await?);
    }
    Ok(records)
}

pub(crate) async fn record(log: &TableLog, version: TableVersion) -> Result<CommitRecord, Error> {
    let lost = || Error::commit_lost(version);
    let commit = log.ratified(version).await?.ok_or_else(lost)?;
    let bytes = log.bytes(version).await?.ok_or_else(lost)?;
    read_actions(version, &commit, &bytes).map_err(|error| Error::InvalidCommit {
        message: format!("{}: {error}", commit_path(version)),
    })
}

fn read_actions(
    version: TableVersion,
    commit: &RatifiedCommit,
    bytes: &[u8],
) -> Result<CommitRecord, serde_json::Error> {
    let leaf = commit.leaf.leaf();
    let mut record = CommitRecord {
        version,
        timestamp_unix_ms: 0,
        operation: leaf.operation.clone(),
        user: String::new(),
        rows_added: Some(0),
        files_added: 0,
        files_removed: 0,
        bytes_added: 0,
        leaf_index: commit.leaf_index,
        digest: leaf.body.blake3,
        parent: leaf.parent,
        sources: Vec::new(),
        read: Vec::new(),
    };
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: Value = serde_json::from_slice(line)?;
        if let Some(add) = action.get("add") {
            record.files_added += 1;
            record.bytes_added += add["size"].as_u64().unwrap_or(0);
            record.rows_added = record.rows_added.zip(rows(add)?).map(|(sum, rows)| sum + rows);
        } else if action.get("remove").is_some() {
            record.files_removed += 1;
        } else if let Some(info) = action.get("commitInfo") {
            record.timestamp_unix_ms = info["timestamp"].as_i64().unwrap_or(0);
            let dab = &info["dab"];
            record.user = dab["user"].as_str().unwrap_or_default().to_owned();
            if let Some(sources) = dab.get("sources") {
                record.sources = serde_json::from_value(sources.clone())?;
            }
            record.read = dab["read"].as_array().cloned().unwrap_or_default();
        }
    }
    Ok(record)
}

/// The number of rows that an added file's statistics tell.
fn rows(add: &Value) -> Result<Option<u64>, serde_json::Error> {
    let Some(stats) = add["stats"].as_str() else {
        return Ok(None);
    };
    Ok(serde_json::from_str::<Value>(stats)?["numRecords"].as_u64())
}
