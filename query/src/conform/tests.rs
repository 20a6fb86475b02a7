use datafusion::arrow::array::{
    Date64Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray,
    StringArray, StringViewArray, StructArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{Int32Type, TimestampMicrosecondType};

use super::*;
use crate::types::table_schema;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn to_type(array: ArrayRef, wanted: DataType) -> Result<ArrayRef, String> {
    let batch = batch(vec![("c", array)]);
    let target = Arc::new(Schema::new(vec![Field::new("c", wanted, true)]));
    let conform = Conform::new(batch.schema_ref(), target).map_err(|error| error.to_string())?;
    conform
        .apply(&batch)
        .map(|batch| batch.column(0).clone())
        .map_err(|error| error.to_string())
}

const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

#[test]
fn values_that_fit_pass_unchanged() {
    let whole = to_type(Arc::new(UInt64Array::from(vec![1, u64::MAX / 2])), DataType::Int64).unwrap();
    assert_eq!(whole.as_primitive::<Int64Type>().values(), &[1, i64::MAX]);
    let narrow = to_type(Arc::new(Int64Array::from(vec![Some(-5), None])), DataType::Int32).unwrap();
    assert_eq!(
        narrow.as_primitive::<Int32Type>(),
        &Int32Array::from(vec![Some(-5), None])
    );
    let time = to_type(Arc::new(TimestampNanosecondArray::from(vec![5_000])), MICROSECONDS).unwrap();
    assert_eq!(time.as_primitive::<TimestampMicrosecondType>().values(), &[5]);
    let text: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let text = to_type(Arc::new(text), DataType::Utf8).unwrap();
    assert_eq!(text.as_string::<i32>(), &StringArray::from(vec!["x", "y", "x"]));
    let money = Decimal128Array::from(vec![12345])
        .with_precision_and_scale(7, 2)
        .unwrap();
    let money = to_type(Arc::new(money), DataType::Decimal128(12, 4)).unwrap();
    assert_eq!(
        money
            .as_primitive::<datafusion::arrow::datatypes::Decimal128Type>()
            .value(0),
        1_234_500
    );
    let float = to_type(Arc::new(Int64Array::from(vec![1 << 53])), DataType::Float64).unwrap();
    assert_eq!(
        float
            .as_primitive::<datafusion::arrow::datatypes::Float64Type>()
            .value(0),
        9_007_199_254_740_992.0
    );
}

#[test]
fn values_that_do_not_fit_are_refused_by_column() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let cases: Vec<(ArrayRef, DataType, &str)> = vec![
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            DataType::Int64,
            "column c: ",
        ),
        (Arc::new(Int64Array::from(vec![1 << 40])), DataType::Int32, "column c: "),
        (
            Arc::new(TimestampNanosecondArray::from(vec![5_001])),
            MICROSECONDS,
            "5001 ns is no whole number",
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![i64::MAX / 2])),
            MICROSECONDS,
            "column c: ",
        ),
        (
            Arc::new(Date64Array::from(vec![1])),
            DataType::Date32,
            "1 ms is no whole day",
        ),
        (
            Arc::new(Int64Array::from(vec![(1 << 53) + 1])),
            DataType::Float64,
            "more digits",
        ),
        (
            Arc::new(Float64Array::from(vec![1.0])),
            DataType::Int64,
            "column c is Int64 in the table and Float64 in the rows",
        ),
        (
            Arc::new(Float64Array::from(vec![1.0])),
            DataType::Float32,
            "column c is Float32 in the table and Float64 in the rows",
        ),
        (
            Arc::new(StringArray::from(vec!["1"])),
            DataType::Int64,
            "column c is Int64 in the table and Utf8 in the rows",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![0])),
            utc,
            "column c is Timestamp",
        ),
    ];
    for (array, wanted, part) in cases {
        let message = to_type(array, wanted.clone()).expect_err(part);
        assert!(message.contains(part), "{wanted}: {message}");
    }
}

#[test]
fn nested_values_are_shaped_and_checked_too() {
    let list = ListArray::from_iter_primitive::<TimestampNanosecondType, _, _>(vec![Some(vec![Some(1_000), None])]);
    let point = StructArray::from(vec![
        (
            Arc::new(Field::new("x", DataType::UInt64, true)),
            Arc::new(UInt64Array::from(vec![7])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("l", DataType::Utf8View, true)),
            Arc::new(StringViewArray::from(vec!["a"])) as _,
        ),
    ]);
    let given = batch(vec![("list", Arc::new(list)), ("point", Arc::new(point))]);
    let target = table_schema(given.schema_ref()).unwrap();
    let shaped = Conform::new(given.schema_ref(), target.clone())
        .unwrap()
        .apply(&given)
        .unwrap();
    assert_eq!(shaped.schema_ref(), &target);
    let list = ListArray::from_iter_primitive::<TimestampNanosecondType, _, _>(vec![Some(vec![Some(1_001)])]);
    let item = Field::new("element", MICROSECONDS, true);
    let message = to_type(Arc::new(list), DataType::List(Arc::new(item))).unwrap_err();
    assert!(message.contains("1001 ns"), "{message}");
}

#[test]
fn columns_are_matched_by_name_and_missing_ones_are_null() {
    let given = batch(vec![
        ("NAME", Arc::new(LargeStringArray::from(vec!["x"])) as ArrayRef),
        ("id", Arc::new(Int32Array::from(vec![1]))),
    ]);
    let target = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("note", DataType::Utf8, true),
    ]));
    let shaped = Conform::new(given.schema_ref(), target).unwrap().apply(&given).unwrap();
    assert_eq!(shaped.column(0).as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(shaped.column(1).as_string::<i32>().value(0), "x");
    assert!(shaped.column(2).is_null(0));
}

#[test]
fn every_column_that_does_not_fit_is_named_at_once() {
    let given = batch(vec![
        ("a", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ("b", Arc::new(Int32Array::from(vec![1]))),
    ]);
    let target = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("c", DataType::Int64, false),
    ]));
    let message = Conform::new(given.schema_ref(), target).unwrap_err().to_string();
    assert_eq!(
        message,
        "the rows do not fit the table: column a is Int64 in the table and Utf8 in the rows; the table has no column b; \
         column c is missing and may not be null"
    );
}

#[test]
fn a_null_where_none_may_be_is_refused() {
    let given = batch(vec![("a", Arc::new(Int64Array::from(vec![None, Some(1)])) as ArrayRef)]);
    let target = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
    let message = Conform::new(given.schema_ref(), target)
        .unwrap()
        .apply(&given)
        .unwrap_err()
        .to_string();
    assert_eq!(message, "column a: a value is missing, and the column may not be null");
}
