//! Data files, as the commits that add them name them.

use std::sync::Arc;

use dab_proof::commit_file::CommitFile;
use dab_proof::tree::LeafIndex;
use tokio::sync::Mutex as AsyncMutex;

use super::Places;
use crate::object_store::commit_path;
use crate::table_log::TableLog;
use crate::{Error, TableVersion};

/// A file that a commit adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedFile {
    /// The version that adds it.
    pub version: TableVersion,
    /// Where the ledger has that commit.
    pub leaf_index: LeafIndex,
    /// Its path below the table's folder, as the commit has it.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3; the ledger binds it with the commit.
    pub blake3: Option<[u8; 32]>,
}

/// Which versions of a table add a file of which BLAKE3.
#[derive(Debug, Default)]
pub(crate) struct FilePlaces(AsyncMutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The first version that was not read yet.
    next: u64,
    places: Places,
}

/// The files of one table, whether it still has its name or not.
#[derive(Debug, Clone)]
pub struct TableFiles {
    log: Arc<TableLog>,
}

impl TableFiles {
    pub(crate) fn new(log: Arc<TableLog>) -> Self {
        Self { log }
    }

    /// All versions of the table that there are now.
    pub async fn versions(&self) -> Result<Vec<TableVersion>, Error> {
        let latest = self.log.latest().await?;
        Ok(latest.map_or_else(Vec::new, |latest| (0..=latest.0).map(TableVersion).collect()))
    }

    /// The versions that may add a file of this BLAKE3: few, and all that do are among them.
    pub async fn versions_that_may_add(&self, blake3: &[u8; 32]) -> Result<Vec<TableVersion>, Error> {
        let mut known = self.log.file_places.0.lock().await;
        while let Some(latest) = self.log.latest().await?
            && known.next <= latest.0
        {
            for version in known.next..=latest.0 {
                for file in self.added_by(TableVersion(version)).await? {
                    if let Some(blake3) = &file.blake3 {
                        known.places.insert(blake3, version);
                    }
                }
                known.next = version + 1;
            }
        }
        Ok(known.places.of(blake3).into_iter().map(TableVersion).collect())
    }

    /// The files that a version adds, as its commit file says, which is held against the ledger.
    pub async fn added_by(&self, version: TableVersion) -> Result<Vec<CommittedFile>, Error> {
        let lost = || Error::commit_lost(version);
        let commit = self.log.ratified(version).await?.ok_or_else(lost)?;
        let bytes = self.log.bytes(version).await?.ok_or_else(lost)?;
        let parsed = CommitFile::parse(&bytes).map_err(|error| Error::InvalidCommit {
            message: format!("{}: {error}", commit_path(version)),
        })?;
        let files = parsed.adds.into_iter().map(|add| CommittedFile {
            version,
            leaf_index: commit.leaf_index,
            path: add.path,
            bytes: add.size,
            blake3: add.blake3,
        });
        Ok(files.collect())
    }
}
