//! Plain types for clients, and what Flight SQL says about a column's type.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};

/// The plain type that values of `data_type` travel as.
pub(super) fn plain(data_type: &DataType) -> DataType {
    use DataType::*;
    match data_type {
        Utf8View | LargeUtf8 => Utf8,
        BinaryView | LargeBinary => Binary,
        Dictionary(_, values) => plain(values),
        RunEndEncoded(_, values) => plain(values.data_type()),
        Float16 => Float32,
        Decimal32(precision, scale) | Decimal64(precision, scale) => Decimal128(*precision, *scale),
        Timestamp(unit, Some(zone)) if is_utc(zone) => Timestamp(*unit, Some("UTC".into())),
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) => List(child("item", item)),
        FixedSizeList(item, length) => FixedSizeList(child("item", item), *length),
        Struct(fields) => Struct(fields.iter().map(|field| child(field.name(), field)).collect()),
        Map(entries, sorted) => Map(map_entries(entries), *sorted),
        other => other.clone(),
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "Z" | "+00:00" | "-00:00" | "+00" | "utc" | "Etc/UTC")
}

fn child(name: &str, field: &Field) -> FieldRef {
    Arc::new(Field::new(name, plain(field.data_type()), true))
}

/// Entries and keys of a map are the two children that must not be nullable.
fn map_entries(entries: &Field) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else {
        return Arc::new(entries.clone());
    };
    let [key, value] = &fields[..] else {
        return Arc::new(entries.clone());
    };
    let key = Field::new("key", plain(key.data_type()), false);
    let value = Field::new("value", plain(value.data_type()), true);
    Arc::new(Field::new("entries", DataType::Struct(vec![key, value].into()), false))
}

/// A plain type as SQL clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireType {
    /// SQL name.
    pub(crate) name: String,
    /// Digits (decimal for exact, binary for approximate numbers); `None` where the notion does not apply.
    pub(crate) precision: Option<i32>,
    /// Decimal places, also of seconds.
    pub(crate) scale: Option<i32>,
    /// Whether comparisons distinguish upper and lower case.
    pub(crate) case_sensitive: bool,
}

impl WireType {
    /// Describes a type made by [`super::wire_schema`].
    pub(crate) fn of(data_type: &DataType) -> Self {
        use DataType::*;
        let exact = |name: &str, digits| Self::new(name, Some(digits), Some(0));
        match data_type {
            Null => Self::new("NULL", None, None),
            Boolean => Self::new("BOOLEAN", Some(1), None),
            Int8 => exact("TINYINT", 3),
            Int16 => exact("SMALLINT", 5),
            Int32 => exact("INTEGER", 10),
            Int64 => exact("BIGINT", 19),
            UInt8 => exact("TINYINT UNSIGNED", 3),
            UInt16 => exact("SMALLINT UNSIGNED", 5),
            UInt32 => exact("INTEGER UNSIGNED", 10),
            UInt64 => exact("BIGINT UNSIGNED", 20),
            Float16 | Float32 => Self::new("REAL", Some(24), None),
            Float64 => Self::new("DOUBLE", Some(53), None),
            Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s) => {
                Self::new("DECIMAL", Some(i32::from(*p)), Some(i32::from(*s)))
            }
            Utf8 | LargeUtf8 | Utf8View => Self {
                case_sensitive: true,
                ..Self::new("VARCHAR", None, None)
            },
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => Self::new("VARBINARY", None, None),
            Date32 | Date64 => Self::new("DATE", Some(10), None),
            Time32(unit) | Time64(unit) => Self::new("TIME", None, Some(second_digits(*unit))),
            Timestamp(unit, None) => Self::new("TIMESTAMP", None, Some(second_digits(*unit))),
            Timestamp(unit, Some(_)) => Self::new("TIMESTAMP WITH TIME ZONE", None, Some(second_digits(*unit))),
            Duration(_) | Interval(_) => Self::new("INTERVAL", None, None),
            List(_) | LargeList(_) | ListView(_) | LargeListView(_) | FixedSizeList(..) => {
                Self::new("ARRAY", None, None)
            }
            Struct(_) => Self::new("STRUCT", None, None),
            Map(..) => Self::new("MAP", None, None),
            Union(..) => Self::new("UNION", None, None),
            Dictionary(_, values) => Self::of(values),
            RunEndEncoded(_, values) => Self::of(values.data_type()),
        }
    }

    fn new(name: &str, precision: Option<i32>, scale: Option<i32>) -> Self {
        Self {
            name: name.to_owned(),
            precision,
            scale,
            case_sensitive: false,
        }
    }
}

fn second_digits(unit: TimeUnit) -> i32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The Flight SQL metadata of a column of a type (see `CommandGetTables` in `FlightSql.proto`). Power BI needs the type's
/// name, JDBC's `ResultSetMetaData` the rest.
pub(crate) fn column_metadata(data_type: &DataType) -> HashMap<String, String> {
    let wire_type = WireType::of(data_type);
    let flag = |set: bool| if set { "1" } else { "0" }.to_owned();
    let mut metadata = HashMap::from([
        ("ARROW:FLIGHT:SQL:TYPE_NAME".to_owned(), wire_type.name),
        ("ARROW:FLIGHT:SQL:IS_AUTO_INCREMENT".to_owned(), flag(false)),
        (
            "ARROW:FLIGHT:SQL:IS_CASE_SENSITIVE".to_owned(),
            flag(wire_type.case_sensitive),
        ),
        // no client can change a row through a result
        ("ARROW:FLIGHT:SQL:IS_READ_ONLY".to_owned(), flag(true)),
        ("ARROW:FLIGHT:SQL:IS_SEARCHABLE".to_owned(), flag(true)),
    ]);
    wire_type
        .precision
        .map(|digits| metadata.insert("ARROW:FLIGHT:SQL:PRECISION".to_owned(), digits.to_string()));
    wire_type
        .scale
        .map(|digits| metadata.insert("ARROW:FLIGHT:SQL:SCALE".to_owned(), digits.to_string()));
    metadata
}
