//! Names to tables: a pure fold over the ledger's subject `catalog`, and the two changes to it.
//!
//! The records are private replicated state: a leaf holds only their digest, and each carries random salt, since a table
//! name is easily guessed.

mod change;
mod record;
mod state;

pub(crate) use change::Catalog;
pub use state::CatalogEntry;
