//! What GetXdbcTypeInfo answers: the types that a column can have, for ODBC and for generators of DDL.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    error::FlightError,
    sql::{
        CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
        metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
    },
};

/// The answers of a node.
pub(crate) struct XdbcTypes(XdbcTypeInfoData);

impl XdbcTypes {
    pub(crate) fn new() -> Result<Self, FlightError> {
        let mut types = XdbcTypeInfoDataBuilder::new();
        TYPES.iter().for_each(|known| types.append(known.info()));
        types.build().map(Self)
    }

    /// The schema of every answer.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    /// The types of one kind, or all.
    pub(crate) fn answer(&self, command: CommandGetXdbcTypeInfo) -> Result<RecordBatch, FlightError> {
        self.0.record_batch(command.data_type)
    }
}

impl std::fmt::Debug for XdbcTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("XdbcTypes(..)")
    }
}

/// One type, with the names of [`crate::wire::WireType`].
struct Known {
    name: &'static str,
    kind: XdbcDataType,
    /// Digits, or characters when printed.
    size: i32,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Exact,
    Approximate,
    Decimal,
    Text,
    Bytes,
    Time(XdbcDatetimeSubcode),
    Truth,
}

const fn known(name: &'static str, kind: XdbcDataType, size: i32, shape: Shape) -> Known {
    Known {
        name,
        kind,
        size,
        shape,
    }
}

const TYPES: [Known; 13] = [
    known("BOOLEAN", XdbcDataType::XdbcBit, 1, Shape::Truth),
    known("TINYINT", XdbcDataType::XdbcTinyint, 3, Shape::Exact),
    known("SMALLINT", XdbcDataType::XdbcSmallint, 5, Shape::Exact),
    known("INTEGER", XdbcDataType::XdbcInteger, 10, Shape::Exact),
    known("BIGINT", XdbcDataType::XdbcBigint, 19, Shape::Exact),
    known("REAL", XdbcDataType::XdbcReal, 24, Shape::Approximate),
    known("DOUBLE", XdbcDataType::XdbcDouble, 53, Shape::Approximate),
    known("DECIMAL", XdbcDataType::XdbcDecimal, 38, Shape::Decimal),
    known("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX, Shape::Text),
    known("VARBINARY", XdbcDataType::XdbcVarbinary, i32::MAX, Shape::Bytes),
    known(
        "DATE",
        XdbcDataType::XdbcDate,
        10,
        Shape::Time(XdbcDatetimeSubcode::XdbcSubcodeYear),
    ),
    known(
        "TIMESTAMP",
        XdbcDataType::XdbcTimestamp,
        29,
        Shape::Time(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
    ),
    known(
        "TIMESTAMP WITH TIME ZONE",
        XdbcDataType::XdbcTimestamp,
        35,
        Shape::Time(XdbcDatetimeSubcode::XdbcSubcodeTimestampWithTimezone),
    ),
];

impl Known {
    fn info(&self) -> XdbcTypeInfo {
        let number = matches!(self.shape, Shape::Exact | Shape::Approximate | Shape::Decimal);
        let (prefix, suffix) = match self.shape {
            Shape::Text => (Some("'".to_owned()), Some("'".to_owned())),
            Shape::Bytes => (Some("X'".to_owned()), Some("'".to_owned())),
            Shape::Time(_) => (Some(format!("{} '", self.name)), Some("'".to_owned())),
            _ => (None, None),
        };
        let scales = match self.shape {
            Shape::Exact => Some((0, 0)),
            Shape::Decimal => Some((0, 38)),
            Shape::Time(_) if self.kind == XdbcDataType::XdbcTimestamp => Some((0, 9)),
            _ => None,
        };
        XdbcTypeInfo {
            type_name: self.name.to_owned(),
            data_type: self.kind,
            column_size: Some(self.size),
            literal_prefix: prefix,
            literal_suffix: suffix,
            create_params: (self.shape == Shape::Decimal).then(|| vec!["precision".to_owned(), "scale".to_owned()]),
            nullable: Nullable::NullabilityNullable,
            case_sensitive: self.shape == Shape::Text,
            searchable: if self.shape == Shape::Text {
                Searchable::Full
            } else {
                Searchable::Basic
            },
            unsigned_attribute: number.then_some(false),
            fixed_prec_scale: false,
            auto_increment: number.then_some(false),
            local_type_name: Some(self.name.to_owned()),
            minimum_scale: scales.map(|(least, _)| least),
            maximum_scale: scales.map(|(_, most)| most),
            sql_data_type: match self.shape {
                Shape::Time(_) => XdbcDataType::XdbcDatetime,
                _ => self.kind,
            },
            datetime_subcode: match self.shape {
                Shape::Time(subcode) => Some(subcode),
                _ => None,
            },
            num_prec_radix: match self.shape {
                Shape::Exact | Shape::Decimal => Some(10),
                Shape::Approximate => Some(2),
                _ => None,
            },
            interval_precision: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::WireType;
    use arrow::{array::AsArray, datatypes::DataType};

    #[test]
    fn all_types_or_those_of_one_kind_are_listed() {
        let types = XdbcTypes::new().unwrap();
        let all = types.answer(CommandGetXdbcTypeInfo { data_type: None }).unwrap();
        assert_eq!((all.num_rows(), all.schema()), (TYPES.len(), types.schema()));
        let kind = XdbcDataType::XdbcTimestamp as i32;
        assert_eq!(
            types
                .answer(CommandGetXdbcTypeInfo { data_type: Some(kind) })
                .unwrap()
                .num_rows(),
            2
        );
        assert_eq!(
            types
                .answer(CommandGetXdbcTypeInfo { data_type: Some(4711) })
                .unwrap()
                .num_rows(),
            0
        );
    }

    #[test]
    fn types_are_named_as_in_column_metadata() {
        let all = XdbcTypes::new()
            .unwrap()
            .answer(CommandGetXdbcTypeInfo { data_type: None })
            .unwrap();
        let names: Vec<_> = all.column(0).as_string::<i32>().iter().flatten().collect();
        for data_type in [
            DataType::Int64,
            DataType::Utf8,
            DataType::Boolean,
            DataType::Decimal128(9, 2),
            DataType::Binary,
        ] {
            assert!(names.contains(&WireType::of(&data_type).name.as_str()), "{data_type}");
        }
    }
}
