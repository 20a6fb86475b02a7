//! Plays the insider: somebody who may write to the disk, knows Delta, and wants a number to be another.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow::array::{ArrayRef, AsArray, Decimal128Array, RecordBatch};
use arrow::datatypes::Decimal128Type;
use dab_proof::files::audit_table_dir;
use dab_proof::report::Report;
use datafusion::prelude::SessionContext;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use url::Url;

/// The amount that the insider adds to one order, in cents.
const ADDED_CENTS: i128 = 100_000_000;

/// What the forgery did, and who noticed.
pub(crate) struct Forgery {
    /// The forged copy of the table.
    pub(crate) folder: PathBuf,
    /// The data file that was rewritten, below the table's folder.
    pub(crate) file: String,
    /// The version whose commit names it.
    pub(crate) version: u64,
    /// The total before, as a plain Delta reader gives it.
    pub(crate) honest_total: String,
    /// The total after, as the same reader gives it.
    pub(crate) forged_total: String,
    /// What the audit of the copy found.
    pub(crate) audit: Report,
}

/// Copies a table, adds a million to one amount of `column`, and covers the tracks.
pub(crate) async fn forge(table: &Path, copy: &Path, column: &str, trust: &Path, ledger: &Path) -> Result<Forgery> {
    if copy.exists() {
        fs::remove_dir_all(copy).with_context(|| format!("cannot remove the last forgery in {}", copy.display()))?;
    }
    copy_folder(table, copy)?;
    let honest_total = plain_delta_total(copy, column).await?;
    let (version, commit) = first_commit_with_rows(copy)?;
    let file = rewrite_commit(copy, &commit, column)?;
    let forged_total = plain_delta_total(copy, column).await?;
    let audit = audit_table_dir(copy, trust, ledger, None, true);
    Ok(Forgery {
        folder: copy.to_owned(),
        file,
        version,
        honest_total,
        forged_total,
        audit,
    })
}

/// The sum of a column, read by a Delta reader that knows nothing of DAB.
async fn plain_delta_total(folder: &Path, column: &str) -> Result<String> {
    let folder = folder.canonicalize()?;
    let url = Url::from_directory_path(&folder).map_err(|()| anyhow!("{} has no URL", folder.display()))?;
    let table = deltalake_core::open_table(url).await?;
    let context = SessionContext::new();
    table.update_datafusion_session(&context.state())?;
    context.register_table("forged", table.table_provider().await?)?;
    let batches = context
        .sql(&format!("SELECT sum({column}) FROM forged"))
        .await?
        .collect()
        .await?;
    let sum = batches
        .first()
        .context("the sum of a table has one row")?
        .column(0)
        .clone();
    Ok(arrow::util::display::array_value_to_string(&sum, 0)?)
}

/// The first commit that adds a file.
fn first_commit_with_rows(table: &Path) -> Result<(u64, PathBuf)> {
    for version in 0.. {
        let path = table.join("_delta_log").join(format!("{version:020}.json"));
        let text =
            fs::read_to_string(&path).with_context(|| format!("no commit of {} adds a file", table.display()))?;
        if text.lines().any(|line| line.starts_with("{\"add\"")) {
            return Ok((version, path));
        }
    }
    unreachable!("the loop ends at the first version that is not there")
}

/// Rewrites the first file that a commit adds, and the commit so that it fits: size and statistics, which is all that Delta
/// readers look at.
fn rewrite_commit(table: &Path, commit: &Path, column: &str) -> Result<String> {
    let mut forged_file = None;
    let mut lines = Vec::new();
    for line in fs::read_to_string(commit)?.lines() {
        let mut action: Value = serde_json::from_str(line)?;
        if let Some(add) = action.get_mut("add")
            && forged_file.is_none()
        {
            let file = add["path"].as_str().context("an added file has a path")?.to_owned();
            let path = table.join(&file);
            let greatest = rewrite_parquet(&path, column)?;
            add["size"] = json!(fs::metadata(&path)?.len());
            let mut stats: Value = serde_json::from_str(add["stats"].as_str().unwrap_or("{}"))?;
            if let Some(max) = stats.pointer_mut(&format!("/maxValues/{column}")) {
                *max = serde_json::from_str(&greatest)?;
            }
            add["stats"] = json!(stats.to_string());
            forged_file = Some(file);
        }
        lines.push(action.to_string() + "\n");
    }
    fs::write(commit, lines.concat())?;
    forged_file.context("the commit adds a file")
}

/// Adds the amount to the column's first value; returns the column's greatest value afterwards, as decimal text.
fn rewrite_parquet(path: &Path, column: &str) -> Result<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path)?)?;
    let schema = reader.schema().clone();
    let index = schema.index_of(column)?;
    let mut batches: Vec<RecordBatch> = reader.build()?.collect::<Result<_, _>>()?;
    let mut greatest = i128::MIN;
    let mut scale = 0;
    for (number, batch) in batches.iter_mut().enumerate() {
        let amounts = batch.column(index).as_primitive::<Decimal128Type>();
        scale = amounts.scale();
        let forged: Decimal128Array = amounts
            .iter()
            .enumerate()
            .map(|(row, amount)| amount.map(|amount| amount + if number == 0 && row == 0 { ADDED_CENTS } else { 0 }))
            .collect();
        let forged = forged.with_precision_and_scale(amounts.precision(), scale)?;
        greatest = greatest.max(arrow::compute::max(&forged).unwrap_or(i128::MIN));
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[index] = Arc::new(forged);
        *batch = RecordBatch::try_new(schema.clone(), columns)?;
    }
    let mut writer = ArrowWriter::try_new(fs::File::create(path)?, schema, None)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.close()?;
    let unit = 10_i128.pow(u32::try_from(scale).unwrap_or(0));
    Ok(format!(
        "{}.{:0width$}",
        greatest / unit,
        greatest % unit,
        width = usize::try_from(scale).unwrap_or(0)
    ))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => fs::copy(entry.path(), &target).map(|_| ())?,
        }
    }
    Ok(())
}
