//! A table at a version: what a query reads.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dab_proof::tree::LeafIndex;
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use deltalake_core::delta_datafusion::DeltaScanNext;
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::logstore::LogStore;
use serde_json::{Value, json};

use crate::commit::LedgerLogStore;
use crate::statistics::DescribedTable;
use crate::{Error, TableId, TableName, TableVersion};

/// Names one state of one table for good: the version, and what the ledger binds it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The table's name when it was read.
    pub table: TableName,
    /// Its identity.
    pub id: TableId,
    /// The version.
    pub version: TableVersion,
    /// Where the ledger has its commit.
    pub leaf_index: LeafIndex,
    /// The commit digest: BLAKE3 of the commit file.
    pub digest: [u8; 32],
}

impl Pin {
    /// The pin as it stands in `commitInfo.dab.read` and in receipts.
    pub fn to_json(&self) -> Value {
        json!({
            "table": self.table.as_str(),
            "id": self.id.to_string(),
            "version": self.version.0,
            "leafIndex": self.leaf_index.0,
            "digest": hex::encode(self.digest),
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.table, self.version)
    }
}

/// A table at a version. It does not change, whatever is committed meanwhile.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) pin: Pin,
    pub(crate) state: Arc<EagerSnapshot>,
    pub(crate) log_store: Arc<LedgerLogStore>,
}

impl Snapshot {
    /// What names this state.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The table's columns at this version.
    pub fn schema(&self) -> SchemaRef {
        self.state.arrow_schema()
    }

    /// The number of rows, from the commits' own statistics; `None` where a file tells none.
    pub fn rows(&self) -> Option<u64> {
        self.state
            .log_data()
            .iter()
            .try_fold(0, |sum: u64, file| Some(sum + file.num_records()? as u64))
    }

    /// The rows, for DataFusion. `session` supplies memory, limits and options, and gets the table's object store
    /// registered under its `dab://` URL.
    pub async fn provider(&self, session: Arc<SessionState>) -> Result<Arc<dyn TableProvider>, Error> {
        let url = self.log_store.root_url().clone();
        session
            .runtime_env()
            .register_object_store(&url, self.log_store.root_object_store(None));
        let log_store: Arc<dyn LogStore> = self.log_store.clone();
        let scan = DeltaScanNext::builder()
            .with_log_store(log_store)
            .with_eager_snapshot(self.state.clone())
            .with_session(session)
            .build()
            .await
            .map_err(Error::Query)?;
        Ok(Arc::new(DescribedTable {
            scan,
            state: self.state.clone(),
        }))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({})", self.pin)
    }
}
