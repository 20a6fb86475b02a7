//! The replicated state machine: one rule, no domain, no clock, no disk.
//!
//! Every replica applies the same entries in the same order and must come to the same verdicts, so [`apply()`] depends on
//! nothing but the entry and the state. The keys that may write are therefore part of the state too: they enter through
//! an entry of their own, not through a file that each replica reads for itself.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod entry;
pub(crate) mod heads;
mod members;
pub(crate) mod requests;
pub(crate) mod view;

#[cfg(test)]
mod tests;

pub(crate) use apply::{Effects, Verdict, apply};
pub(crate) use entry::{LedgerEntry, Settings};
pub(crate) use heads::Cover;
pub(crate) use members::may_enter;
pub(crate) use requests::CarriedOut;
pub(crate) use view::{Placed, StateView};
