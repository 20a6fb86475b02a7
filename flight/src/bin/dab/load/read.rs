//! Reads input files as record batches, with a schema inferred from all of them.

use anyhow::{Context, Result, anyhow, bail};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::options::{ArrowReadOptions, JsonReadOptions};
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};

use super::input::Input;
use super::torn_csv::ends_inside_quotes;
use crate::cli::InputFormat;

/// Opens the inputs as one stream. All are of one format; a schema that one of them does not fit is an error that names
/// it.
pub(crate) async fn read(inputs: &[Input]) -> Result<SendableRecordBatchStream> {
    let Some(first) = inputs.first() else { bail!("no input") };
    if let Some(other) = inputs.iter().find(|input| input.format != first.format) {
        bail!(
            "{} is {:?}, {} is {:?}: load them apart",
            first.source.url,
            first.format,
            other.source.url,
            other.format
        );
    }
    for input in inputs.iter().filter(|input| input.format == InputFormat::Csv) {
        if ends_inside_quotes(&input.path)? {
            bail!("cannot read {} as CSV: it ends inside a quoted field", input.source.url);
        }
    }
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_collect_statistics(false);
    let context = SessionContext::new_with_config(config);
    let paths: Vec<String> = inputs.iter().map(local_url).collect::<Result<_>>()?;
    let frame = match first.format {
        InputFormat::Parquet => {
            context
                .read_parquet(
                    paths,
                    ParquetReadOptions {
                        file_extension: "",
                        ..Default::default()
                    },
                )
                .await
        }
        InputFormat::Csv => {
            // Types are inferred from every line, so that none met late breaks the load off.
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
            context
                .read_arrow(
                    paths,
                    ArrowReadOptions {
                        file_extension: "",
                        ..Default::default()
                    },
                )
                .await
        }
    };
    let named = || {
        inputs
            .iter()
            .map(|input| input.source.url.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let frame = frame
        .map_err(in_plain_words)
        .with_context(|| format!("cannot read {} as {:?}", named(), first.format))?;
    if frame.schema().fields().is_empty() {
        bail!("{} has no columns", named());
    }
    frame
        .execute_stream()
        .await
        .with_context(|| format!("cannot read {}", named()))
}

/// DataFusion calls a torn Arrow file an error of its own and asks for a report of the bug; it is the file that is torn.
fn in_plain_words(error: DataFusionError) -> anyhow::Error {
    match error.find_root() {
        DataFusionError::Internal(words) => anyhow!(words.lines().next().unwrap_or_default().to_owned()),
        _ => error.into(),
    }
}

/// A URL, so that no character of a path is taken for a pattern.
fn local_url(input: &Input) -> Result<String> {
    url::Url::from_file_path(&input.path)
        .map(String::from)
        .map_err(|()| anyhow::anyhow!("{} has no URL", input.path.display()))
}
