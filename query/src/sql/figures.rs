//! Figures within a statement that DataFusion 55 takes at their word: it makes room for as many centroids as it is told,
//! and adds the bounds of a window's frame to row numbers without looking.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{Expr, WindowFrame, WindowFrameBound, WindowFunctionDefinition};

use crate::Error;

/// The most centroids of an approximate percentile; DataFusion's own default is 100.
const CENTROIDS_MAX: u64 = 10_000;
/// The furthest that the frame of a window reaches, rows.
const FRAME_ROWS_MAX: u64 = 1 << 40;

/// Refuses an aggregate that would take more memory than there is for being told to.
pub(super) fn check_aggregate(aggregate: &AggregateFunction) -> Result<(), Error> {
    check_centroids(aggregate.func.name(), &aggregate.params.args)
}

/// Refuses a window function for the same reason, and for a frame beyond any table.
pub(super) fn check_window(window: &WindowFunction) -> Result<(), Error> {
    if let WindowFunctionDefinition::AggregateUDF(function) = &window.fun {
        check_centroids(function.name(), &window.params.args)?;
    }
    let WindowFrame {
        start_bound, end_bound, ..
    } = &window.params.window_frame;
    [start_bound, end_bound].into_iter().try_for_each(check_bound)
}

fn check_centroids(function: &str, args: &[Expr]) -> Result<(), Error> {
    let centroids = match (function, args) {
        ("approx_percentile_cont", [_, _, centroids]) => centroids,
        ("approx_percentile_cont_with_weight", [_, _, _, centroids]) => centroids,
        _ => return Ok(()),
    };
    let few = |value: u64| value <= CENTROIDS_MAX;
    match centroids {
        Expr::Literal(value, _) if whole(value).is_some_and(few) => Ok(()),
        _ => Err(Error::invalid(format!(
            "the number of centroids of {function} must be written as a number from 0 to {CENTROIDS_MAX}"
        ))),
    }
}

fn check_bound(bound: &WindowFrameBound) -> Result<(), Error> {
    let (WindowFrameBound::Preceding(distance) | WindowFrameBound::Following(distance)) = bound else {
        return Ok(());
    };
    match whole(distance) {
        Some(rows) if rows > FRAME_ROWS_MAX => Err(Error::invalid(format!(
            "a window's frame that reaches {rows} rows; at most {FRAME_ROWS_MAX}, or UNBOUNDED"
        ))),
        _ => Ok(()),
    }
}

/// A whole number of zero or more; `None` for anything else.
fn whole(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::UInt64(value) => *value,
        ScalarValue::UInt32(value) => value.map(u64::from),
        ScalarValue::Int64(Some(value)) => u64::try_from(*value).ok(),
        ScalarValue::Int32(Some(value)) => u64::try_from(*value).ok(),
        _ => None,
    }
}
