//! A witness of ledgers (C2SP `tlog-witness`), and the client that asks one.
//!
//! A witness cosigns a checkpoint of a ledger that it knows, when the tree extends the last one that it cosigned. So two
//! readers who both ask for its cosignature see one history. It keeps one checkpoint a ledger, no leaves.
//!
//! Reading order: the `request` on the wire, the `cosigner` that decides, its `state` on disk, the routes (`http`), and the
//! ledger's side (`client`).

mod request;

mod cosigner;
mod state;

mod http;

mod client;

pub use self::client::{ANSWER_BYTES_MAX, HttpAnswer, WitnessClient, WitnessError, WitnessHttp};
pub use self::cosigner::{Answer, Witness, WitnessConfig};
pub use self::http::router;
pub use self::request::{AddCheckpoint, REQUEST_BYTES_MAX};
