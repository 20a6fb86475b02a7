//! Checks what DAB promises: receipts, tables and whole ledgers, from files alone.
//!
//! This crate is the part that an auditor has to believe, so it is small and pure: no network, no clock, no threads, and
//! no file but in `files` and the binary `dab-verify`. Nothing that it reads is trusted before it has been checked
//! against a trust folder (`trust::Trust`). All public formats are those of C2SP, so other tools can check the same
//! files; each module says which bytes it reads and writes.
//!
//! ```
//! use dab_proof::leaf::Subject;
//! use dab_proof::receipt::Receipt;
//! use dab_proof::testing::TinyLedger;
//!
//! let mut ledger = TinyLedger::new();
//! let leaf_index = ledger.append(&Subject::catalog(), b"the body", None, "CREATE TABLE");
//! let file = ledger.receipt(leaf_index).to_text();
//!
//! let verified = Receipt::parse(file.as_bytes())?.verify(&ledger.trust())?;
//! assert_eq!(verified.leaf.leaf().operation, "CREATE TABLE");
//! assert!(verified.leaf.leaf().body.matches(b"the body"));
//! assert!(verified.certification.alone);
//! # Ok::<(), dab_proof::Error>(())
//! ```
//!
//! Reading order: a `leaf` is a signed `note`; leaves are hashed (`hash`) into a `tree`, which `inclusion` and `consistency`
//! proofs speak about; the tree is stored as `tile`s; a `checkpoint` signs its root, and a `policy` says when that
//! counts; a `receipt` holds all of it for one leaf. A `head_map` has the last leaf of each subject, a `heads_leaf` puts its
//! root into the ledger, and a `head_proof` shows from both which leaf is the last.

pub mod hash;
mod text;

pub mod tree;

pub mod inclusion;

pub mod consistency;

mod key;
pub mod note;

pub mod leaf;
pub mod writers;

pub mod checkpoint;
pub mod policy;
pub mod trust;

pub mod epoch;
pub mod receipt;

pub mod head_map;
pub mod head_proof;
pub mod heads_leaf;

pub mod narrow;
pub mod source;
pub mod tile;

pub mod commit_file;
mod json;

pub mod report;

pub mod verify;

pub mod audit;

pub mod fork;
pub mod monitor;

pub mod files;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub mod error;

pub use error::Error;
