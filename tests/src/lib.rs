//! The harness of the whole-system tests: it starts the real `dab` binary, talks to it with public clients, kills it, and
//! looks at what it left on disk.
//!
//! Nothing here knows DAB from the inside but [`offline`], which calls the auditor's own verifier.

pub mod binary;
pub mod command;
pub mod workspace;

pub mod launch;
pub mod log;
pub mod server;

pub mod client;
pub mod slt;

pub mod offline;
pub mod say;
pub mod seed;
pub mod snippets;
