//! A lake over a real ledger node, in a temporary directory.

mod catalog;
mod commits;
mod file_writers;
mod planning;
mod public_copy;
mod recovery;
mod table_root;
mod world;
