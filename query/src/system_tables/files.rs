//! `dab.files`: every data file that a commit added, also those that later commits removed.
//!
//! A condition `blake3 = '...'` reads the commits that add such a file; before the first such question, every commit of the
//! table once.

use std::sync::Arc;

use dab_storage::find::{CommittedFile, TableFiles};
use dab_storage::{Lake, TableVersion};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};

use super::told::{Told, tables};
use super::{Rows, Wanted, digest, hex, int64};
use crate::Error;

const BLAKE3: &str = "blake3";

/// The columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        // NULL where the table was dropped
        Field::new("table_name", DataType::Utf8, true),
        Field::new("table_id", DataType::Utf8, false),
        // the commit that added it
        Field::new("version", DataType::Int64, false),
        Field::new("leaf_index", DataType::Int64, false),
        // below the table's folder, as the commit has it
        Field::new("path", DataType::Utf8, false),
        Field::new("bytes", DataType::Int64, false),
        // hexadecimal
        Field::new(BLAKE3, DataType::Utf8, true),
        // the name that a dropped table had
        Field::new("dropped_name", DataType::Utf8, true),
    ]))
}

/// One batch per commit, oldest first within a table.
pub(super) fn rows(lake: Arc<Lake>, wanted: Wanted) -> Rows {
    let commits = stream::once(async move { commits(&lake, &wanted).await.map(|found| (found, wanted)) });
    commits
        .map_ok(|(found, wanted)| stream::iter(found.into_iter().map(move |commit| Ok((commit, wanted.clone())))))
        .try_flatten()
        .and_then(|((told, files, version), wanted)| async move {
            let mut added = files.added_by(version).await?;
            if let Some(blake3) = wanted.text(BLAKE3) {
                added.retain(|file| file.blake3 == digest(blake3));
            }
            batch(&told, &added)
        })
        .boxed()
}

/// The commits whose files are wanted.
async fn commits(lake: &Lake, wanted: &Wanted) -> Result<Vec<(Told, TableFiles, TableVersion)>, Error> {
    let mut commits = Vec::new();
    for told in tables(lake, wanted).await? {
        let files = lake.files(&told.table)?;
        let versions = match wanted.text(BLAKE3).map(digest) {
            None => files.versions().await?,
            Some(Some(blake3)) => files.versions_that_may_add(&blake3).await?,
            Some(None) => Vec::new(),
        };
        let versions = versions.into_iter().filter(|version| wanted.version(version.0));
        commits.extend(versions.map(|version| (told.clone(), files.clone(), version)));
    }
    Ok(commits)
}

fn batch(told: &Told, files: &[CommittedFile]) -> Result<RecordBatch, Error> {
    let id = told.table.id.to_string();
    let text = |value: &dyn Fn(&CommittedFile) -> Option<String>| -> ArrayRef {
        Arc::new(files.iter().map(value).collect::<StringArray>())
    };
    let whole = |value: &dyn Fn(&CommittedFile) -> u64| -> ArrayRef {
        Arc::new(files.iter().map(|file| int64(value(file))).collect::<Int64Array>())
    };
    let [name, dropped_name] = told.names(files.len());
    let columns = vec![
        name,
        text(&|_| Some(id.clone())),
        whole(&|file| file.version.0),
        whole(&|file| file.leaf_index.0),
        text(&|file| Some(file.path.clone())),
        whole(&|file| file.bytes),
        text(&|file| file.blake3.as_ref().map(hex)),
        dropped_name,
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
