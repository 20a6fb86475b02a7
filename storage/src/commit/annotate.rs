//! Writes into the commit file what the ledger shall bind: the digest of every file added, and whence it all came. The
//! files of further file writers are added here too; deltalake does not know of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dab_proof::commit_file::{COMMIT_BYTES_MAX, FileDigest, files_root};
use dab_proof::hash::Hash;
use dab_proof::leaf::FilesRoot;
use deltalake_core::kernel::Action;
use object_store::path::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::commit::Operation;
use crate::{Error, TableId, TableVersion};

/// Where a commit stands in its table's history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) table: TableId,
    pub(crate) version: TableVersion,
    /// The leaf hash of the version before; `None` for version 0.
    pub(crate) parent: Option<Hash>,
    /// The time of the version before, milliseconds since the epoch.
    pub(crate) parent_timestamp: Option<i64>,
    /// The clock now, milliseconds since the epoch.
    pub(crate) now: i64,
}

impl Place {
    /// The time that the commit will bear. Time travel asks for the last version at or before a time, so a version's time
    /// lies after its parent's even when the clock was set back.
    pub(crate) fn timestamp(&self) -> i64 {
        let after_parent = |parent: i64| parent.saturating_add(1);
        self.parent_timestamp
            .map_or(self.now, |parent| self.now.max(after_parent(parent)))
    }
}

/// A commit file as it will be published.
#[derive(Debug)]
pub(crate) struct Annotated {
    pub(crate) bytes: Vec<u8>,
    pub(crate) files: Option<FilesRoot>,
    pub(crate) rows: u64,
}

/// Rewrites the commit file that deltalake built. Fails with [`Error::InvalidCommit`] where it adds a file that this
/// operation did not write, or names a path that leaves the table.
pub(crate) fn annotate(
    commit: &[u8],
    place: Place,
    operation: &Operation,
    operation_id: Uuid,
) -> Result<Annotated, Error> {
    let mut bytes = Vec::with_capacity(commit.len() + 512);
    let mut files = Vec::new();
    let mut rows = 0;
    let mut has_commit_info = false;
    let added = added_actions(operation)?;
    let actions = commit.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let actions = actions.map(|line| {
        serde_json::from_slice(line).map_err(|error| invalid(format!("a line of the commit is no JSON: {error}")))
    });
    for action in actions.chain(added.iter().cloned().map(Ok)) {
        let mut action: Value = action?;
        if let Some(add) = action.get_mut("add") {
            rows += rows_of(add);
            files.push(annotate_add(add, operation)?);
        } else if let Some(info) = action.get_mut("commitInfo") {
            has_commit_info = true;
            annotate_commit_info(info, place, operation, operation_id);
            count_added(info, &added);
        } else if let Some(metadata) = action.get_mut("metaData") {
            annotate_metadata(metadata, place.table);
        } else if let Some(remove) = action.get("remove") {
            check_path(text(remove, "path")?)?;
        }
        serde_json::to_writer(&mut bytes, &action).map_err(|error| invalid(error.to_string()))?;
        bytes.push(b'\n');
    }
    if !has_commit_info {
        return Err(invalid("the commit has no commitInfo".into()));
    }
    if bytes.len() > COMMIT_BYTES_MAX {
        let message = format!(
            "the commit file would have {} bytes and verifiers read {COMMIT_BYTES_MAX}: write fewer files at once",
            bytes.len()
        );
        return Err(invalid(message));
    }
    let files = files_root(&files)?;
    Ok(Annotated { bytes, files, rows })
}

/// The files that deltalake has not written itself, as lines of a commit.
fn added_actions(operation: &Operation) -> Result<Vec<Value>, Error> {
    let files = operation.added_files().into_iter().map(Action::Add);
    files
        .map(|file| serde_json::to_value(file).map_err(|error| invalid(error.to_string())))
        .collect()
}

/// deltalake has counted its own files only.
fn count_added(info: &mut Value, added: &[Value]) {
    let Some(metrics) = info.get_mut("operationMetrics") else {
        return;
    };
    let rows: u64 = added.iter().filter_map(|action| action.get("add")).map(rows_of).sum();
    for (name, more) in [("num_added_files", added.len() as u64), ("num_added_rows", rows)] {
        if let Some(counted) = metrics.get(name).and_then(Value::as_u64) {
            metrics[name] = json!(counted + more);
        }
    }
}

fn annotate_add(add: &mut Value, operation: &Operation) -> Result<FileDigest, Error> {
    let path = text(add, "path")?.to_owned();
    check_path(&path)?;
    let size = add
        .get("size")
        .and_then(Value::as_u64)
        .ok_or_else(|| invalid(format!("{path} has no size")))?;
    // The action's path is percent-encoded, the store's is not.
    let stored = Path::from_url_path(&path).map_err(|error| invalid(error.to_string()))?;
    let written = operation
        .digests
        .get(&stored)
        .ok_or_else(|| invalid(format!("{path} was not written by this operation")))?;
    if written.bytes != size {
        return Err(invalid(format!(
            "{path} has {} bytes, the commit says {size}",
            written.bytes
        )));
    }
    let tags = &mut add["tags"];
    if !tags.is_object() {
        *tags = json!({});
    }
    tags["dab.blake3"] = json!(hex::encode(written.blake3));
    Ok(FileDigest {
        path,
        size,
        blake3: written.blake3,
    })
}

fn annotate_commit_info(info: &mut Value, place: Place, operation: &Operation, operation_id: Uuid) {
    let context = &operation.context;
    info["timestamp"] = json!(place.timestamp());
    info["userName"] = json!(context.user);
    let mut dab = json!({
        "tableId": place.table.to_string(),
        "version": place.version.0,
        "previous": place.parent.map(|hash| STANDARD.encode(hash.as_bytes())),
        "operationId": operation_id.to_string(),
        "operation": context.operation,
        "user": context.user,
        "sources": context.sources,
    });
    if !context.read.is_empty() {
        dab["read"] = context.read.iter().map(crate::Pin::to_json).collect();
    }
    info["dab"] = dab;
}

/// The table's identity stands in its metadata too: there it survives when old commit files are gone.
fn annotate_metadata(metadata: &mut Value, table: TableId) {
    metadata["id"] = json!(table.to_string());
    if !metadata["configuration"].is_object() {
        metadata["configuration"] = json!({});
    }
    metadata["configuration"]["dab.tableId"] = json!(table.to_string());
}

fn rows_of(add: &Value) -> u64 {
    add.get("stats")
        .and_then(Value::as_str)
        .and_then(|stats| serde_json::from_str::<Value>(stats).ok())
        .and_then(|stats| stats.get("numRecords")?.as_u64())
        .unwrap_or(0)
}

/// Delta resolves a path against the table's folder without looking where it leads: absolute paths, other schemes and
/// `..` (percent-encoded too) would make a reader open something else.
fn check_path(path: &str) -> Result<(), Error> {
    dab_proof::commit_file::check_path(path).map_err(|error| invalid(error.to_string()))
}

fn text<'a>(action: &'a Value, key: &str) -> Result<&'a str, Error> {
    action
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| invalid(format!("an action has no {key}")))
}

fn invalid(message: String) -> Error {
    Error::InvalidCommit { message }
}
