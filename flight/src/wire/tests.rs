use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::*,
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::*,
};
use arrow_flight::{FlightInfo, SchemaResult, decode::FlightDataDecoder};
use futures::StreamExt;

use super::*;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("element", data_type, false).with_metadata(HashMap::from([("k".into(), "v".into())])))
}

/// Three rows of every type that a plan may produce, with nulls, and what they must travel as.
pub(crate) fn zoo() -> (RecordBatch, Vec<DataType>) {
    use DataType::*;
    let strings = vec![Some("a string longer than twelve bytes"), None, Some("short")];
    let view = StringViewArray::from(strings.clone());
    let large = LargeStringArray::from(strings.clone());
    let binary = BinaryViewArray::from(vec![Some(b"x".as_slice()), None, Some(b"yy")]);
    let dictionary: DictionaryArray<Int32Type> = strings.iter().copied().collect();
    let nested_dictionary = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![Some(1), None, Some(0)]),
        Arc::new(StringViewArray::from(vec!["zero", "one"])),
    );
    let offsets64 = || OffsetBuffer::new(ScalarBuffer::from(vec![0i64, 2, 2, 3]));
    let offsets32 = || OffsetBuffer::new(ScalarBuffer::from(vec![0i32, 2, 2, 3]));
    let leaves = || Arc::new(StringViewArray::from(vec!["p", "q", "r"])) as ArrayRef;
    let large_list = LargeListArray::new(item(Utf8View), offsets64(), leaves(), None);
    let list = ListArray::new(item(Utf8View), offsets32(), leaves(), None);
    let list_view = ListViewArray::new(
        item(Utf8View),
        ScalarBuffer::from(vec![1, 0, 0]),
        ScalarBuffer::from(vec![2, 3, 0]),
        leaves(),
        None,
    );
    let fixed_list = FixedSizeListArray::new(item(Utf8View), 1, leaves(), None);
    let structure = StructArray::new(
        vec![
            Field::new("s", Utf8View, false),
            Field::new("l", LargeList(item(Utf8View)), false),
        ]
        .into(),
        vec![leaves(), Arc::new(large_list.clone())],
        None,
    );
    let entries = StructArray::new(
        vec![
            Field::new("keys", Utf8View, false),
            Field::new("values", LargeUtf8, true),
        ]
        .into(),
        vec![
            leaves(),
            Arc::new(LargeStringArray::from(vec![Some("1"), None, Some("3")])),
        ],
        None,
    );
    let map_field = Arc::new(Field::new("key_value", entries.data_type().clone(), false));
    let map = MapArray::new(map_field, offsets32(), entries, None, false);
    let now = TimestampNanosecondArray::from(vec![Some(1), None, Some(3)]).with_timezone("+00:00");
    let small_decimal = Decimal64Array::from(vec![Some(123), None, Some(-5)])
        .with_precision_and_scale(9, 2)
        .unwrap();
    let run_ends =
        RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &StringArray::from(vec!["run", "end"])).unwrap();

    let string_item = |name: &str| Arc::new(Field::new(name, Utf8, true));
    let plain_list = List(string_item("item"));
    let plain_entries = Struct(vec![Field::new("key", Utf8, false), Field::new("value", Utf8, true)].into());
    let columns: Vec<(ArrayRef, DataType)> = vec![
        (Arc::new(view), Utf8),
        (Arc::new(large), Utf8),
        (Arc::new(StringArray::from(strings)), Utf8),
        (Arc::new(binary), Binary),
        (Arc::new(dictionary), Utf8),
        (Arc::new(nested_dictionary), Utf8),
        (Arc::new(large_list), plain_list.clone()),
        (Arc::new(list), plain_list.clone()),
        (Arc::new(list_view), plain_list.clone()),
        (Arc::new(fixed_list), FixedSizeList(string_item("item"), 1)),
        (
            Arc::new(structure),
            Struct(vec![field("s", Utf8), field("l", plain_list)].into()),
        ),
        (
            Arc::new(map),
            Map(Arc::new(Field::new("entries", plain_entries, false)), false),
        ),
        (Arc::new(now), Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
        (Arc::new(small_decimal), Decimal128(9, 2)),
        (Arc::new(run_ends), Utf8),
        (Arc::new(Int32Array::from(vec![1, 2, 3])), Int32),
        (Arc::new(NullArray::new(3)), Null),
        (
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Boolean,
        ),
        (
            Arc::new(FixedSizeBinaryArray::try_from_iter([[1u8; 4], [2; 4], [3; 4]].iter()).unwrap()),
            FixedSizeBinary(4),
        ),
    ];
    let fields: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(i, (array, _))| field(&format!("c{i}"), array.data_type().clone()))
        .collect();
    let (arrays, expected): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Schema::new_with_metadata(fields, HashMap::from([("plan".into(), "metadata".into())]));
    (RecordBatch::try_new(Arc::new(schema), arrays).unwrap(), expected)
}

fn shown(array: &dyn Array) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default().with_null("NULL");
    let formatter = arrow::util::display::ArrayFormatter::try_new(array, &options).unwrap();
    (0..array.len()).map(|row| formatter.value(row).to_string()).collect()
}

#[test]
fn every_type_becomes_its_plain_one_and_keeps_its_values() {
    let (batch, expected) = zoo();
    let schema = wire_schema(batch.schema_ref());
    assert!(schema.metadata().is_empty());
    let conformed = conform(&batch, &schema).unwrap();
    for (i, data_type) in expected.iter().enumerate() {
        assert_eq!(schema.field(i).data_type(), data_type, "column {i}");
        let (before, after) = (shown(batch.column(i)), shown(conformed.column(i)));
        // the zone is written differently on purpose
        let before: Vec<_> = before.into_iter().map(|value| value.replace("+00:00", "Z")).collect();
        assert_eq!(before, after, "column {i}: {data_type}");
    }
    let again = wire_schema(&schema);
    assert_eq!(again, schema, "plain types stay as they are");
}

#[test]
fn slices_conform_to_their_own_rows() {
    let (batch, _) = zoo();
    let schema = wire_schema(batch.schema_ref());
    let whole = conform(&batch, &schema).unwrap();
    for (start, length) in [(0, 1), (1, 2), (2, 1), (1, 0)] {
        let part = conform(&batch.slice(start, length), &schema).unwrap();
        for i in 0..batch.num_columns() {
            assert_eq!(
                shown(part.column(i)),
                shown(&whole.column(i).slice(start, length)),
                "column {i}"
            );
        }
    }
}

#[test]
fn columns_carry_the_metadata_of_flight_sql() {
    let schema = Schema::new(vec![
        field("d", DataType::Decimal64(9, 2)),
        field("s", DataType::LargeUtf8),
    ]);
    let schema = wire_schema(&schema);
    let get = |i: usize, key: &str| {
        schema
            .field(i)
            .metadata()
            .get(&format!("ARROW:FLIGHT:SQL:{key}"))
            .cloned()
    };
    assert_eq!(get(0, "TYPE_NAME").as_deref(), Some("DECIMAL"));
    assert_eq!(
        (get(0, "PRECISION"), get(0, "SCALE")),
        (Some("9".into()), Some("2".into()))
    );
    assert_eq!(get(1, "TYPE_NAME").as_deref(), Some("VARCHAR"));
    assert_eq!(get(1, "IS_CASE_SENSITIVE").as_deref(), Some("1"));
    assert_eq!(get(1, "PRECISION"), None);
}

#[tokio::test]
async fn the_stream_announces_byte_for_byte_the_schema_of_flight_info_and_get_schema() {
    let (batch, _) = zoo();
    let schema = wire_schema(batch.schema_ref());
    let mut encoder = Encoder::new(schema.clone());
    let encoded = encode_schema(&schema).unwrap();
    let header = encoder.schema().data_header;
    // continuation marker and length, then the very flatbuffer of the stream
    assert_eq!(&encoded[..4], [0xff; 4]);
    assert_eq!(&encoded[8..8 + header.len()], &header[..]);
    assert_eq!(FlightInfo::new().try_with_schema(&schema).unwrap().schema, encoded);
    assert_eq!(Schema::try_from(SchemaResult { schema: encoded }).unwrap(), *schema);

    let conformed = conform(&batch, &schema).unwrap();
    let messages = vec![
        encoder.schema(),
        encoder.empty().unwrap(),
        encoder.batch(&conformed).unwrap(),
    ];
    let mut decoder = FlightDataDecoder::new(futures::stream::iter(messages.into_iter().map(Ok)));
    let mut rows = Vec::new();
    while let Some(message) = decoder.next().await {
        if let arrow_flight::decode::DecodedPayload::RecordBatch(batch) = message.unwrap().payload {
            assert_eq!(batch.schema(), schema);
            rows.push(batch.num_rows());
        }
    }
    assert_eq!(rows, [0, 3]);
}

#[test]
fn batches_are_cut_by_the_bytes_of_their_own_rows() {
    let long = "x".repeat(1000);
    let strings = StringArray::from_iter_values((0..1000).map(|_| &long));
    let batch = RecordBatch::try_from_iter([("s", Arc::new(strings) as ArrayRef)]).unwrap();
    assert_eq!(sliced_bytes(&batch.slice(10, 5)), 5 * 1000 + 6 * 4);

    let mut pieces = Vec::new();
    split(batch.clone(), 100_000, &mut pieces);
    assert!((10..=12).contains(&pieces.len()), "{} pieces", pieces.len());
    assert_eq!(pieces.iter().map(RecordBatch::num_rows).sum::<usize>(), 1000);
    let mut encoder = Encoder::new(batch.schema());
    for piece in &pieces {
        let body = encoder.batch(piece).unwrap().data_body.len();
        assert!(
            sliced_bytes(piece) <= 100_000 && body <= sliced_bytes(piece) + 256,
            "{body}"
        );
    }

    pieces.clear();
    split(batch.slice(0, 3), 10_000, &mut pieces);
    assert_eq!(pieces.len(), 1, "a small slice of a large batch is one piece");
}

#[test]
fn rows_of_uneven_size_are_cut_until_each_piece_fits_or_is_a_single_row() {
    let values: Vec<String> = (0..100)
        .map(|row| "y".repeat(if row % 10 == 0 { 50_000 } else { 10 }))
        .collect();
    let batch = RecordBatch::try_from_iter([("s", Arc::new(StringArray::from(values)) as ArrayRef)]).unwrap();
    let mut pieces = Vec::new();
    split(batch.clone(), 40_000, &mut pieces);
    assert!(
        pieces
            .iter()
            .all(|piece| piece.num_rows() == 1 || sliced_bytes(piece) <= 40_000)
    );
    assert_eq!(
        arrow::compute::concat_batches(&batch.schema(), &pieces).unwrap(),
        batch,
        "order and rows are kept"
    );
}

#[test]
fn views_and_dictionaries_count_in_full() {
    let long = "z".repeat(10_000);
    let view = StringViewArray::from(vec![long.as_str(); 100]);
    let dictionary = DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![0; 100]),
        Arc::new(StringArray::from(vec![long.as_str()])),
    );
    for array in [Arc::new(view) as ArrayRef, Arc::new(dictionary)] {
        let batch = RecordBatch::try_from_iter([("s", array)]).unwrap();
        let full = conform(&batch, &wire_schema(batch.schema_ref())).unwrap();
        let (before, after) = (sliced_bytes(&batch), sliced_bytes(&full));
        assert!(before.abs_diff(after) < 1000, "{before} against {after}");
    }
}
