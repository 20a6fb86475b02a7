//! The engine with which Delta's kernel reads a table's log: its own, but for the listing of commits.
//!
//! The kernel's engine takes a listing from an object store item by item, and has each handed over by a task of the
//! runtime to the thread that waits for it. A table's log is listed at every update of its state, so an append to a table
//! of a thousand commits waited for a thousand of them. Here the commits are in memory, and listing them waits for nobody.

use std::sync::Arc;

use buoyant_kernel::{
    DeltaResult, Engine, EvaluationHandler, FileMeta, FileSlice, JsonHandler, ParquetHandler, StorageHandler,
};
use bytes::Bytes;
use object_store::path::Path;
use url::Url;

use crate::TableVersion;
use crate::object_store::{commit_path, is_in_delta_log};
use crate::table_log::TableLog;

/// The kernel's engine over the guarded view of one table.
pub(crate) struct LedgerEngine {
    inner: Arc<dyn Engine>,
    storage: Arc<LedgerListing>,
}

impl LedgerEngine {
    /// `inner` reads through a guarded store.
    pub(crate) fn new(inner: Arc<dyn Engine>, log: Arc<TableLog>) -> Self {
        let storage = Arc::new(LedgerListing {
            inner: inner.storage_handler(),
            log,
        });
        Self { inner, storage }
    }
}

impl Engine for LedgerEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.inner.evaluation_handler()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        self.storage.clone()
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        self.inner.json_handler()
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        self.inner.parquet_handler()
    }
}

/// Lists commits from the ledger's list as this process knows it: whoever wants a version has asked the ledger for it
/// before. Everything else goes the kernel's own way.
struct LedgerListing {
    inner: Arc<dyn StorageHandler>,
    log: Arc<TableLog>,
}

impl StorageHandler for LedgerListing {
    fn list_from(&self, path: &Url) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<FileMeta>>>> {
        let after = Path::from_url_path(path.path())?;
        if !is_in_delta_log(&after) {
            return self.inner.list_from(path);
        }
        let root = path.clone();
        let commits = self.log.sizes_known().into_iter().enumerate();
        let listing = commits.filter_map(move |(version, size)| -> Option<DeltaResult<FileMeta>> {
            let commit = commit_path(TableVersion(version as u64));
            let mut location = root.clone();
            location.set_path(commit.as_ref());
            (commit > after).then_some(Ok(FileMeta {
                location,
                last_modified: 0,
                size,
            }))
        });
        Ok(Box::new(listing))
    }

    fn read_files(&self, files: Vec<FileSlice>) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<Bytes>>>> {
        self.inner.read_files(files)
    }

    fn copy_atomic(&self, src: &Url, dest: &Url) -> DeltaResult<()> {
        self.inner.copy_atomic(src, dest)
    }

    fn put(&self, path: &Url, data: Bytes, overwrite: bool) -> DeltaResult<()> {
        self.inner.put(path, data, overwrite)
    }

    fn head(&self, path: &Url) -> DeltaResult<FileMeta> {
        self.inner.head(path)
    }

    fn delete(&self, path: &Url) -> DeltaResult<()> {
        self.inner.delete(path)
    }
}
