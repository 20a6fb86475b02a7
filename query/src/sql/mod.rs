//! SQL text to a plan that is safe to run: parse, refuse, rewrite, plan.

pub(crate) mod clauses;
pub(crate) mod create_table;
pub(crate) mod expression_size;
mod figures;
pub(crate) mod guard;
pub(crate) mod kind;
pub(crate) mod many_rows;
mod nesting;
pub(crate) mod numbers;
pub(crate) mod parameters;
pub(crate) mod parse;
pub(crate) mod plan;
mod plan_bytes;
pub(crate) mod show;
pub(crate) mod time_travel;

mod as_of;
mod dialect;
mod tokens;
