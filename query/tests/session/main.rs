//! Statements over a lake on a real ledger node, in a temporary directory.

mod hostile;
mod identifiers;
mod ingest;
mod large_uploads;
mod limits;
mod parameters;
mod queries;
mod refusals;
mod system_tables;
mod time_travel;
mod types;
mod world;
mod writes;
