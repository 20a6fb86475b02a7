//! Which types a table can hold, and what becomes of the others.
//!
//! Arrow has more types than Delta. A column of such a type is kept in the nearest one that can hold every value of it:
//!
//! | given | kept as |
//! |---|---|
//! | `UInt8`, `UInt16`, `UInt32` | `Int16`, `Int32`, `Int64` |
//! | `UInt64` | `Int64`; a value above 9,223,372,036,854,775,807 is an error |
//! | `Float16` | `Float32` |
//! | `LargeUtf8`, `Utf8View`, a column of nulls only | `Utf8` |
//! | `LargeBinary`, `BinaryView`, `FixedSizeBinary` | `Binary` |
//! | `Decimal32`, `Decimal64`, `Decimal256` up to 38 digits | `Decimal128` |
//! | `Date64` | `Date32`; a time of day is an error |
//! | `Timestamp` of any unit | microseconds; what does not fit them is an error |
//! | `Timestamp` with a time zone | the same instants in `UTC` |
//! | `LargeList`, `ListView`, `FixedSizeList` | `List` |
//! | `Dictionary`, `RunEndEncoded` | their values |
//!
//! `Time`, `Duration`, `Interval`, `Union` and larger decimals have no such counterpart and are refused.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
};

use crate::Error;
use crate::functions::null_bytes;

/// The names that Delta's own Arrow schemas give to the parts of lists and maps.
const ELEMENT: &str = "element";
const ENTRIES: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";

/// The largest value that is all zeros, so to speak: a type of fixed size takes its room for nulls as well.
const FIXED_BYTES_MAX: u64 = 64 << 10;

/// Refuses types such as `INT[2000000000]`, of which a single null would take gigabytes.
pub(crate) fn check_width(data_type: &DataType) -> Result<(), Error> {
    match null_bytes(data_type) {
        bytes if bytes <= FIXED_BYTES_MAX => Ok(()),
        bytes => Err(Error::ResourceExhausted {
            what: "the size of a value of fixed size",
            limit: format!("{FIXED_BYTES_MAX} bytes"),
            message: format!("{} takes {bytes}; leave the size out", short(data_type)),
        }),
    }
}

fn short(data_type: &DataType) -> String {
    data_type.to_string().chars().take(80).collect()
}

/// A schema as clients get it: scans read views and dictionaries, which are other encodings of the same values.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &FieldRef| Field::new(field.name(), plain_type(field.data_type()), field.is_nullable());
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Fields>()))
}

/// The type in which clients send and get values of a type.
pub(crate) fn plain_type(data_type: &DataType) -> DataType {
    let part = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(plain_type(field.data_type())));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(element) => DataType::List(part(element)),
        DataType::LargeList(element) => DataType::LargeList(part(element)),
        DataType::FixedSizeList(element, length) => DataType::FixedSizeList(part(element), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(part).collect()),
        DataType::Map(entries, sorted) => DataType::Map(part(entries), *sorted),
        other => other.clone(),
    }
}

/// The schema under which a table keeps rows of the given one. Fails on names that cannot stand side by side, and on
/// types that have no counterpart, naming every such column.
pub(crate) fn table_schema(schema: &Schema) -> Result<SchemaRef, Error> {
    let mut problems = Vec::new();
    if schema.fields().is_empty() {
        problems.push("a table needs at least one column".to_owned());
    }
    let fields = table_fields(schema.fields(), "", &mut problems);
    if problems.is_empty() {
        return Ok(Arc::new(Schema::new(fields)));
    }
    Err(Error::SchemaMismatch {
        message: problems.join("; "),
    })
}

fn table_fields(fields: &Fields, within: &str, problems: &mut Vec<String>) -> Fields {
    let mut names = HashSet::new();
    for field in fields {
        let name = field.name();
        if name.is_empty() || name.contains(|c: char| c.is_control()) {
            problems.push(format!("{name:?}{within} cannot name a column: give it a name with AS"));
        } else if !names.insert(name.to_lowercase()) {
            problems.push(format!(
                "there are two columns named {name}{within} (upper and lower case count as the same)"
            ));
        }
    }
    fields
        .iter()
        .map(|field| table_field(field, field.name(), within, problems))
        .collect()
}

fn table_field(field: &Field, name: &str, within: &str, problems: &mut Vec<String>) -> FieldRef {
    let place = format!(" in {}", field.name());
    let mut nested = Vec::new();
    let data_type = kept_type(field.data_type(), &place, &mut nested);
    problems.extend(
        nested
            .into_iter()
            .map(|problem| format!("column {}{within}: {problem}", field.name())),
    );
    let nullable = field.is_nullable() || field.data_type() == &DataType::Null;
    Arc::new(Field::new(name, data_type, nullable))
}

fn kept_type(data_type: &DataType, place: &str, problems: &mut Vec<String>) -> DataType {
    use DataType::*;
    let mut part = |field: &Field, name: &str| table_field(field, name, place, problems);
    match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Date32 | Utf8 | Binary => data_type.clone(),
        UInt8 => Int16,
        UInt16 => Int32,
        UInt32 | UInt64 => Int64,
        Float16 => Float32,
        Null | LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView | FixedSizeBinary(_) => Binary,
        Date64 => Date32,
        Timestamp(_, None) => Timestamp(TimeUnit::Microsecond, None),
        Timestamp(_, Some(_)) => Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | Decimal256(precision, scale) => {
            if *precision > DECIMAL128_MAX_PRECISION || *scale < 0 || *scale > *precision as i8 {
                problems.push(format!(
                    "a table keeps decimals of up to {DECIMAL128_MAX_PRECISION} digits, not DECIMAL({precision}, {scale})"
                ));
            }
            Decimal128(*precision, *scale)
        }
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _) => {
            List(part(item, ELEMENT))
        }
        Struct(fields) => Struct(table_fields(fields, place, problems)),
        Map(entries, _) => match entries.data_type() {
            Struct(parts) if parts.len() == 2 => {
                let key = part(&parts[0], KEY).as_ref().clone().with_nullable(false);
                let value = part(&parts[1], VALUE);
                let entries = Struct(Fields::from(vec![Arc::new(key), value]));
                Map(Arc::new(Field::new(ENTRIES, entries, false)), false)
            }
            other => refused(other, problems),
        },
        Dictionary(_, values) => kept_type(values, place, problems),
        RunEndEncoded(_, values) => kept_type(values.data_type(), place, problems),
        Time32(_) | Time64(_) | Duration(_) | Interval(_) | Union(..) => refused(data_type, problems),
    }
}

fn refused(data_type: &DataType, problems: &mut Vec<String>) -> DataType {
    let remedy = match data_type {
        DataType::Time32(_) | DataType::Time64(_) => "; keep it as text or as a whole number",
        DataType::Duration(_) | DataType::Interval(_) => "; keep it as a whole number of its unit",
        _ => "",
    };
    problems.push(format!("a table cannot keep values of type {data_type}{remedy}"));
    data_type.clone()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::UnionFields;
    use datafusion::arrow::datatypes::UnionMode;

    use super::*;

    fn check(given: DataType, expected: Result<DataType, &str>) {
        let schema = Schema::new(vec![Field::new("c", given.clone(), true)]);
        match (table_schema(&schema), expected) {
            (Ok(kept), Ok(expected)) => assert_eq!(kept.field(0).data_type(), &expected, "{given}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{given}: {error}"),
            (found, expected) => panic!("{given}: {found:?} instead of {expected:?}"),
        }
    }

    fn list_of(name: &str, item: DataType) -> DataType {
        DataType::List(Arc::new(Field::new(name, item, true)))
    }

    #[test]
    fn every_type_is_kept_in_one_that_holds_its_values() {
        use DataType::*;
        let utc = || Some("UTC".into());
        for plain in [Boolean, Int8, Int64, Float64, Utf8, Binary, Date32, Decimal128(38, 10)] {
            check(plain.clone(), Ok(plain));
        }
        for (given, kept) in [
            (UInt8, Int16),
            (UInt16, Int32),
            (UInt32, Int64),
            (UInt64, Int64),
            (Float16, Float32),
            (Null, Utf8),
            (LargeUtf8, Utf8),
            (Utf8View, Utf8),
            (BinaryView, Binary),
            (FixedSizeBinary(16), Binary),
            (Date64, Date32),
            (Decimal64(10, 2), Decimal128(10, 2)),
            (Decimal256(38, 2), Decimal128(38, 2)),
            (
                Timestamp(TimeUnit::Nanosecond, None),
                Timestamp(TimeUnit::Microsecond, None),
            ),
            (
                Timestamp(TimeUnit::Second, Some("+02:00".into())),
                Timestamp(TimeUnit::Microsecond, utc()),
            ),
            (Dictionary(Box::new(Int32), Box::new(LargeUtf8)), Utf8),
            (
                LargeList(Arc::new(Field::new("item", UInt8, true))),
                list_of(ELEMENT, Int16),
            ),
            (
                FixedSizeList(Arc::new(Field::new("item", Float32, true)), 3),
                list_of(ELEMENT, Float32),
            ),
        ] {
            check(given, Ok(kept));
        }
    }

    #[test]
    fn types_without_counterpart_are_refused_by_column() {
        use DataType::*;
        check(
            Time64(TimeUnit::Microsecond),
            Err("column c: a table cannot keep values of type Time64"),
        );
        check(Duration(TimeUnit::Second), Err("whole number of its unit"));
        check(
            Decimal256(50, 2),
            Err("decimals of up to 38 digits, not DECIMAL(50, 2)"),
        );
        check(Decimal128(5, -2), Err("not DECIMAL(5, -2)"));
        check(Union(UnionFields::empty(), UnionMode::Sparse), Err("Union"));
        check(
            list_of("item", Time32(TimeUnit::Second)),
            Err("column c: column item in c: a table cannot keep"),
        );
    }

    #[test]
    fn names_that_cannot_stand_side_by_side_are_refused() {
        let schema = |names: &[&str]| {
            Schema::new(
                names
                    .iter()
                    .map(|n| Field::new(*n, DataType::Int32, true))
                    .collect::<Vec<_>>(),
            )
        };
        for (names, part) in [
            (&["a", "A"][..], "two columns named A"),
            (&["a", ""], "\"\" cannot name a column"),
            (&["a\nb"], "cannot name a column"),
            (&[], "at least one column"),
        ] {
            let message = table_schema(&schema(names)).unwrap_err().to_string();
            assert!(message.contains(part), "{names:?}: {message}");
        }
        assert!(table_schema(&schema(&["a", "unit price", "count(*)", "Ä.b"])).is_ok());
    }

    #[test]
    fn nullability_is_kept() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int32, false),
            Field::new("b", DataType::Int32, true),
            Field::new("c", DataType::Null, false),
        ]);
        let kept = table_schema(&schema).unwrap();
        assert_eq!(
            kept.fields().iter().map(|f| f.is_nullable()).collect::<Vec<_>>(),
            [false, true, true]
        );
    }
}
