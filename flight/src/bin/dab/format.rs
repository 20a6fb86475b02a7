//! Prints results: for people, for spreadsheets, for programs.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
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
                let shown = batches.iter().map(as_shown).collect::<Result<Vec<_>>>()?;
                // Line by line, so that a reader who goes away, or interrupts, is heard between them.
                for line in pretty_format_batches(&shown)?.to_string().lines() {
                    writeln!(out, "{line}")?;
                }
            }
            Writer::Csv(_) => {}
            Writer::Json(mut writer) => writer.finish()?,
            Writer::Arrow(mut writer) => writer.finish()?,
        }
        Ok(())
    }
}

/// A batch as text. What somebody stored must not steer the terminal of whoever reads it; that is settled before columns
/// are aligned, and the ends of lines stay, as a plan is read by them.
fn as_shown(batch: &RecordBatch) -> Result<RecordBatch> {
    let safe = |text: &str| text.split('\n').map(escape).collect::<Vec<_>>().join("\n");
    let options = FormatOptions::default().with_null("NULL");
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let cells = ArrayFormatter::try_new(column, &options)?;
        let cells = (0..column.len()).map(|row| Ok(safe(&cells.value(row).try_to_string()?)));
        columns.push(Arc::new(StringArray::from(cells.collect::<Result<Vec<_>>>()?)));
        fields.push(Field::new(safe(field.name()), DataType::Utf8, false));
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
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
    use arrow::array::Int64Array;
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
    async fn a_table_stays_aligned_whatever_is_in_its_cells() {
        let texts = [
            Some("a\tb"),
            Some("\u{1b}[2J"),
            Some("日本"),
            Some("two\nlines"),
            None,
            Some(""),
        ];
        let schema = Arc::new(Schema::new(vec![Field::new("x\r", DataType::Utf8, true)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(texts.to_vec()))]).unwrap();
        let mut out = Vec::new();
        let batches = futures::stream::iter([Ok::<_, ArrowError>(batch)]);
        write_batches(schema, batches, Format::Table, &mut out).await.unwrap();
        let expected = [
            "+-----------+",
            "| x\\r       |",
            "+-----------+",
            "| a\\tb      |",
            "| \\u{1b}[2J |",
            "| 日本      |",
            "| two       |",
            "| lines     |",
            "| NULL      |",
            "|           |",
            "+-----------+",
        ];
        assert_eq!(String::from_utf8(out).unwrap().lines().collect::<Vec<_>>(), expected);
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
