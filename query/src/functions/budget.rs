//! What one call of a function may take.

use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryPool;

use crate::{Error, Limits};

/// The longest constant that the planner computes once and for all, in bytes. A statement can hold tens of thousands of
/// calls, and nobody counts what their constants take; longer ones are computed for each batch of rows.
pub(super) const FOLDED_BYTES_MAX: u64 = 4 << 10;

/// The limits of one batch of rows.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    pub(super) bytes_max: u64,
    pub(super) steps_max: u64,
    /// Counts large results; `None` while a statement is planned: what is computed then is smaller still.
    pub(super) pool: Option<Arc<dyn MemoryPool>>,
}

impl Budget {
    /// For functions that the planner calls.
    pub(crate) fn of_planning(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.function_bytes_max,
            steps_max: limits.function_steps_max,
            pool: None,
        }
    }

    pub(super) fn check_bytes(&self, name: &str, bytes: u128) -> Result<(), Error> {
        if bytes <= u128::from(self.bytes_max) {
            return Ok(());
        }
        Err(Error::ResourceExhausted {
            what: "the result of a function",
            limit: format!("{} bytes for a batch of rows", self.bytes_max),
            message: format!("{name} would take about {bytes} bytes"),
        })
    }

    pub(super) fn check_steps(&self, name: &str, steps: u128) -> Result<(), Error> {
        if steps <= u128::from(self.steps_max) {
            return Ok(());
        }
        Err(Error::ResourceExhausted {
            what: "the work of a function",
            limit: format!("{} steps for a batch of rows", self.steps_max),
            message: format!("{name} would take about {steps} steps; give it shorter values"),
        })
    }
}
