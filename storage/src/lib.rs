//! Delta tables whose every commit is notarized before anybody can see it.
//!
//! A write walks one way: rows become data files through a hashing store ([`object_store`]), the commit file is staged,
//! its leaf is ratified by the ledger, and only then published under its version ([`commit`]). A read walks back:
//! the ledger says which commits exist and what their bytes hash to, and the table's files are read through a guard
//! that serves nothing else. `DESIGN.md` beside this crate draws a table on disk, the life of a commit and every crash
//! point.
//!
//! The crate meets the ledger through two traits, [`dab_ledger::notary::Notary`] and
//! [`dab_ledger::reader::LedgerReader`]; it neither knows nor cares how many nodes stand behind them.

pub mod catalog;
pub mod commit;
pub mod error;
pub mod find;
pub mod foreign_data;
pub mod history;
pub mod id;
pub mod lake;
pub mod object_store;
pub mod public_copy;
pub mod snapshot;
pub mod table;
pub mod time_travel;

mod file_writers;
mod kernel_engine;
mod repeated;
mod statistics;
mod table_log;
mod table_root;

pub use commit::context::{CommitContext, Committed, LoadedSource};
pub use error::Error;
pub use history::CommitRecord;
pub use id::{TableId, TableName, TableVersion};
pub use lake::{Lake, Ledger, NewTable, Sharing};
pub use public_copy::{PolicyNow, PublicCopy, PublicCopyStatus};
pub use repeated::CarriedOut;
pub use snapshot::{Pin, Snapshot};
pub use table::{Table, WriteInput};
pub use time_travel::VersionSpec;
