//! Audits of a whole ledger and of a whole table: what `dab audit` and `dab-verify audit` do.
//!
//! An audit begins at leaf zero, derives everything again and compares. It needs no service and no database: only the
//! public files of the ledger, the files of the table, and the trust root.

pub(crate) mod chain;
mod data;
mod heads;
mod ledger;
mod listing;
mod table;
mod tiles;
mod walk;

pub use ledger::audit_ledger;
pub use table::{audit_table, audit_table_expecting};

pub use crate::source::{OpenFile, Source};

use crate::error::Error;

/// Read access to the files of one table.
pub trait TableFiles {
    /// Passes every name in `_delta_log` to `visit`, in any order; the names of folders end in a slash. Stops at the first
    /// error of `visit` and returns it.
    ///
    /// # Errors
    /// `Unavailable` when the folder cannot be listed; those of `visit`.
    fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error>;

    /// Opens the commit file of `version`; `None` when there is none.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened.
    fn commit(&self, version: u64) -> Result<Option<OpenFile<'_>>, Error>;

    /// Opens a data file by its path as it stands in the `add` action; `commit_file::storage_path` gives the name that
    /// the store has for it. `None` when there is none.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened.
    fn data_file(&self, path: &str) -> Result<Option<OpenFile<'_>>, Error>;
}
