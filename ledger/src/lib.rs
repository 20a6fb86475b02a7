//! The ledger: raft orders leaves, a Merkle tree holds them, a signed checkpoint certifies them, static files prove
//! them.
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), dab_ledger::Error> {
//! use dab_ledger::notary::{Notary, Outcome, Proposal};
//! use dab_ledger::testing::TestLedger;
//!
//! let ledger = TestLedger::start();
//! let statement = ledger.next("digest/readings", "20.5 degrees").await;
//! let outcome = ledger.node().notarize(Proposal { statements: vec![statement] }).await?;
//! let Outcome::Certified(receipts) = outcome else { panic!("somebody else was first") };
//! // what an auditor does, with the trust directory alone
//! let verified = receipts[0].verify(&ledger.node().trust())?;
//! assert!(verified.certification.alone);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! The crate has two faces. Without features it is two traits, [`notary::Notary`] (statements in, receipts out) and
//! [`reader::LedgerReader`], which is all that the crates above need to know. The feature `node` adds the two programs that
//! watch others' ledgers, [`witness`] and [`monitor`], and the node itself: alone or one of several replicas, nothing of it a
//! shortcut around raft.
//!
//! The ledger knows one rule and no domain: each subject has one leaf per sequence, each leaf names its parent. What a
//! subject's leaves mean is a fold in the crate that owns the subject. Bytes, tables and crash points: `DESIGN.md`.

pub mod notary;
pub mod reader;

#[cfg(feature = "node")]
pub mod node;

#[cfg(feature = "node")]
mod config;

#[cfg(feature = "node")]
pub mod approval;
#[cfg(feature = "node")]
pub mod epoch;
#[cfg(feature = "node")]
pub mod founding;
#[cfg(feature = "node")]
mod identity;
#[cfg(feature = "node")]
pub mod invitation;
#[cfg(feature = "node")]
pub mod key_file;
#[cfg(feature = "node")]
pub mod members;

#[cfg(feature = "node")]
mod inbox;
#[cfg(feature = "node")]
mod pool;
#[cfg(feature = "node")]
mod post;
#[cfg(feature = "node")]
mod sequencer;

#[cfg(feature = "node")]
mod raft;
#[cfg(feature = "node")]
mod replica;

#[cfg(feature = "node")]
mod raft_snapshot;

#[cfg(feature = "node")]
mod machine;
#[cfg(feature = "node")]
mod state_machine;

#[cfg(feature = "node")]
mod state_store;
#[cfg(feature = "node")]
mod tile_store;

#[cfg(feature = "node")]
mod certify;
#[cfg(feature = "node")]
mod checked;
#[cfg(feature = "node")]
mod checkpoint_file;
#[cfg(feature = "node")]
mod policies;
#[cfg(feature = "node")]
mod prove_head;
#[cfg(feature = "node")]
mod shared;

#[cfg(feature = "node")]
pub mod peer;
#[cfg(feature = "node")]
mod peer_files;
#[cfg(feature = "node")]
mod peer_path;

#[cfg(feature = "node")]
mod audit_page;
#[cfg(feature = "node")]
pub mod http;
#[cfg(feature = "node")]
mod public_path;

#[cfg(feature = "node")]
pub mod monitor;
#[cfg(feature = "node")]
pub mod witness;

#[cfg(feature = "node")]
mod fsck;

#[cfg(feature = "node")]
pub mod clock;
#[cfg(feature = "node")]
mod crash_point;
#[cfg(feature = "node")]
pub mod disk;
#[cfg(feature = "node")]
pub mod durable;
#[cfg(feature = "node")]
mod evidence;
#[cfg(feature = "node")]
mod lock;
#[cfg(feature = "planted_bugs")]
pub mod planted;
#[cfg(all(feature = "node", not(feature = "planted_bugs")))]
mod planted;
#[cfg(feature = "node")]
mod room;

#[cfg(feature = "testing")]
pub mod testing;

mod error;

pub use error::Error;
