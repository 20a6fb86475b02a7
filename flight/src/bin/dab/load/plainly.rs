//! Whether a text in a CSV file is plainly of the type that other lines of its column suggest.
//!
//! What is said to be so is what the inference of types takes for that type too, and what is exactly kept in it. Anything
//! unusual is not plain, whether or not a parser would take it.

use arrow::datatypes::{DataType, TimeUnit};

/// Digits of a whole number that surely fits 64 bits.
const SURE_DIGITS_MAX: usize = 18;

pub(super) fn is_plainly(text: &str, wanted: &DataType) -> bool {
    let bytes = text.as_bytes();
    match wanted {
        DataType::Boolean => bytes.eq_ignore_ascii_case(b"true") || bytes.eq_ignore_ascii_case(b"false"),
        DataType::Int64 => is_whole(bytes),
        DataType::Float64 => is_whole(bytes) || is_fraction(bytes),
        DataType::Date32 => is_date(bytes),
        DataType::Timestamp(unit, None) => is_time(bytes, digits_of(*unit)),
        _ => false,
    }
}

fn digits_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn unsigned(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"-").unwrap_or(bytes)
}

fn all_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn is_whole(bytes: &[u8]) -> bool {
    let digits = unsigned(bytes);
    (1..=SURE_DIGITS_MAX).contains(&digits.len()) && all_digits(digits)
}

/// Digits with a point before the last of them, or an exponent, or both.
fn is_fraction(bytes: &[u8]) -> bool {
    let (number, exponent) = cut(unsigned(bytes), |byte| matches!(byte, b'e' | b'E'));
    let (whole, fraction) = cut(number, |byte| byte == b'.');
    let digits = match fraction {
        Some(fraction) => !fraction.is_empty() && all_digits(whole) && all_digits(fraction),
        None => exponent.is_some() && !whole.is_empty() && all_digits(whole),
    };
    digits && exponent.is_none_or(is_exponent)
}

fn is_exponent(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"+").unwrap_or_else(|| unsigned(bytes));
    !digits.is_empty() && all_digits(digits)
}

/// What stands before and after the first of such bytes.
fn cut(bytes: &[u8], is_between: impl Fn(u8) -> bool) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| is_between(*byte)) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// `2026-11-23`
fn is_date(bytes: &[u8]) -> bool {
    matches_pattern(bytes, b"0000-00-00")
}

/// `2026-11-23T12:34:56` or with a space between, and at most so many digits of a second.
fn is_time(bytes: &[u8], fraction_digits_max: usize) -> bool {
    let Some((seconds, fraction)) = bytes.split_at_checked(19) else {
        return false;
    };
    let moment = matches_pattern(seconds, b"0000-00-00T00:00:00") || matches_pattern(seconds, b"0000-00-00 00:00:00");
    let exact = match fraction.split_first() {
        None => true,
        Some((point, digits)) => {
            *point == b'.' && (1..=fraction_digits_max).contains(&digits.len()) && all_digits(digits)
        }
    };
    moment && exact
}

/// A zero stands for any digit.
fn matches_pattern(bytes: &[u8], pattern: &[u8]) -> bool {
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    bytes.len() == pattern.len() && bytes.iter().zip(pattern).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: DataType, plain: &[&str], not: &[&str]) {
        for text in plain {
            assert!(is_plainly(text, &wanted), "{text:?} is plainly {wanted}");
        }
        for text in not {
            assert!(!is_plainly(text, &wanted), "{text:?} is not plainly {wanted}");
        }
    }

    #[test]
    fn only_what_is_kept_exactly_is_plain() {
        check(DataType::Boolean, &["true", "FALSE"], &["t", "1", "yes", " true"]);
        check(
            DataType::Int64,
            &["0", "-1", "007", "999999999999999999"],
            &[
                "",
                "-",
                "+1",
                "1.0",
                "1e3",
                " 1",
                "1 ",
                "9223372036854775808",
                "0x1",
                "٣",
            ],
        );
        check(
            DataType::Float64,
            &["1", "-1.5", ".5", "1.5e10", "1.5E-3", "1.5e+3", "1e9"],
            &[
                "1.",
                ".",
                "1.5.5",
                "1.5e",
                "e5",
                "1e5.5",
                "NaN",
                "inf",
                "12345678901234567890",
                "1,5",
                "1_0",
            ],
        );
        check(
            DataType::Date32,
            &["2026-11-23"],
            &[
                "2026-11-23T10:00:00",
                "2026-11-23 ",
                "2026/11/23",
                "23.11.2026",
                "26-11-23",
            ],
        );
        check(
            DataType::Timestamp(TimeUnit::Second, None),
            &["2026-11-23T10:00:00", "2026-11-23 10:00:00"],
            &[
                "2026-11-23",
                "2026-11-23T10:00:00.5",
                "2026-11-23T10:00:00Z",
                "2026-11-23T10:00:00+01:00",
            ],
        );
        check(
            DataType::Timestamp(TimeUnit::Millisecond, None),
            &["2026-11-23T10:00:00", "2026-11-23T10:00:00.123"],
            &[
                "2026-11-23T10:00:00.1234",
                "2026-11-23T10:00:00.",
                "2026-11-23T10:00:00.12Z",
            ],
        );
        check(DataType::Utf8, &[], &["anything"]);
    }
}
