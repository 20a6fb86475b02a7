//! Prints results: for people, for spreadsheets, for programs.

use std::io::Write;

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use dab_proof::report::escape;
use futures::{Stream, StreamExt};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns between lines
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object a line
    Json,
    /// An Arrow IPC stream
    Arrow,
}

/// Writes all batches; returns the number of rows. Only `Table` holds the result in memory, to align its columns.
pub(crate) async fn write_batches<S, E>(
    schema: SchemaRef,
    mut batches: S,
    format: Format,
    out: &mut impl Write,
) -> Result<u64>
where
    S: Stream<Item = Result<RecordBatch, E>> + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    let mut writer = Writer::new(schema, format, out)?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(rows)
}

enum Writer<'a, W: Write> {
    Table {
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        out: &'a mut W,
    },
    Csv(Box<arrow::csv::Writer<&'a mut W>>),
    Json(arrow::json::LineDelimitedWriter<&'a mut W>),
    Arrow(Box<arrow::ipc::writer::StreamWriter<&'a mut W>>),
}

impl<'a, W: Write> Writer<'a, W> {
    fn new(schema: SchemaRef, format: Format, out: &'a mut W) -> Result<Self> {
        Ok(match format {
            Format::Table => Writer::Table {
                schema,
                batches: Vec::new(),
                out,
            },
            Format::Csv => {
                refuse_nested(&schema)?;
                let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(out);
                // The header comes with the first batch, and an empty result has one too.
                writer.write(&RecordBatch::new_empty(schema))?;
                Writer::Csv(Box::new(writer))
            }
            Format::Json => Writer::Json(arrow::json::LineDelimitedWriter::new(out)),
            Format::Arrow => Writer::Arrow(Box::new(arrow::ipc::writer::StreamWriter::try_new(out, &schema)?)),
        })
    }

    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        match self {
            Writer::Table { batches, .. } => batches.push(batch),
            Writer::Csv(writer) => writer.write(&batch)?,
            Writer::Json(writer) => writer.write(&batch)?,
            Writer::Arrow(writer) => writer.write(&batch)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Table {
                schema,
                mut batches,
                out,
            } => {
                if batches.is_empty() {
                    batches.push(RecordBatch::new_empty(schema));
                }
                let options = FormatOptions::default().with_null("NULL");
                // what somebody stored must not steer the terminal of whoever reads it
                for line in pretty_format_batches_with_options(&batches, &options)?
                    .to_string()
                    .lines()
                {
                    writeln!(out, "{}", escape(line))?;
                }
            }
            Writer::Csv(_) => {}
            Writer::Json(mut writer) => writer.finish()?,
            Writer::Arrow(mut writer) => writer.finish()?,
        }
        Ok(())
    }
}

/// Refuses what a field of CSV cannot hold, before anything is printed.
fn refuse_nested(schema: &SchemaRef) -> Result<()> {
    match schema.fields().iter().find(|field| field.data_type().is_nested()) {
        None => Ok(()),
        Some(field) => bail!(
            "column {} is {}, which CSV cannot hold: print it with --format json, or cast it to VARCHAR",
            field.name(),
            field.data_type()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::error::ArrowError;

    use super::*;

    async fn check(format: Format, rows: bool, expected: &str) {
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
        ]));
        let a = Arc::new(Int64Array::from(vec![Some(1), None]));
        let b = Arc::new(StringArray::from(vec![Some("x,y"), Some("ü")]));
        let batch = RecordBatch::try_new(schema.clone(), vec![a, b]).unwrap();
        let batches: Vec<Result<RecordBatch, ArrowError>> = if rows { vec![Ok(batch)] } else { Vec::new() };
        let mut out = Vec::new();
        write_batches(schema, futures::stream::iter(batches), format, &mut out)
            .await
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[tokio::test]
    async fn each_format_prints_nulls_commas_and_nothing_at_all() {
        check(Format::Csv, true, "a,b\n1,\"x,y\"\n,ü\n").await;
        check(Format::Csv, false, "a,b\n").await;
        check(Format::Json, true, "{\"a\":1,\"b\":\"x,y\"}\n{\"b\":\"ü\"}\n").await;
        check(Format::Json, false, "").await;
        check(Format::Table, false, "+---+---+\n| a | b |\n+---+---+\n+---+---+\n").await;
    }

    #[tokio::test]
    async fn what_csv_cannot_hold_is_refused_before_anything_is_printed() {
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("several", DataType::List(item), true),
        ]));
        let none = futures::stream::iter(Vec::<Result<RecordBatch, ArrowError>>::new());
        let mut out = Vec::new();
        let refused = write_batches(schema, none, Format::Csv, &mut out).await.unwrap_err();
        assert!(refused.to_string().contains("column several"), "{refused}");
        assert_eq!(out, b"");
    }
}
