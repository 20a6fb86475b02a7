//! Brings record batches to their wire schema.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, GenericListViewArray, Int64Array, ListArray,
        MapArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StructArray,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    compute::{CastOptions, cast_with_options, take},
    datatypes::{DataType, FieldRef, Fields, SchemaRef},
    error::ArrowError,
};

type Result<T> = std::result::Result<T, ArrowError>;

/// The batch under `schema`, which must be [`super::wire_schema`] of the schema that the batch's plan announced. Columns
/// that already fit are passed on without a copy. Fails where a batch does not belong to that plan, has a null in a column
/// that the plan called not nullable, or holds more than 2 GiB in one column.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let (found, expected) = (batch.num_columns(), schema.fields().len());
        return Err(ArrowError::SchemaError(format!(
            "a batch of {found} columns where {expected} were announced"
        )));
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns
        .map(|(column, field)| conform_array(column, field.data_type()))
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The array as one of type `to`, down to names and nullability of children: equality of nested types includes those.
fn conform_array(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (DataType::Dictionary(..), _) => {
            let dictionary = array.as_any_dictionary();
            conform_array(&take(dictionary.values(), dictionary.keys(), None)?, to)
        }
        (DataType::RunEndEncoded(_, values), _) => {
            conform_array(&cast_with_options(array, values.data_type(), &CAST)?, to)
        }
        (DataType::List(_), DataType::List(item)) => list::<i32>(array.as_list(), item),
        (DataType::LargeList(_), DataType::List(item)) => list::<i64>(array.as_list(), item),
        (DataType::ListView(_), DataType::List(item)) => list_view::<i32>(array.as_list_view(), item),
        (DataType::LargeListView(_), DataType::List(item)) => list_view::<i64>(array.as_list_view(), item),
        (DataType::FixedSizeList(..), DataType::FixedSizeList(item, length)) => {
            let list = array.as_fixed_size_list();
            let values = conform_array(list.values(), item.data_type())?;
            Ok(Arc::new(FixedSizeListArray::try_new(
                Arc::clone(item),
                *length,
                values,
                list.nulls().cloned(),
            )?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => Ok(Arc::new(structure(array.as_struct(), fields)?)),
        (DataType::Map(..), DataType::Map(entries, sorted)) => map(array.as_map(), entries, *sorted),
        // a leaf: strings, binaries, numbers, time zones
        (_, to) => cast_with_options(array, to, &CAST),
    }
}

/// Values that do not fit are errors, never nulls.
const CAST: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: arrow::util::display::FormatOptions::new(),
};

fn list<O: OffsetSizeTrait>(list: &GenericListArray<O>, item: &FieldRef) -> Result<ArrayRef> {
    let offsets = list.value_offsets();
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = list.values().slice(first.as_usize(), (last - first).as_usize());
    let values = conform_array(&values, item.data_type())?;
    let offsets = offsets
        .iter()
        .map(|offset| small_offset((*offset - first).as_usize()))
        .collect::<Result<Vec<_>>>()?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        offsets,
        values,
        list.nulls().cloned(),
    )?))
}

/// Rows of a list view may overlap and stand in any order; in a list each has values of its own.
fn list_view<O: OffsetSizeTrait>(list: &GenericListViewArray<O>, item: &FieldRef) -> Result<ArrayRef> {
    let mut offsets = vec![0];
    let mut picked = Vec::new();
    for row in 0..list.len() {
        if list.is_valid(row) {
            let start = list.value_offset(row).as_usize() as i64;
            picked.extend(start..start + list.value_size(row).as_usize() as i64);
        }
        offsets.push(small_offset(picked.len())?);
    }
    let values = take(list.values(), &Int64Array::from(picked), None)?;
    let values = conform_array(&values, item.data_type())?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        offsets,
        values,
        list.nulls().cloned(),
    )?))
}

fn structure(array: &StructArray, fields: &Fields) -> Result<StructArray> {
    if array.num_columns() != fields.len() {
        return Err(ArrowError::SchemaError(
            "a struct with other fields than announced".to_owned(),
        ));
    }
    if fields.is_empty() {
        return Ok(array.clone());
    }
    let columns = array.columns().iter().zip(fields);
    let columns = columns
        .map(|(column, field)| conform_array(column, field.data_type()))
        .collect::<Result<_>>()?;
    StructArray::try_new(fields.clone(), columns, array.nulls().cloned())
}

fn map(array: &MapArray, entries: &FieldRef, sorted: bool) -> Result<ArrayRef> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::SchemaError("a map whose entries are no struct".to_owned()));
    };
    let values = structure(array.entries(), fields)?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(entries),
        offsets,
        values,
        nulls,
        sorted,
    )?))
}

fn small_offset(offset: usize) -> Result<i32> {
    let message = || format!("a list column with {offset} values in one batch");
    i32::try_from(offset).map_err(|_| ArrowError::InvalidArgumentError(message()))
}
