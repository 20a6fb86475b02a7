//! The functions that statements may call: DataFusion's own, bounded in memory and in time.
//!
//! DataFusion's memory pool counts what operators hold; what an expression computes for a batch of rows it never sees. So
//! every function that may produce more than a number is asked for its needs first, and what it has produced is counted
//! by the pool until nobody uses it any more.

mod bounded;
mod budget;
mod charge;
mod checked;
mod concatenation;
mod growth;
mod pattern;
mod rewrite;
mod sizes;
mod steps;
#[cfg(test)]
mod tests;
mod windowed;

pub(crate) use bounded::bounded;
pub(crate) use rewrite::{BoundedPlanner, BoundsRule};
pub(crate) use sizes::null_bytes;
