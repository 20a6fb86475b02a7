//! Statements that a ticket names: planned queries with their pinned versions, and counts of updates already done.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use dab_query::Query;

use crate::cancel::Cancel;

/// What a ticket leads to.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The schema announced with the ticket, pins included; the stream has the very same.
    pub(crate) schema: SchemaRef,
    pub(crate) source: Source,
    /// Ends every stream of this statement.
    pub(crate) cancel: Cancel,
}

/// Where the rows come from.
pub(crate) enum Source {
    /// A query; fetching again gives the same rows, since its versions are pinned.
    Query(Box<Query>),
    /// Rows at hand: the count of an update. Fetching again does not execute it again.
    Rows(RecordBatch),
}

impl Executable {
    pub(crate) fn new(schema: SchemaRef, source: Source) -> Arc<Self> {
        Arc::new(Self {
            schema,
            source,
            cancel: Cancel::new(),
        })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query(_) => f.write_str("Query"),
            Self::Rows(rows) => f.debug_tuple("Rows").field(&rows.num_rows()).finish(),
        }
    }
}
