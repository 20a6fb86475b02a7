//! The service as clients meet it: a real server on a port of its own, a real ledger and real tables in a temporary
//! directory, and clients over the network.

mod access;
mod harness;
mod ingest;
mod limits;
mod metadata;
mod prepared;
mod statements;
mod stopping;
