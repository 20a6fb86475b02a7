//! CSV, loaded while it is read for the first time.
//!
//! The types of its columns are those that the first lines suggest. Values are read as text and turned into them one
//! batch after the other, and only where they are plainly of that type: a parser would take a time of day for a date and
//! forget the time. A value that is not ends the reading with a [`Doubt`]; nothing has been committed then, and the load
//! starts anew with types inferred from every line.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::input::Input;
use super::plainly::is_plainly;

/// The most columns of a CSV file: a node takes no more in one upload.
const CSV_COLUMNS_MAX: usize = 4096;

/// Lines whose values suggest the types.
const LINES_INFERRED: usize = 10_000;

/// Rows in one batch.
const BATCH_ROWS: usize = 8192;

/// Why the first lines may have told the types wrongly.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of {url}: not every value is plainly {wanted}")]
pub(super) struct Doubt {
    column: String,
    url: String,
    wanted: DataType,
}

impl Doubt {
    /// The doubt that ended the rows, if that is what did.
    pub(super) fn of(error: &DataFusionError) -> Option<&Self> {
        match error {
            DataFusionError::External(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

/// Looks at the header lines before anything else is read: too many columns, two of one name, or files that do not name
/// the same columns in the same order.
pub(super) fn check_headers(inputs: &[Input]) -> Result<()> {
    let mut first: Option<(&str, Vec<String>)> = None;
    for input in inputs {
        let url = input.source.url.as_str();
        let names = header(&input.path).with_context(|| format!("cannot read {url}"))?;
        if names.len() > CSV_COLUMNS_MAX {
            bail!(
                "{url} has {} columns, and at most {CSV_COLUMNS_MAX} can be loaded",
                names.len()
            );
        }
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            bail!("{url} has two columns named {name}: give each a name of its own");
        }
        match &first {
            Some((other, expected)) if *expected != names => {
                bail!("{url} does not have the columns of {other}, in that order: load them apart");
            }
            Some(_) => {}
            None => first = Some((url, names)),
        }
    }
    Ok(())
}

/// The columns of a file, in the types that its first lines suggest.
pub(super) fn schema_of_first_lines(input: &Input) -> Result<SchemaRef> {
    let schema = infer(&input.path, LINES_INFERRED)?;
    match schema.fields().is_empty() {
        true => bail!("{} has no columns", input.source.url),
        false => Ok(Arc::new(schema)),
    }
}

fn header(path: &Path) -> Result<Vec<String>> {
    let schema = infer(path, 0)?;
    Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
}

fn infer(path: &Path, lines: usize) -> Result<Schema> {
    let (schema, _) = Format::default()
        .with_header(true)
        .infer_schema(File::open(path)?, Some(lines))?;
    Ok(schema)
}

/// The rows of all files in the given types. Reading stops with a [`Doubt`] at the first value that is not plainly of them.
pub(super) fn rows(
    inputs: &[Input],
    schema: SchemaRef,
) -> impl Iterator<Item = Result<RecordBatch, DataFusionError>> + Send + use<> {
    let files: Vec<(PathBuf, String)> = inputs
        .iter()
        .map(|input| (input.path.clone(), input.source.url.clone()))
        .collect();
    files.into_iter().flat_map(move |(path, url)| {
        let (batches, failed) = match texts(&path, &schema) {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        let schema = schema.clone();
        let typed = batches
            .into_iter()
            .flatten()
            .map(move |batch| typed(&batch?, &schema, &url));
        failed.into_iter().chain(typed)
    })
}

/// The rows of one file, all as text; an empty field is a missing value.
fn texts(
    path: &Path,
    schema: &Schema,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + use<>, DataFusionError> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let fields: Vec<_> = schema.fields().iter().map(|field| text(field.name())).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .with_batch_size(BATCH_ROWS);
    Ok(reader.build(File::open(path)?)?)
}

fn typed(texts: &RecordBatch, schema: &SchemaRef, url: &str) -> Result<RecordBatch, DataFusionError> {
    let columns = texts.columns().iter().zip(schema.fields()).map(|(text, field)| {
        column(text, field.data_type()).ok_or_else(|| {
            DataFusionError::External(Box::new(Doubt {
                column: field.name().clone(),
                url: url.to_owned(),
                wanted: field.data_type().clone(),
            }))
        })
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The values as those of a type; `None` where one of them is not plainly of it.
fn column(text: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    match wanted {
        DataType::Utf8 => return Some(text.clone()),
        DataType::Null => return (text.null_count() == text.len()).then(|| new_null_array(wanted, text.len())),
        _ => {}
    }
    let mut values = text.as_string::<i32>().iter().flatten();
    if !values.all(|value| is_plainly(value, wanted)) {
        return None;
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(text, wanted, &options).ok()
}
