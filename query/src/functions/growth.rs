//! How much a function may produce, from what it is given.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

use super::sizes::{PerRow, bytes, lengths};

const NANOSECONDS_PER_DAY: i128 = 86_400 * 1_000_000_000;
const BYTES_PER_CHARACTER_MAX: u128 = 4;
const BYTES_PER_ELEMENT: u128 = 8;
/// The longest text of a number or a time, with what a list keeps of its place.
const BYTES_PER_TEXT_OF_ELEMENT: u128 = 40;
/// The longest that two characters of a time format become.
const GROWTH_OF_FORMAT: u128 = 16;

/// The way in which a function's result grows with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// At most some bytes for each row.
    Small,
    /// About as much as all arguments together: what is not known to be otherwise.
    Copied,
    /// The first argument, as often as the second says.
    Repeated,
    /// Text of as many characters as the second argument says.
    Padded,
    /// A list with as many elements as the second argument says, of the size of the third.
    Resized,
    /// A list of the numbers or times from the first to the second argument, by steps of the third.
    Series,
    /// The arguments, with the first one between each two of them.
    Separated,
    /// The first argument, with the third one in place of each second one in it.
    Replaced,
    /// The first argument, with the third one in place of its elements, or of what a pattern finds in it.
    Substituted,
    /// The elements of the first argument as text, with the second one between each two of them.
    Listed,
    /// A list of the parts of the first argument.
    Split,
    /// A list of what each group of the pattern has found in the first argument.
    Captured,
    /// A time in the format of the second argument.
    Formatted,
    /// Lists side by side, the shorter ones filled up.
    Zipped,
}

impl Growth {
    /// The growth of a function; `None` where it gives a number, a time or a part of what it is given without ever looking
    /// at text or lists, and need not be asked.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "abs" | "acos" | "acosh" | "asin" | "asinh" | "atan" | "atan2" | "atanh" | "cbrt" | "ceil" | "cos"
            | "cosh" | "cot" | "degrees" | "exp" | "factorial" | "floor" | "gcd" | "isnan" | "iszero" | "lcm"
            | "ln" | "log" | "log2" | "log10" | "nanvl" | "pi" | "power" | "radians" | "random" | "signum" | "sin"
            | "sinh" | "sqrt" | "tan" | "tanh" | "round" | "trunc" | "now" | "current_date" | "current_time"
            | "date_bin" | "date_part" | "date_trunc" | "from_unixtime" | "make_date" | "make_time"
            | "to_local_time" | "version" | "uuid" | "get_field" | "union_extract" | "union_tag"
            | "input_file_name" | "file_row_index" => return None,
            "ascii"
            | "bit_length"
            | "octet_length"
            | "character_length"
            | "chr"
            | "to_hex"
            | "contains"
            | "starts_with"
            | "ends_with"
            | "strpos"
            | "find_in_set"
            | "levenshtein"
            | "regexp_count"
            | "regexp_like"
            | "regexp_instr"
            | "md5"
            | "sha224"
            | "sha256"
            | "sha384"
            | "sha512"
            | "digest"
            | "to_date"
            | "to_time"
            | "to_timestamp"
            | "to_timestamp_seconds"
            | "to_timestamp_millis"
            | "to_timestamp_micros"
            | "to_timestamp_nanos"
            | "to_unixtime"
            | "cardinality"
            | "array_dims"
            | "array_ndims"
            | "array_length"
            | "array_empty"
            | "array_has"
            | "array_has_all"
            | "array_has_any"
            | "array_position"
            | "array_sum"
            | "array_avg"
            | "array_product"
            | "cosine_distance"
            | "inner_product"
            | "array_distance" => Growth::Small,
            "repeat" | "array_repeat" => Growth::Repeated,
            "lpad" | "rpad" => Growth::Padded,
            "array_resize" => Growth::Resized,
            "range" | "generate_series" => Growth::Series,
            "concat_ws" => Growth::Separated,
            "replace" => Growth::Replaced,
            "regexp_replace" | "array_replace" | "array_replace_n" | "array_replace_all" => Growth::Substituted,
            "array_to_string" => Growth::Listed,
            "string_to_array" => Growth::Split,
            "regexp_match" => Growth::Captured,
            "to_char" => Growth::Formatted,
            "arrays_zip" => Growth::Zipped,
            _ => Growth::Copied,
        })
    }

    /// Whether the result is as large as told, rather than that large at most.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Growth::Repeated | Growth::Resized | Growth::Series)
    }

    /// The bytes that the function may take for each row: those of its result, and of constants that it repeats for the
    /// rows. One number where all arguments are constants: the function is then computed once.
    pub(super) fn needs(self, args: &[ColumnarValue], rows: usize) -> Result<PerRow<u128>> {
        let constant = args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let repeated: u128 = match constant {
            true => 0,
            false => args.iter().map(constant_bytes).sum::<Result<_>>()?,
        };
        let of_row = self.of_row(args)?;
        let needs = |row: usize| of_row(row).saturating_add(repeated);
        Ok(match constant {
            true => PerRow::Constant(needs(0)),
            false => PerRow::Rows((0..rows).map(needs).collect()),
        })
    }

    fn of_row(self, args: &[ColumnarValue]) -> Result<Box<dyn Fn(usize) -> u128>> {
        let sizes = |args: &[ColumnarValue]| args.iter().map(bytes).collect::<Result<Vec<_>>>();
        let sum = |sizes: &[PerRow<u64>], row: usize| sizes.iter().map(|size| u128::from(size.at(row))).sum::<u128>();
        Ok(match (self, args) {
            (Growth::Small, _) => Box::new(|_| u128::from(u8::MAX)),
            (Growth::Repeated, [what, times]) => {
                // elements of a list take their room each, text does not
                let what = match what.data_type() {
                    text if text.is_string() || text.is_binary() => lengths(what)?,
                    _ => bytes(what)?,
                };
                let times = numbers(times)?;
                Box::new(move |row| u128::from(what.at(row)).saturating_mul(or_zero(times.at(row))))
            }
            (Growth::Padded, [_, characters, ..]) => {
                let characters = numbers(characters)?;
                Box::new(move |row| or_zero(characters.at(row)) * BYTES_PER_CHARACTER_MAX)
            }
            (Growth::Resized, [list, elements, fill @ ..]) => {
                let (list, elements, fill) = (bytes(list)?, numbers(elements)?, sizes(fill)?);
                Box::new(move |row| {
                    let each = sum(&fill, row).max(BYTES_PER_ELEMENT);
                    or_zero(elements.at(row)).saturating_mul(each) + u128::from(list.at(row))
                })
            }
            (Growth::Series, _) => {
                let limits = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
                Box::new(move |row| series(&limits.iter().map(|limit| limit.at(row)).collect::<Vec<_>>()))
            }
            (Growth::Separated, [separator, ..]) => {
                let (separator, parts, sizes) = (lengths(separator)?, args.len() as u128, sizes(args)?);
                Box::new(move |row| sum(&sizes, row) + u128::from(separator.at(row)) * parts)
            }
            (Growth::Replaced, [what, found, with, ..]) => {
                let (size, places, found, with) = (bytes(what)?, lengths(what)?, lengths(found)?, bytes(with)?);
                Box::new(move |row| {
                    let places = u128::from(places.at(row) / found.at(row).max(1)) + 1;
                    u128::from(size.at(row)) + places * u128::from(with.at(row))
                })
            }
            (Growth::Substituted, [what, _, with, ..]) => {
                let (size, places, with) = (bytes(what)?, lengths(what)?, bytes(with)?);
                Box::new(move |row| {
                    let places = u128::from(places.at(row)) + 1;
                    u128::from(size.at(row)) + places * u128::from(with.at(row))
                })
            }
            (Growth::Listed, [list, between @ ..]) => {
                let (size, elements, between) = (bytes(list)?, leaves(list)?, sizes(between)?);
                Box::new(move |row| {
                    let each = sum(&between, row) + BYTES_PER_TEXT_OF_ELEMENT;
                    u128::from(size.at(row)) + u128::from(elements.at(row)) * each
                })
            }
            (Growth::Split, [text, ..]) => {
                let size = bytes(text)?;
                Box::new(move |row| u128::from(size.at(row)) * BYTES_PER_ELEMENT)
            }
            (Growth::Captured, [text, pattern, ..]) => {
                let (size, groups) = (bytes(text)?, lengths(pattern)?);
                Box::new(move |row| u128::from(size.at(row)) * (u128::from(groups.at(row)) / 2 + 1))
            }
            (Growth::Formatted, [_, format, ..]) => {
                let format = bytes(format)?;
                Box::new(move |row| u128::from(format.at(row)) * GROWTH_OF_FORMAT)
            }
            (Growth::Zipped, _) => {
                let (sizes, lists) = (sizes(args)?, args.len() as u128);
                Box::new(move |row| sum(&sizes, row) * lists)
            }
            // the function itself says what is wrong with its arguments
            _ => {
                let sizes = sizes(args)?;
                Box::new(move |row| sum(&sizes, row))
            }
        })
    }
}

fn or_zero(number: Option<i128>) -> u128 {
    number.unwrap_or_default().max(0).unsigned_abs()
}

fn constant_bytes(argument: &ColumnarValue) -> Result<u128> {
    match argument {
        ColumnarValue::Scalar(_) => Ok(u128::from(bytes(argument)?.at(0))),
        ColumnarValue::Array(_) => Ok(0),
    }
}

fn series(limits: &[Option<i128>]) -> u128 {
    let Some(limits) = limits.iter().copied().collect::<Option<Vec<_>>>() else {
        return 0;
    };
    let count = |number: i128| number.max(0).unsigned_abs();
    match limits[..] {
        [stop] => count(stop) * BYTES_PER_ELEMENT,
        [start, stop] => count(stop - start) * BYTES_PER_ELEMENT,
        // a step that leads nowhere never ends
        [_, _, 0] => u128::from(u64::MAX),
        [start, stop, step] => count((stop - start) / step) * BYTES_PER_ELEMENT,
        _ => 0,
    }
}

/// How many values stand in a list, lists within it included.
fn leaves(list: &ColumnarValue) -> Result<PerRow<u64>> {
    match list.data_type() {
        DataType::List(element) | DataType::LargeList(element) if !element.data_type().is_nested() => lengths(list),
        // each takes a byte at least
        _ => bytes(list),
    }
}

/// Numbers as they are, times and steps of time in nanoseconds.
fn numbers(value: &ColumnarValue) -> Result<PerRow<Option<i128>>> {
    let array = match value {
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        ColumnarValue::Array(array) => array.clone(),
    };
    let values: Vec<Option<i128>> = match array.data_type() {
        DataType::Interval(_) => {
            let wide = DataType::Interval(IntervalUnit::MonthDayNano);
            let steps = ColumnarValue::Array(array).cast_to(&wide, None)?.to_array(1)?;
            let steps = steps.as_primitive::<IntervalMonthDayNanoType>().iter();
            let nanoseconds =
                |step: <IntervalMonthDayNanoType as datafusion::arrow::datatypes::ArrowPrimitiveType>::Native| {
                    let parts = [
                        i128::from(step.months),
                        i128::from(step.days),
                        i128::from(step.nanoseconds),
                    ];
                    // a month on and thirty days back are no step in some months, and go either way in others
                    if parts.iter().any(|part| *part > 0) && parts.iter().any(|part| *part < 0) {
                        return 0;
                    }
                    (parts[0] * 30 + parts[1]) * NANOSECONDS_PER_DAY + parts[2]
                };
            steps.map(|step| step.map(nanoseconds)).collect()
        }
        data_type => {
            let unit: i128 = match data_type {
                DataType::Date32 => NANOSECONDS_PER_DAY,
                DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
                DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
                DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
                _ => 1,
            };
            let wide = match data_type {
                // days are 32 bits wide, and Arrow casts them to 64 by way of 32 only
                DataType::Date32 => ColumnarValue::Array(array).cast_to(&DataType::Int32, None)?,
                _ => ColumnarValue::Array(array),
            };
            let wide = wide.cast_to(&DataType::Int64, None)?.to_array(1)?;
            let values = wide.as_primitive::<Int64Type>().iter();
            values
                .map(|value| value.map(|value| i128::from(value) * unit))
                .collect()
        }
    };
    Ok(match value {
        ColumnarValue::Scalar(_) => PerRow::Constant(values.first().copied().flatten()),
        ColumnarValue::Array(_) => PerRow::Rows(values),
    })
}
