//! Reads input files as record batches.
//!
//! Parquet and Arrow files bring their schema. Those of text have theirs inferred from every line, so that none met late
//! breaks the load off; for CSV the first lines are enough to begin with, see `csv.rs`.

use anyhow::{Context, Result, anyhow, bail};
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::options::{ArrowReadOptions, JsonReadOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{CsvReadOptions, DataFrame, ParquetReadOptions, SessionConfig, SessionContext};

use super::ahead::ahead;
use super::csv;
use super::input::Input;
use super::torn_csv::ends_inside_quotes;
use crate::cli::InputFormat;

/// How types are inferred where a file does not say them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inference {
    /// From the first lines, and reading stops at a value that contradicts them. Only for CSV; the others read every line.
    FirstLines,
    /// From every line, before the first row is read.
    EveryLine,
}

/// What is wrong with inputs as a whole, before any of their rows is read.
pub(crate) fn check(inputs: &[Input]) -> Result<()> {
    let Some(first) = inputs.first() else { bail!("no input") };
    if let Some(other) = inputs.iter().find(|input| input.format != first.format) {
        bail!(
            "{} is {}, {} is {}: load them apart",
            first.source.url,
            first.format,
            other.source.url,
            other.format
        );
    }
    match first.format {
        InputFormat::Csv => csv::check_headers(inputs),
        _ => Ok(()),
    }
}

/// Opens the inputs, which are all of one format, as one stream. A schema that one of them does not fit is an error that
/// names it. CSV of which only the first lines have been looked at may turn out torn or of other types while it is read.
pub(crate) async fn read(inputs: &[Input], inference: Inference) -> Result<SendableRecordBatchStream> {
    let Some(first) = inputs.first() else { bail!("no input") };
    match (first.format, inference) {
        (InputFormat::Csv, Inference::FirstLines) => {
            let schema = csv::schema_of_first_lines(first)?;
            let rows = ahead(csv::rows(inputs, schema.clone()));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)));
        }
        (InputFormat::Csv, Inference::EveryLine) => expect_whole(inputs)?,
        _ => {}
    }
    let named = || {
        inputs
            .iter()
            .map(|input| input.source.url.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let frame = open(inputs, first.format)
        .await
        .map_err(in_plain_words)
        .with_context(|| format!("cannot read {} as {}", named(), first.format))?;
    if frame.schema().fields().is_empty() {
        bail!("{} has no columns", named());
    }
    frame
        .execute_stream()
        .await
        .map_err(in_plain_words)
        .with_context(|| format!("cannot read {}", named()))
}

/// Fails where a CSV file ends inside a quoted field, which its reader would take for the field's end.
pub(crate) fn expect_whole(inputs: &[Input]) -> Result<()> {
    for input in inputs.iter().filter(|input| input.format == InputFormat::Csv) {
        if ends_inside_quotes(&input.path)? {
            bail!("cannot read {} as CSV: it ends inside a quoted field", input.source.url);
        }
    }
    Ok(())
}

async fn open(inputs: &[Input], format: InputFormat) -> Result<DataFrame, DataFusionError> {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_collect_statistics(false);
    let context = SessionContext::new_with_config(config);
    let paths: Vec<String> = inputs.iter().map(local_url).collect::<Result<_, _>>()?;
    match format {
        InputFormat::Parquet => {
            let options = ParquetReadOptions {
                file_extension: "",
                ..Default::default()
            };
            context.read_parquet(paths, options).await
        }
        InputFormat::Csv => {
            let options = CsvReadOptions::new()
                .file_extension("")
                .has_header(true)
                .schema_infer_max_records(usize::MAX);
            context.read_csv(paths, options).await
        }
        InputFormat::Ndjson => {
            let options = JsonReadOptions {
                file_extension: "",
                schema_infer_max_records: usize::MAX,
                ..Default::default()
            };
            context.read_json(paths, options).await
        }
        InputFormat::Arrow => {
            let options = ArrowReadOptions {
                file_extension: "",
                ..Default::default()
            };
            context.read_arrow(paths, options).await
        }
    }
}

/// The reason itself, told once. DataFusion calls a torn Arrow file an error of its own and asks for a report of the bug; it
/// is the file that is torn.
pub(crate) fn in_plain_words(error: DataFusionError) -> anyhow::Error {
    let words = match error.find_root() {
        DataFusionError::Internal(words) => words.lines().next().unwrap_or_default().to_owned(),
        DataFusionError::Plan(words) | DataFusionError::Execution(words) => words.clone(),
        DataFusionError::ArrowError(error, _) => words_of(error),
        DataFusionError::External(error) => error.to_string(),
        other => other.to_string(),
    };
    anyhow!(words)
}

fn words_of(error: &ArrowError) -> String {
    match error {
        ArrowError::CsvError(words)
        | ArrowError::JsonError(words)
        | ArrowError::ParseError(words)
        | ArrowError::SchemaError(words) => words.clone(),
        other => other.to_string(),
    }
}

/// A URL, so that no character of a path is taken for a pattern.
fn local_url(input: &Input) -> Result<String, DataFusionError> {
    url::Url::from_file_path(&input.path)
        .map(String::from)
        .map_err(|()| DataFusionError::Plan(format!("{} has no URL", input.path.display())))
}
