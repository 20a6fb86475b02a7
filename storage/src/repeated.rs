//! What came of a request that was carried out before: read back from its leaves, wherever and whenever that was.

use dab_ledger::notary::Once;
use dab_proof::tree::LeafIndex;

use crate::history::record;
use crate::lake::Lake;
use crate::{Committed, Error, TableVersion};

/// What a request came to.
#[derive(Debug, Clone)]
pub struct CarriedOut {
    /// The operation that its first leaf names.
    pub operation: String,
    /// Its first leaf.
    pub leaf_index: LeafIndex,
    /// The commit of a table, where it made one.
    pub committed: Option<Committed>,
}

impl Lake {
    /// What came of a request; `None` where it was not carried out, or is forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::OtherStatement`].
    pub async fn carried_out(&self, once: &Once) -> Result<Option<CarriedOut>, Error> {
        let reader = &self.ledger().reader;
        let Some(leaves) = reader.carried_out(once).await? else {
            return Ok(None);
        };
        let mut carried_out = None;
        for index in leaves {
            let Some((_, leaf)) = reader.leaves(index, 1).await?.pop() else {
                continue;
            };
            let leaf = leaf.leaf();
            let first = carried_out.get_or_insert_with(|| CarriedOut {
                operation: leaf.operation.clone(),
                leaf_index: index,
                committed: None,
            });
            if let Some(id) = leaf.subject.table_id()
                && first.committed.is_none()
            {
                let version = TableVersion(leaf.sequence);
                first.committed = self.committed(id, version, index).await?;
            }
        }
        Ok(carried_out)
    }

    async fn committed(&self, id: &str, version: TableVersion, index: LeafIndex) -> Result<Option<Committed>, Error> {
        let tables = self.tables().await?.into_iter().chain(self.dropped().await?);
        let Some(entry) = tables.into_iter().find(|entry| entry.id.to_string() == id) else {
            return Ok(None);
        };
        let log = self.log_of(&entry)?;
        let record = record(&log, version).await?;
        Ok(Some(Committed {
            table: entry.name,
            id: entry.id,
            version,
            rows: record.rows_added.unwrap_or(0),
            receipt: self.ledger().reader.receipt(index).await?,
        }))
    }
}
