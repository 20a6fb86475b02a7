//! Raft: the durable log and the driver of raft-rs.

#[cfg(feature = "testing")]
pub(crate) mod decoders;
pub(crate) mod driver;
pub(crate) mod guard;
pub(crate) mod log_storage;
mod logger;
mod record;
pub(crate) mod replay;
mod scan;
mod segment;
mod storage_trait;

pub(crate) use driver::{Application, Driver, RaftLimits};
pub(crate) use log_storage::{LogStorage, SEGMENT_BYTES};
pub(crate) use replay::Position;
#[cfg(feature = "testing")]
pub(crate) use scan::provable_bytes;
pub(crate) use storage_trait::RaftStorage;
