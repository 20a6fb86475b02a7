//! One file per family of commands.

pub(crate) mod action;
pub(crate) mod handshake;
pub(crate) mod ingest;
pub(crate) mod metadata;
pub(crate) mod prepared;
pub(crate) mod session;
pub(crate) mod statement;
