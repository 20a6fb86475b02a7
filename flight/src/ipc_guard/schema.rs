//! Schemas: only what the decoder can turn into arrow types.

use arrow::ipc::{DateUnit, Endianness, Field, IntervalUnit, Precision, Schema, TimeUnit, Type};

use super::{FIELDS_MAX, NESTING_DEPTH_MAX, Refused, Result};

/// Accepts a schema that the decoder accepts too.
pub(super) fn check(schema: Schema<'_>) -> Result<()> {
    if schema.endianness() != Endianness::Little {
        return Err(Refused::because("big-endian data"));
    }
    let fields = schema
        .fields()
        .ok_or_else(|| Refused::because("a schema without a list of fields"))?;
    let mut count = 0;
    fields.iter().try_for_each(|field| check_field(field, 0, &mut count))
}

fn check_field(field: Field<'_>, depth: usize, count: &mut usize) -> Result<()> {
    *count += 1;
    if *count > FIELDS_MAX {
        return Err(Refused::because(format!(
            "more than {FIELDS_MAX} columns, those in nested types included"
        )));
    }
    if depth >= NESTING_DEPTH_MAX {
        return Err(Refused::because(format!(
            "types nested deeper than {NESTING_DEPTH_MAX}"
        )));
    }
    let refused = || {
        Refused::because(format!(
            "column {:?} has a type that is not known",
            field.name().unwrap_or_default()
        ))
    };
    if let Some(dictionary) = field.dictionary() {
        let index = dictionary.indexType().ok_or_else(refused)?;
        if !matches!(index.bitWidth(), 8 | 16 | 32 | 64) {
            return Err(refused());
        }
    }
    let children = field.children().map_or(0, |children| children.len());
    let expected = check_type(field).ok_or_else(refused)?;
    if expected.is_some_and(|expected| expected != children) {
        return Err(refused());
    }
    if field.type_type() == Type::Map {
        check_map(field).ok_or_else(refused)?;
    }
    field
        .children()
        .into_iter()
        .flatten()
        .try_for_each(|child| check_field(child, depth + 1, count))
}

/// Whether the type is one that is accepted, and with how many children: `Some(None)` for any number.
fn check_type(field: Field<'_>) -> Option<Option<usize>> {
    let leaf = |known: bool| known.then_some(Some(0));
    match field.type_type() {
        Type::Null | Type::Bool | Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => leaf(true),
        Type::Binary | Type::LargeBinary | Type::BinaryView => leaf(true),
        Type::Int => leaf(matches!(field.type_as_int()?.bitWidth(), 8 | 16 | 32 | 64)),
        Type::FloatingPoint => {
            let precision = field.type_as_floating_point()?.precision();
            leaf([Precision::HALF, Precision::SINGLE, Precision::DOUBLE].contains(&precision))
        }
        Type::Decimal => {
            let decimal = field.type_as_decimal()?;
            let digits_max = match decimal.bitWidth() {
                32 => 9,
                64 => 18,
                128 => 38,
                256 => 76,
                _ => return None,
            };
            let precision = decimal.precision();
            leaf((1..=digits_max).contains(&precision) && (-digits_max..=precision).contains(&decimal.scale()))
        }
        Type::Date => leaf([DateUnit::DAY, DateUnit::MILLISECOND].contains(&field.type_as_date()?.unit())),
        Type::Time => {
            let time = field.type_as_time()?;
            let (short, long) = (
                [TimeUnit::SECOND, TimeUnit::MILLISECOND],
                [TimeUnit::MICROSECOND, TimeUnit::NANOSECOND],
            );
            leaf(match time.bitWidth() {
                32 => short.contains(&time.unit()),
                64 => long.contains(&time.unit()),
                _ => false,
            })
        }
        Type::Timestamp => leaf(known_unit(field.type_as_timestamp()?.unit())),
        Type::Duration => leaf(known_unit(field.type_as_duration()?.unit())),
        Type::Interval => {
            let known = [
                IntervalUnit::YEAR_MONTH,
                IntervalUnit::DAY_TIME,
                IntervalUnit::MONTH_DAY_NANO,
            ];
            leaf(known.contains(&field.type_as_interval()?.unit()))
        }
        Type::FixedSizeBinary => leaf(field.type_as_fixed_size_binary()?.byteWidth() >= 0),
        Type::List => field.type_as_list().map(|_| Some(1)),
        Type::LargeList => field.type_as_large_list().map(|_| Some(1)),
        Type::FixedSizeList => (field.type_as_fixed_size_list()?.listSize() >= 0).then_some(Some(1)),
        Type::Map => field.type_as_map().map(|_| Some(1)),
        Type::Struct_ => field.type_as_struct_().map(|_| None),
        // Delta has no unions; list views and run-end encoding are for engines, no client uploads them
        _ => None,
    }
}

/// A map has one child, a struct of key and value; building one of anything else panics.
fn check_map(field: Field<'_>) -> Option<()> {
    let entries = field.children()?.iter().next()?;
    let pair = entries.type_type() == Type::Struct_ && entries.children().is_some_and(|children| children.len() == 2);
    (pair && entries.dictionary().is_none()).then_some(())
}

fn known_unit(unit: TimeUnit) -> bool {
    [
        TimeUnit::SECOND,
        TimeUnit::MILLISECOND,
        TimeUnit::MICROSECOND,
        TimeUnit::NANOSECOND,
    ]
    .contains(&unit)
}
