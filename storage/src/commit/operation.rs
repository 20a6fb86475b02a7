//! What one write operation carries from its first data file to its receipt.

use std::sync::Arc;

use dab_proof::receipt::Receipt;
use deltalake_core::kernel::Add;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::catalog::Catalog;
use crate::object_store::FileDigests;
use crate::{CommitContext, Error, TableName, TableVersion};

/// The state of one write: made when it starts, read when it is done.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) context: CommitContext,
    pub(crate) digests: Arc<FileDigests>,
    /// Set for a write that makes a table: its name is ratified in the same ledger entry as its version 0.
    pub(crate) companion: Option<CatalogCompanion>,
    /// Files that belong into the commit besides those that deltalake has written itself.
    files: Mutex<Vec<Add>>,
    outcome: Mutex<Option<Outcome>>,
    /// The error that ended the write, kept whole: deltalake's own errors would flatten it into text.
    failure: Mutex<Option<Error>>,
}

/// The catalog's share of a table's creation.
#[derive(Debug)]
pub(crate) struct CatalogCompanion {
    pub(crate) catalog: Arc<AsyncMutex<Catalog>>,
    pub(crate) name: TableName,
    pub(crate) path: String,
}

/// What the ledger answered.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) version: TableVersion,
    pub(crate) receipt: Receipt,
    pub(crate) rows: u64,
}

impl Operation {
    pub(crate) fn new(context: CommitContext, companion: Option<CatalogCompanion>) -> Arc<Self> {
        Arc::new(Self {
            context,
            digests: Arc::default(),
            companion,
            files: Mutex::default(),
            outcome: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// Has files stand in the commit that deltalake does not know of.
    pub(crate) fn add_files(&self, files: Vec<Add>) {
        self.files.lock().extend(files);
    }

    /// The files added, at every attempt to commit the same.
    pub(crate) fn added_files(&self) -> Vec<Add> {
        self.files.lock().clone()
    }

    pub(crate) fn succeed(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.lock().clone()
    }

    pub(crate) fn fail(&self, error: Error) {
        *self.failure.lock() = Some(error);
    }

    /// What went wrong on our side, if anything.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    /// The error to report: our own where there is one, else what deltalake said.
    pub(crate) fn failure(&self, reported: deltalake_core::DeltaTableError) -> Error {
        self.take_failure().unwrap_or_else(|| reported.into())
    }
}
