//! SQL over notarized tables: statements to record batches, and to commits.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use dab_query::{Engine, Error, Limits, Statement};
//! use dab_storage::Lake;
//! use futures::TryStreamExt;
//!
//! # async fn example(lake: Arc<Lake>) -> Result<(), Error> {
//! let engine = Engine::new(lake, Limits::default())?;
//! let session = engine.session("ada");
//!
//! if let Statement::Write(write) = session.prepare("CREATE TABLE t AS SELECT 1 AS n").await? {
//!     println!("{}", write.execute().await?.message); // table t created with 1 row, version 0
//! }
//! if let Statement::Query(query) = session.prepare("SELECT n FROM t VERSION AS OF 0").await? {
//!     println!("reads {}", query.pins()[0]); // reads t@0
//!     let batches: Vec<_> = query.execute().await?.try_collect().await?;
//!     println!("{} rows", batches.iter().map(|batch| batch.num_rows()).sum::<usize>());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A statement passes through [`Session::prepare`] as follows; nothing has run when it returns.
//!
//! ```text
//! text -> tokens      size, chains of operators, ? becomes $1, $2, ...
//!      -> syntax tree which statement is it, and which of its clauses would be ignored: refused by default
//!      -> rewrite     t VERSION AS OF 3 becomes t@3; numbers that a float would change become decimals
//!      -> plan        by DataFusion, over a catalog in which each table is resolved once, to a pinned snapshot
//!      -> guard       does the plan read only, or write one table by INSERT or CREATE TABLE AS: refused by default
//! ```
//!
//! A query then runs in DataFusion, in a task of its own. A write never touches DataFusion's own hooks for changing
//! tables: its rows go to `dab_storage`, which commits them.
//!
//! What stands in the way of a hostile statement, and what does not: `Limits` bounds time, memory, spilled bytes, the
//! size of the statement and of its plan. DataFusion counts memory for operators that hold much; `functions` bounds and
//! counts what expressions compute for a batch of rows, and `held` the rows that window functions gather. Not counted are
//! wide rows that a join repeats, and what sliding windows keep.

pub mod engine;
pub mod error;
pub mod ingest;
pub mod limits;
pub mod session;
pub mod statement;

mod admission;
mod catalog_provider;
mod conform;
mod deadline;
mod functions;
mod held;
mod object_store_registry;
mod panics;
mod pushdown;
mod rows;
mod running;
mod sql;
mod stop;
mod system_tables;
mod types;
mod writes;

pub use catalog_provider::{CATALOG, SCHEMA};
pub use engine::Engine;
pub use error::{Error, ErrorKind};
pub use ingest::{IngestMode, IngestTarget};
pub use limits::{Limits, STACK_BYTES};
pub use session::Session;
pub use sql::kind::StatementKind;
pub use statement::{Query, Statement, Write, WriteOutcome};
pub use system_tables::SYSTEM_SCHEMA;
