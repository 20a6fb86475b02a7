//! A table in memory, notarized commit by commit.

use std::collections::BTreeMap;

use serde_json::json;

use super::TinyLedger;
use crate::audit::TableFiles;
use crate::commit_file::{BLAKE3_TAG, CommitFile, TABLE_ID_PROPERTY, name_of, storage_path};
use crate::error::Error;
use crate::leaf::Subject;
use crate::source::OpenFile;
use crate::text::hex_encode;
use crate::tree::LeafIndex;

/// The files of a table, which tests may change.
#[derive(Debug, Clone, Default)]
pub struct MemoryTable {
    /// Commit files by version.
    pub commits: BTreeMap<u64, Vec<u8>>,
    /// Data files by the name that the store has for them.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Other files of the table's log.
    pub other: Vec<String>,
}

/// A table that is written through a tiny ledger.
#[derive(Debug, Clone)]
pub struct TinyTable {
    /// The table's id.
    pub id: String,
    /// Its files.
    pub files: MemoryTable,
}

impl TinyTable {
    /// A table without commits.
    pub fn new(id: &str) -> TinyTable {
        TinyTable {
            id: id.to_owned(),
            files: MemoryTable::default(),
        }
    }

    /// The subject of its leaves.
    pub fn subject(&self) -> Subject {
        Subject::table(&self.id).expect("a good id")
    }

    /// Commits added files (path and bytes) and removed paths: data, commit file and leaf.
    pub fn commit(&mut self, ledger: &mut TinyLedger, adds: &[(&str, &[u8])], removes: &[&str]) -> LeafIndex {
        let version = self.files.commits.len() as u64;
        let body = self.commit_json(ledger, version, adds, removes);
        for (path, bytes) in adds {
            self.files
                .data
                .insert(storage_path(path).expect("a good path"), bytes.to_vec());
        }
        let files = CommitFile::parse(&body)
            .and_then(|commit| commit.files_root())
            .expect("own commit is good");
        self.files.commits.insert(version, body.clone());
        ledger.append(&self.subject(), &body, files, "WRITE")
    }

    /// The commit file that `commit` would write.
    pub fn commit_json(&self, ledger: &TinyLedger, version: u64, adds: &[(&str, &[u8])], removes: &[&str]) -> Vec<u8> {
        let previous = ledger.head(&self.subject()).map(|(_, hash)| hash.to_string());
        let dab = json!({
            "tableId": self.id, "version": version, "previous": previous,
            "operationId": format!("op-{version}"), "user": "ann", "sources": [],
        });
        let mut lines =
            vec![json!({ "commitInfo": { "timestamp": 1000 + version, "operation": "WRITE", "dab": dab } })];
        if version == 0 {
            lines.push(json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }));
            lines.push(json!({ "metaData": { "id": self.id, "configuration": { TABLE_ID_PROPERTY: self.id } } }));
        }
        for (path, bytes) in adds {
            let tags = json!({ BLAKE3_TAG: hex_encode(blake3::hash(bytes).as_bytes()) });
            lines.push(json!({ "add": { "path": path, "size": bytes.len(), "tags": tags, "dataChange": true } }));
        }
        lines.extend(
            removes
                .iter()
                .map(|path| json!({ "remove": { "path": path, "dataChange": true } })),
        );
        lines
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
            .into_bytes()
    }
}

impl TableFiles for MemoryTable {
    fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        self.commits.keys().try_for_each(|version| visit(&name_of(*version)))?;
        self.other.iter().try_for_each(|name| visit(name))
    }

    fn commit(&self, version: u64) -> Result<Option<OpenFile<'_>>, Error> {
        Ok(self.commits.get(&version).map(|bytes| bytes.as_slice().into()))
    }

    fn data_file(&self, path: &str) -> Result<Option<OpenFile<'_>>, Error> {
        let bytes = self.data.get(&storage_path(path)?);
        Ok(bytes.map(|bytes| bytes.as_slice().into()))
    }
}
