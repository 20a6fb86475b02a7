//! The tables that a system table tells of, those that were dropped included.
//!
//! Dropping a table frees its name and leaves its past. What it had stays among the rows, without a `table_name`, so that
//! whoever asks for a name hears of the table that has it now; the name that it had stands in `dropped_name`.

use std::sync::Arc;

use dab_storage::Lake;
use dab_storage::catalog::CatalogEntry;
use datafusion::arrow::array::{ArrayRef, StringArray};

use super::Wanted;
use crate::Error;

/// A table that is told of.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) table: CatalogEntry,
    pub(super) dropped: bool,
}

impl Told {
    /// The columns `table_name` and `dropped_name` of so many rows.
    pub(super) fn names(&self, rows: usize) -> [ArrayRef; 2] {
        let column = |name: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![name; rows])) };
        let name = self.table.name.as_str();
        [
            column((!self.dropped).then_some(name)),
            column(self.dropped.then_some(name)),
        ]
    }
}

/// The tables wanted, those with a name first.
pub(super) async fn tables(lake: &Lake, wanted: &Wanted) -> Result<Vec<Told>, Error> {
    let mut named = lake.tables().await?;
    named.retain(|table| wanted.table(table.name.as_str()));
    let mut dropped = match wanted.nameless() {
        true => lake.dropped().await?,
        false => Vec::new(),
    };
    // One that was dropped between the two looks is told of once.
    dropped.retain(|table| named.iter().all(|other| other.id != table.id));
    let told = |dropped| move |table| Told { table, dropped };
    Ok(named
        .into_iter()
        .map(told(false))
        .chain(dropped.into_iter().map(told(true)))
        .collect())
}
