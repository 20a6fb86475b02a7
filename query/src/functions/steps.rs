//! How long a function may take: those whose time grows faster than what they are given.
//!
//! A function runs on a thread of its statement until it is done; neither the time limit nor a client that goes away
//! reaches it before.

use std::collections::HashSet;

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

use super::pattern::places;
use super::sizes::lengths;

/// Automata go over most text without looking at each of their places.
const PLACES_PER_STEP: u128 = 16;
/// What an automaton takes for each place of its pattern, and all of it at most.
const BYTES_PER_PLACE: u128 = 2 << 10;
const BYTES_PER_PATTERN_MAX: u128 = 10 << 20;

/// About how many steps the function takes for these rows.
pub(super) fn steps(function: &str, args: &[ColumnarValue], rows: usize) -> Result<u128> {
    match (function, args) {
        ("levenshtein" | "btrim" | "ltrim" | "rtrim" | "array_has_all" | "array_has_any", [one, other, ..]) => {
            product(one, other, rows)
        }
        ("regexp_count" | "regexp_instr" | "regexp_like" | "regexp_match" | "regexp_replace", [text, pattern, ..]) => {
            searching(text, pattern, rows)
        }
        _ => Ok(0),
    }
}

/// About how many bytes the automata of a function's patterns take: each is kept until the batch is done.
pub(super) fn pattern_bytes(function: &str, args: &[ColumnarValue]) -> Result<u128> {
    match (function, args) {
        ("regexp_count" | "regexp_instr" | "regexp_like" | "regexp_match" | "regexp_replace", [_, pattern, ..]) => {
            automata_bytes(pattern)
        }
        _ => Ok(0),
    }
}

pub(super) fn automata_bytes(pattern: &ColumnarValue) -> Result<u128> {
    let ColumnarValue::Array(array) = pattern else {
        return Ok(0);
    };
    let mut known = HashSet::new();
    let mut bytes = 0;
    for row in 0..array.len() {
        let pattern = ScalarValue::try_from_array(array, row)?;
        if let Some(Some(text)) = pattern.try_as_str()
            && known.insert(text.to_owned())
        {
            bytes += (u128::from(places(text)) * BYTES_PER_PLACE).min(BYTES_PER_PATTERN_MAX);
        }
    }
    Ok(bytes)
}

fn product(one: &ColumnarValue, other: &ColumnarValue, rows: usize) -> Result<u128> {
    let (one_length, other_length) = (lengths(one)?, lengths(other)?);
    let rows = match (one, other) {
        (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => 1,
        _ => rows,
    };
    let of_row = |row: usize| u128::from(one_length.at(row)) * u128::from(other_length.at(row));
    Ok((0..rows).map(of_row).sum())
}

pub(super) fn searching(text: &ColumnarValue, pattern: &ColumnarValue, rows: usize) -> Result<u128> {
    let length = lengths(text)?;
    let rows = match (text, pattern) {
        (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => 1,
        _ => rows,
    };
    let steps = |row: usize, places: u128| (u128::from(length.at(row)) + 1).saturating_mul(places) / PLACES_PER_STEP;
    match pattern {
        ColumnarValue::Scalar(pattern) => {
            let places = of_scalar(pattern);
            Ok((0..rows).map(|row| steps(row, places)).sum())
        }
        ColumnarValue::Array(patterns) => {
            let of_row = |row: usize| Ok(steps(row, of_scalar(&ScalarValue::try_from_array(patterns, row)?)));
            (0..rows).map(of_row).sum()
        }
    }
}

fn of_scalar(pattern: &ScalarValue) -> u128 {
    pattern
        .try_as_str()
        .flatten()
        .map_or(0, |text| u128::from(places(text)))
}
