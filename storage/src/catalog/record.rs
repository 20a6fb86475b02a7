//! One record of the catalog, as JSON.
//!
//! ```json
//! {"format":1,"change":"create","name":"orders","table_id":"<uuid>","path":"orders","salt":"<32 hex digits>"}
//! {"format":1,"change":"drop","name":"orders","table_id":"<uuid>","salt":"<32 hex digits>"}
//! ```

use serde::{Deserialize, Serialize};

use crate::{Error, TableId, TableName};

const FORMAT: u32 = 1;

/// What happened to a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Change {
    /// A table got the name. Its version 0 stands in the same ledger entry.
    Create {
        /// The name.
        name: TableName,
        /// The table.
        table_id: TableId,
        /// Its folder, below the table root.
        path: String,
    },
    /// The name is free again. The table's files and leaves stay.
    Drop {
        /// The name.
        name: TableName,
        /// The table that had it.
        table_id: TableId,
    },
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    #[serde(flatten)]
    change: Change,
    salt: String,
}

impl Change {
    /// The record's bytes, with fresh salt.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| Error::Catalog {
            sequence: 0,
            message: error.to_string(),
        })?;
        let record = Record {
            format: FORMAT,
            change: self.clone(),
            salt: hex::encode(salt),
        };
        Ok(serde_json::to_vec(&record).expect("a record has only text keys"))
    }

    /// Reads a record; `sequence` is for the error.
    pub(crate) fn decode(sequence: u64, bytes: &[u8]) -> Result<Self, Error> {
        let error = |message: String| Error::Catalog { sequence, message };
        let record: Record = serde_json::from_slice(bytes).map_err(|e| error(e.to_string()))?;
        match record.format {
            FORMAT => Ok(record.change),
            other => Err(error(format!("format {other} is newer than this release knows"))),
        }
    }
}
