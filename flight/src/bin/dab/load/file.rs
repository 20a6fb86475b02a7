//! Loads files into a table, in one commit.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow::array::RecordBatch;
use dab_flight::Client;
use dab_flight::receipt_metadata::UpdateReceipt;
use dab_query::IngestMode;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;

use super::counter::Counter;
use super::csv::Doubt;
use super::input::Input;
use super::into_client_error;
use super::read::{self, Inference};
use crate::cli::{InputFormat, NodeArgs};
use crate::connect::{Connection, MissingData};
use crate::output::print_line;
use crate::progress::Progress;

/// What is loaded, and where to.
pub(super) struct FileLoad {
    pub(super) table: String,
    pub(super) mode: IngestMode,
    /// They live until the load is over, and with them what was downloaded.
    pub(super) inputs: Arc<Vec<Input>>,
}

/// An upload that ended without a commit.
enum Failed {
    /// Reading stopped where the first lines had promised something else.
    Doubtful(String),
    Final(anyhow::Error),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Doubtful(reason) => f.write_str(reason),
            Self::Final(error) => write!(f, "{error:#}"),
        }
    }
}

impl FileLoad {
    /// Loads the files through a node and prints the receipt. CSV is loaded with the types that its first lines suggest, and
    /// if they were wrong once more with those of every line: nothing has been committed until then.
    pub(super) async fn run(&self, node: &NodeArgs) -> Result<()> {
        let csv = self.inputs.iter().any(|input| input.format == InputFormat::Csv);
        // Whatever is wrong with the first lines is told by the reading of all.
        let first = match csv {
            true => read::read(&self.inputs, Inference::FirstLines).await.ok(),
            false => None,
        };
        let (rows, inference) = match first {
            Some(rows) => (rows, Inference::FirstLines),
            None => (self.read_every_line().await?, Inference::EveryLine),
        };
        let connection = Connection::open(node, MissingData::IsMade).await?;
        let outcome = match self.upload(&connection.client, rows, inference).await {
            Err(Failed::Doubtful(reason)) => {
                eprintln!("{reason}; the load starts anew, with types inferred from every line");
                self.upload_anew(&connection.client).await
            }
            outcome => outcome,
        };
        let closed = connection.close().await;
        let receipt = outcome.map_err(|failed| anyhow!("{failed}"));
        let named: Vec<_> = self.inputs.iter().map(|input| input.source.url.as_str()).collect();
        let receipt = receipt.with_context(|| format!("cannot load {} into {}", named.join(", "), self.table))?;
        print_line!("{receipt}");
        closed
    }

    async fn upload_anew(&self, client: &Client) -> Result<UpdateReceipt, Failed> {
        let rows = self.read_every_line().await.map_err(Failed::Final)?;
        self.upload(client, rows, Inference::EveryLine).await
    }

    async fn read_every_line(&self) -> Result<SendableRecordBatchStream> {
        read::read(&self.inputs, Inference::EveryLine).await
    }

    async fn upload(
        &self,
        client: &Client,
        rows: SendableRecordBatchStream,
        inference: Inference,
    ) -> Result<UpdateReceipt, Failed> {
        let mut progress = Progress::new("loading", None, "rows");
        let sources: Vec<_> = self.inputs.iter().map(|input| input.source.clone()).collect();
        let schema = rows.schema();
        let inputs = self.inputs.clone();
        let rows = rows.map(move |batch| batch.map_err(|error| unreadable(&inputs, error)));
        let rows = rows.chain(end_of(self.inputs.clone(), inference));
        // Kept as it is: the client wraps the errors of what it is to send.
        let failed = Arc::new(Mutex::new(None));
        let noted = failed.clone();
        let rows = rows.map(move |batch| {
            batch.map_err(|error| {
                let words = error.to_string();
                noted.lock().get_or_insert(error);
                into_client_error(words)
            })
        });
        let counter = Counter::default();
        let batches = counter.counting(rows);
        let ingest = client.ingest(&self.table, self.mode, schema, batches, &sources);
        let outcome = counter.watch(ingest, &mut progress).await;
        progress.finish();
        outcome.map_err(|error| failed.lock().take().unwrap_or_else(|| Failed::Final(error.into())))
    }
}

/// Why rows could not be read. That a file is torn says more than what its reader makes of its end.
fn unreadable(inputs: &[Input], error: DataFusionError) -> Failed {
    match (Doubt::of(&error), read::expect_whole(inputs)) {
        (Some(doubt), _) => Failed::Doubtful(doubt.to_string()),
        (None, Err(torn)) => Failed::Final(torn),
        (None, Ok(())) => Failed::Final(read::in_plain_words(error)),
    }
}

/// Comes after the last row: an error where an input is torn, or is not what its digest was taken of, and nothing
/// otherwise. A load whose rows end with an error commits nothing.
fn end_of(inputs: Arc<Vec<Input>>, inference: Inference) -> impl Stream<Item = Result<RecordBatch, Failed>> {
    // Begins at once, beside the reading. Whoever has read every line has looked at the end before.
    let whole = (inference == Inference::FirstLines).then(|| {
        let inputs = inputs.clone();
        tokio::task::spawn_blocking(move || read::expect_whole(&inputs))
    });
    let checked = async move {
        if let Some(whole) = whole {
            whole.await??;
        }
        tokio::task::spawn_blocking(move || inputs.iter().try_for_each(Input::expect_unchanged)).await?
    };
    let failed = |checked: Result<()>| std::future::ready(checked.err().map(|error| Err(Failed::Final(error))));
    stream::once(checked).filter_map(failed)
}
