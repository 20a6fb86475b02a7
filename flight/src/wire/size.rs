//! How many bytes rows take, and cutting batches by it.
//!
//! `arrow-flight` cuts by the size of whole buffers: a slice of a large batch then looks as large as the batch and is cut
//! into single rows. Here a slice is as large as its own rows.

use arrow::{
    array::{Array, ArrayRef, AsArray, GenericListViewArray, OffsetSizeTrait, RecordBatch},
    datatypes::{ArrowNativeType, ByteArrayType, ByteViewType, DataType},
};

/// Bytes that a batch's rows take on the wire, nearly: values and offsets, without padding. For views, dictionaries and
/// list views it is what they take once written out in full, which can be far more than they take in memory.
pub(crate) fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).fold(0, usize::saturating_add)
}

/// Appends `batch`, cut into pieces of nearly `target_bytes` at most, to `pieces`. A single row is never cut, and a batch
/// without rows gives no piece.
pub(crate) fn split(batch: RecordBatch, target_bytes: usize, pieces: &mut Vec<RecordBatch>) {
    let rows = batch.num_rows();
    if rows == 0 {
        return;
    }
    let bytes = sliced_bytes(&batch);
    if bytes <= target_bytes || rows == 1 {
        pieces.push(batch);
        return;
    }
    // rows of one size give pieces of one size at once; where they differ, pieces that are still too large are cut again
    let count = bytes.div_ceil(target_bytes).clamp(2, rows);
    let rows_per_piece = rows.div_ceil(count);
    let mut start = 0;
    while start < rows {
        let length = rows_per_piece.min(rows - start);
        split(batch.slice(start, length), target_bytes, pieces);
        start += length;
    }
}

fn array_bytes(array: &ArrayRef) -> usize {
    let rows = array.len();
    let validity = if array.nulls().is_some() { rows.div_ceil(8) } else { 0 };
    validity.saturating_add(value_bytes(array))
}

fn value_bytes(array: &ArrayRef) -> usize {
    use DataType::*;
    let rows = array.len();
    match array.data_type() {
        Null => 0,
        Boolean => rows.div_ceil(8),
        Utf8 => byte_array_bytes::<arrow::datatypes::Utf8Type>(array),
        LargeUtf8 => byte_array_bytes::<arrow::datatypes::LargeUtf8Type>(array),
        Binary => byte_array_bytes::<arrow::datatypes::BinaryType>(array),
        LargeBinary => byte_array_bytes::<arrow::datatypes::LargeBinaryType>(array),
        Utf8View => view_bytes::<arrow::datatypes::StringViewType>(array),
        BinaryView => view_bytes::<arrow::datatypes::BinaryViewType>(array),
        FixedSizeBinary(width) => rows.saturating_mul(usize::try_from(*width).unwrap_or(0)),
        List(_) => {
            let list = array.as_list::<i32>();
            list_bytes(list.value_offsets(), list.values())
        }
        LargeList(_) => {
            let list = array.as_list::<i64>();
            list_bytes(list.value_offsets(), list.values())
        }
        Map(..) => {
            let map = array.as_map();
            list_bytes(
                map.value_offsets(),
                &(std::sync::Arc::new(map.entries().clone()) as ArrayRef),
            )
        }
        ListView(_) => list_view_bytes::<i32>(array.as_list_view()),
        LargeListView(_) => list_view_bytes::<i64>(array.as_list_view()),
        FixedSizeList(..) => array_bytes(array.as_fixed_size_list().values()),
        Struct(_) => array
            .as_struct()
            .columns()
            .iter()
            .map(array_bytes)
            .fold(0, usize::saturating_add),
        Dictionary(..) => dictionary_bytes(array),
        // neither stands in a plain result; the memory they take is near enough
        RunEndEncoded(..) | Union(..) => array.get_buffer_memory_size(),
        fixed => rows.saturating_mul(fixed.primitive_width().unwrap_or(16)),
    }
}

fn byte_array_bytes<T: ByteArrayType>(array: &ArrayRef) -> usize {
    let offsets = array.as_bytes::<T>().value_offsets();
    let bytes = (offsets[offsets.len() - 1] - offsets[0]).as_usize();
    bytes.saturating_add(size_of_val(offsets))
}

fn view_bytes<T: ByteViewType>(array: &ArrayRef) -> usize {
    // the low half of a view is its value's length
    let lengths = array
        .as_byte_view::<T>()
        .views()
        .iter()
        .map(|view| *view as u32 as usize);
    lengths.fold(4 * array.len(), usize::saturating_add)
}

fn list_bytes<O: OffsetSizeTrait>(offsets: &[O], values: &ArrayRef) -> usize {
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    array_bytes(&values.slice(first, last - first)).saturating_add(size_of_val(offsets))
}

fn list_view_bytes<O: OffsetSizeTrait>(list: &GenericListViewArray<O>) -> usize {
    let picked = list
        .value_sizes()
        .iter()
        .map(|size| size.as_usize())
        .fold(0, usize::saturating_add);
    scaled(array_bytes(list.values()), picked, list.values().len()).saturating_add(4 * list.len())
}

/// Exact for strings, which are what dictionaries are used for; else the mean size of a value for each row.
fn dictionary_bytes(array: &ArrayRef) -> usize {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    if values.is_empty() {
        return 0;
    }
    let lengths: Option<Vec<usize>> = match values.data_type() {
        DataType::Utf8 => Some(
            values
                .as_string::<i32>()
                .iter()
                .map(|value| value.map_or(0, str::len))
                .collect(),
        ),
        DataType::LargeUtf8 => Some(
            values
                .as_string::<i64>()
                .iter()
                .map(|value| value.map_or(0, str::len))
                .collect(),
        ),
        DataType::Utf8View => Some(
            values
                .as_string_view()
                .iter()
                .map(|value| value.map_or(0, str::len))
                .collect(),
        ),
        _ => None,
    };
    match lengths {
        Some(lengths) => {
            let keys = dictionary.normalized_keys().into_iter();
            keys.map(|key| lengths.get(key).copied().unwrap_or(0))
                .fold(4 * array.len(), usize::saturating_add)
        }
        None => scaled(array_bytes(values), array.len(), values.len()),
    }
}

fn scaled(bytes: usize, picked: usize, of: usize) -> usize {
    let scaled = bytes as u128 * picked as u128 / of.max(1) as u128;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}
