//! How large the values are that a function is given, row by row.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

/// What a value takes beyond its own bytes: an offset, a view, a place in a list.
const BYTES_PER_VALUE: u64 = 16;

/// A number for each row, without repeating that of a constant.
pub(super) enum PerRow<T> {
    Constant(T),
    Rows(Vec<T>),
}

impl<T: Copy + Default> PerRow<T> {
    pub(super) fn at(&self, row: usize) -> T {
        match self {
            PerRow::Constant(value) => *value,
            PerRow::Rows(values) => values.get(row).copied().unwrap_or_default(),
        }
    }
}

/// The bytes of an argument in each row.
pub(super) fn bytes(argument: &ColumnarValue) -> Result<PerRow<u64>> {
    of(argument, &bytes_of)
}

/// The length of an argument in each row: bytes of text, elements of a list.
pub(super) fn lengths(argument: &ColumnarValue) -> Result<PerRow<u64>> {
    of(argument, &lengths_of)
}

fn of(argument: &ColumnarValue, measure: &dyn Fn(&ArrayRef) -> Vec<u64>) -> Result<PerRow<u64>> {
    Ok(match argument {
        ColumnarValue::Scalar(scalar) => {
            PerRow::Constant(measure(&scalar.to_array()?).first().copied().unwrap_or_default())
        }
        ColumnarValue::Array(array) => PerRow::Rows(measure(array)),
    })
}

fn bytes_of(array: &ArrayRef) -> Vec<u64> {
    if let Some(width) = fixed_width(array.data_type()) {
        return vec![width; array.len()];
    }
    match array.data_type() {
        DataType::Utf8
        | DataType::Binary
        | DataType::LargeUtf8
        | DataType::LargeBinary
        | DataType::Utf8View
        | DataType::BinaryView => lengths_of(array)
            .into_iter()
            .map(|length| length + BYTES_PER_VALUE)
            .collect(),
        DataType::List(_) => elements(array.as_list::<i32>().offsets(), array.as_list::<i32>().values()),
        DataType::LargeList(_) => elements(array.as_list::<i64>().offsets(), array.as_list::<i64>().values()),
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            elements(map.offsets(), &entries)
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or_default().max(1);
            let values = bytes_of(array.as_fixed_size_list().values());
            let mut rows: Vec<u64> = values.chunks(length).map(|row| row.iter().sum()).collect();
            rows.resize(array.len(), BYTES_PER_VALUE);
            rows
        }
        DataType::Struct(_) => {
            let mut rows = vec![BYTES_PER_VALUE; array.len()];
            for column in array.as_struct().columns() {
                rows.iter_mut()
                    .zip(bytes_of(column))
                    .for_each(|(row, bytes)| *row += bytes);
            }
            rows
        }
        // nothing that a function makes: dictionaries of partition values and the like
        _ => {
            let share = array.get_array_memory_size() / array.len().max(1);
            vec![share as u64 + BYTES_PER_VALUE; array.len()]
        }
    }
}

fn elements<O: OffsetSizeTrait>(offsets: &datafusion::arrow::buffer::OffsetBuffer<O>, values: &ArrayRef) -> Vec<u64> {
    if let Some(width) = fixed_width(values.data_type()) {
        return offsets
            .lengths()
            .map(|length| length as u64 * width + BYTES_PER_VALUE)
            .collect();
    }
    // values before the first offset are those of rows that were sliced away
    let first = offsets.first().map_or(0, |first| first.as_usize());
    let last = offsets.last().map_or(0, |last| last.as_usize());
    let of_elements = bytes_of(&values.slice(first, last - first));
    let mut rest = of_elements.iter();
    offsets
        .lengths()
        .map(|length| rest.by_ref().take(length).sum::<u64>() + BYTES_PER_VALUE)
        .collect()
}

fn lengths_of(array: &ArrayRef) -> Vec<u64> {
    fn of<O: OffsetSizeTrait>(offsets: &datafusion::arrow::buffer::OffsetBuffer<O>) -> Vec<u64> {
        offsets.lengths().map(|length| length as u64).collect()
    }
    match array.data_type() {
        DataType::Utf8 => of(array.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => of(array.as_string::<i64>().offsets()),
        DataType::Binary => of(array.as_binary::<i32>().offsets()),
        DataType::LargeBinary => of(array.as_binary::<i64>().offsets()),
        DataType::Utf8View => array.as_string_view().lengths().map(u64::from).collect(),
        DataType::BinaryView => array.as_binary_view().lengths().map(u64::from).collect(),
        DataType::List(_) => of(array.as_list::<i32>().offsets()),
        DataType::LargeList(_) => of(array.as_list::<i64>().offsets()),
        DataType::Map(..) => of(array.as_map().offsets()),
        DataType::FixedSizeList(_, length) => vec![u64::try_from(*length).unwrap_or_default(); array.len()],
        _ => vec![1; array.len()],
    }
}

/// The bytes of every value of a type, where they are all of one size.
fn fixed_width(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Null | DataType::Boolean => Some(1),
        DataType::Interval(IntervalUnit::MonthDayNano) => Some(16),
        other => other.primitive_width().map(|width| width as u64),
    }
}

/// The bytes that every value of a type takes even if it is null. Arrow gives room to each element of a list of fixed size.
pub(crate) fn null_bytes(data_type: &DataType) -> u64 {
    match data_type {
        DataType::FixedSizeBinary(length) => u64::try_from(*length).unwrap_or_default(),
        DataType::FixedSizeList(element, length) => {
            null_bytes(element.data_type()).saturating_mul(u64::try_from(*length).unwrap_or_default())
        }
        DataType::Struct(fields) => fields
            .iter()
            .fold(0, |sum: u64, field| sum.saturating_add(null_bytes(field.data_type()))),
        DataType::List(element) | DataType::LargeList(element) | DataType::Map(element, _) => {
            // an inner type of fixed size takes its room once there is an element
            null_bytes(element.data_type()).max(8)
        }
        other => fixed_width(other).unwrap_or(BYTES_PER_VALUE),
    }
}
