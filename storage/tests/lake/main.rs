//! A lake over a real ledger node, in a temporary directory.

mod catalog;
mod commits;
mod recovery;
mod world;
