//! Record batches into the shape of a table, without changing a value.
//!
//! Columns are matched by name. A type may differ where every value can still be told exactly: whole numbers of another
//! width, text in another encoding, timestamps of another unit, decimals with more digits. That a value does fit is
//! checked for each, and the first that does not is an error: nothing is rounded, cut or wrapped.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date64Type, Field, Fields, Int64Type, Schema, SchemaRef, TimeUnit, TimestampNanosecondType, UInt64Type,
};

use crate::Error;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;
/// Beyond this, a 64-bit float skips whole numbers.
const FLOAT64_WHOLE_MAX: u64 = 1 << 53;

/// How batches of one schema become batches of another.
#[derive(Debug, Clone)]
pub(crate) struct Conform {
    target: SchemaRef,
    /// For each column of the target, the column of the source that fills it; `None` fills it with nulls.
    sources: Vec<Option<usize>>,
}

impl Conform {
    /// Matches the columns. Fails with one message that names every column that does not fit.
    pub(crate) fn new(source: &Schema, target: SchemaRef) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let mut sources = vec![None; target.fields().len()];
        for (at, field) in source.fields().iter().enumerate() {
            match find(field.name(), &target) {
                None => problems.push(format!("the table has no column {}", field.name())),
                Some(to) if sources[to].is_some() => problems.push(format!("column {} comes twice", field.name())),
                Some(to) => {
                    sources[to] = Some(at);
                    let wanted = target.field(to).data_type();
                    if !fits(field.data_type(), wanted) {
                        problems.push(format!(
                            "column {} is {wanted} in the table and {} in the rows",
                            field.name(),
                            field.data_type()
                        ));
                    }
                }
            }
        }
        for (field, source) in target.fields().iter().zip(&sources) {
            if source.is_none() && !field.is_nullable() {
                problems.push(format!("column {} is missing and may not be null", field.name()));
            }
        }
        match problems.is_empty() {
            true => Ok(Self { target, sources }),
            false => Err(Error::SchemaMismatch {
                message: format!("the rows do not fit the table: {}", problems.join("; ")),
            }),
        }
    }

    /// The schema of the batches that come out.
    pub(crate) fn target(&self) -> &SchemaRef {
        &self.target
    }

    /// Brings one batch into shape. Fails with the first value that the table could not hold as it is.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let columns = self
            .sources
            .iter()
            .zip(self.target.fields())
            .map(|(source, field)| match source {
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                Some(at) => column(batch.column(*at), field),
            });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.target.clone(), columns, &options).map_err(|error| Error::InvalidData {
            message: error.to_string(),
        })
    }
}

fn find(name: &str, target: &Schema) -> Option<usize> {
    target.index_of(name).ok().or_else(|| {
        let mut same = (0..target.fields().len()).filter(|at| target.field(*at).name().eq_ignore_ascii_case(name));
        // two columns that differ only by case: neither is meant more than the other
        same.next().filter(|_| same.next().is_none())
    })
}

fn column(array: &ArrayRef, field: &Field) -> Result<ArrayRef, Error> {
    let failed = |problem: String| Error::InvalidData {
        message: format!("column {}: {problem}", field.name()),
    };
    let wanted = field.data_type();
    let shaped = if array.data_type() == wanted {
        array.clone()
    } else {
        check_exact(array, wanted).map_err(failed)?;
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        cast_with_options(array, wanted, &options).map_err(|error| failed(error.to_string()))?
    };
    if !field.is_nullable() && shaped.null_count() > 0 {
        return Err(failed("a value is missing, and the column may not be null".into()));
    }
    Ok(shaped)
}

/// Whether values of one type can be told exactly in another, leaving to each value whether it fits.
fn fits(given: &DataType, wanted: &DataType) -> bool {
    use DataType::*;
    match (given, wanted) {
        (Null, _) => true,
        (Dictionary(_, values), _) => fits(values, wanted),
        (RunEndEncoded(_, values), _) => fits(values.data_type(), wanted),
        (_, Int8 | Int16 | Int32 | Int64) => given.is_integer(),
        (Float16 | Float32, Float32) | (Float16 | Float32 | Float64, Float64) => true,
        (_, Float64) => given.is_integer(),
        (_, Float32) => matches!(given, Int8 | UInt8 | Int16 | UInt16),
        (_, Decimal128(_, scale)) => match given {
            Decimal32(_, from) | Decimal64(_, from) | Decimal128(_, from) | Decimal256(_, from) => from <= scale,
            _ => given.is_integer(),
        },
        (Utf8 | LargeUtf8 | Utf8View, Utf8) => true,
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), Binary) => true,
        (Date32 | Date64, Date32) => true,
        (Timestamp(_, from), Timestamp(TimeUnit::Microsecond, to)) => from.is_some() == to.is_some(),
        (Date32, Timestamp(TimeUnit::Microsecond, None)) => true,
        (
            List(item) | LargeList(item) | ListView(item) | LargeListView(item) | FixedSizeList(item, _),
            List(wanted),
        ) => fits(item.data_type(), wanted.data_type()),
        (Struct(given), Struct(wanted)) => same_fields(given, wanted),
        (Map(given, _), Map(wanted, _)) => match (given.data_type(), wanted.data_type()) {
            (Struct(given), Struct(wanted)) if given.len() == 2 && wanted.len() == 2 => given
                .iter()
                .zip(wanted)
                .all(|(given, wanted)| fits(given.data_type(), wanted.data_type())),
            _ => false,
        },
        _ => given == wanted,
    }
}

fn same_fields(given: &Fields, wanted: &Fields) -> bool {
    given.len() == wanted.len()
        && given
            .iter()
            .zip(wanted)
            .all(|(given, wanted)| given.name() == wanted.name() && fits(given.data_type(), wanted.data_type()))
}

/// Finds values that Arrow's cast would cut or round without a word. What does not fit in size, the cast itself tells.
fn check_exact(array: &dyn Array, wanted: &DataType) -> Result<(), String> {
    use DataType::*;
    match (array.data_type(), wanted) {
        (Timestamp(TimeUnit::Nanosecond, _), Timestamp(TimeUnit::Microsecond, _)) => {
            let mut values = array.as_primitive::<TimestampNanosecondType>().iter().flatten();
            match values.find(|value| value % 1_000 != 0) {
                None => Ok(()),
                Some(value) => Err(format!("{value} ns is no whole number of microseconds: round it first")),
            }
        }
        (Date64, Date32) => {
            let mut values = array.as_primitive::<Date64Type>().iter().flatten();
            match values.find(|value| value % MILLISECONDS_PER_DAY != 0) {
                None => Ok(()),
                Some(value) => Err(format!("{value} ms is no whole day: send it as a timestamp")),
            }
        }
        (Int64, Float64) => {
            let mut values = array.as_primitive::<Int64Type>().iter().flatten();
            no_digits_lost(values.find(|value| value.unsigned_abs() > FLOAT64_WHOLE_MAX))
        }
        (UInt64, Float64) => {
            let mut values = array.as_primitive::<UInt64Type>().iter().flatten();
            no_digits_lost(values.find(|value| *value > FLOAT64_WHOLE_MAX))
        }
        (Dictionary(..), _) => check_exact(array.as_any_dictionary().values(), wanted),
        (List(_), List(item)) => check_exact(array.as_list::<i32>().values(), item.data_type()),
        (LargeList(_), List(item)) => check_exact(array.as_list::<i64>().values(), item.data_type()),
        (ListView(_), List(item)) => check_exact(array.as_list_view::<i32>().values(), item.data_type()),
        (LargeListView(_), List(item)) => check_exact(array.as_list_view::<i64>().values(), item.data_type()),
        (FixedSizeList(..), List(item)) => check_exact(array.as_fixed_size_list().values(), item.data_type()),
        (Struct(_), Struct(fields)) => check_all(array.as_struct().columns(), fields),
        (Map(..), Map(entries, _)) => match entries.data_type() {
            Struct(fields) => check_all(array.as_map().entries().columns(), fields),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn check_all(columns: &[ArrayRef], fields: &Fields) -> Result<(), String> {
    columns
        .iter()
        .zip(fields)
        .try_for_each(|(column, field)| check_exact(Arc::as_ref(column), field.data_type()))
}

fn no_digits_lost(too_large: Option<impl std::fmt::Display>) -> Result<(), String> {
    match too_large {
        None => Ok(()),
        Some(value) => Err(format!("{value} has more digits than a 64-bit float keeps")),
    }
}

#[cfg(test)]
mod tests;
