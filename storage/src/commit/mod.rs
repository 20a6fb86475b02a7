//! One commit, start to end.
//!
//! ```text
//!  data files            on disk, hashed             crash: orphan files, no commit names them
//!      |
//!  annotate              digests, table, parent and user go into the commit file
//!      |
//!  stage                 large: `_delta_log/_staged_commits/`, durable; small: inside the ledger's own entry
//!      |                                             crash: a staged file that recovery removes
//!  ratify                the ledger takes the leaf, or names the winner
//!      |                                             crash: ratified; recovery publishes
//!  publish               `N.json`, put-if-absent, durable, in order
//!      |                                             crash: published; recovery finds nothing to do
//!  receipt               to the client
//! ```
//!
//! Recovery (`recover.rs`) runs `publish` for every ratified version: it is the code of the happy path.

pub mod context;

mod annotate;
mod body;
pub(crate) mod crash_point;
mod log_store;
mod operation;
pub(crate) mod publish;
pub(crate) mod ratify;
pub(crate) mod recover;
pub(crate) mod stage;

pub(crate) use body::Body;
pub(crate) use log_store::LedgerLogStore;
pub(crate) use operation::{CatalogCompanion, Operation};
