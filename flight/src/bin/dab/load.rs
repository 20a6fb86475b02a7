//! `dab load`: generated tables, and files from anywhere.

mod counted;
mod download;
mod input;
mod read;
mod redact;
mod torn_csv;
pub(crate) mod tpch;

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use dab_flight::Client;
use dab_flight::receipt_metadata::UpdateReceipt;
use dab_query::IngestMode;
use futures::{Stream, StreamExt};

use self::counted::counted;
use self::input::Input;
use self::tpch::TpchTable;
use crate::cli::{LoadFileArgs, LoadTpchArgs, LoadVerb};
use crate::connect::{Connection, MissingData, table_name};
use crate::progress::Progress;

pub(crate) async fn run(verb: LoadVerb) -> Result<()> {
    match verb {
        LoadVerb::Tpch(args) => run_tpch(args).await,
        LoadVerb::File(args) => run_file(args).await,
    }
}

async fn run_tpch(args: LoadTpchArgs) -> Result<()> {
    let connection = Connection::open(&args.node, MissingData::IsMade).await?;
    let mode = if args.overwrite {
        IngestMode::Replace
    } else {
        IngestMode::Create
    };
    let outcome = async {
        let existing = existing_tables(&connection.client).await?;
        if !args.overwrite && !existing.is_empty() {
            bail!("{} exists already; --overwrite replaces it", existing.join(", "));
        }
        for table in TpchTable::ALL {
            println!(
                "{}",
                load_tpch_table(&connection.client, table, args.scale, mode).await?
            );
        }
        Ok(())
    }
    .await;
    let closed = connection.close().await;
    outcome.and(closed)
}

/// Which of TPC-H's tables are there already.
pub(crate) async fn existing_tables(client: &Client) -> Result<Vec<String>> {
    let listed = client.tables(None).await?;
    let taken = |name: &str| {
        listed
            .iter()
            .any(|table| table.schema == "public" && table.name == name)
    };
    Ok(TpchTable::ALL
        .iter()
        .map(|table| table.name().to_owned())
        .filter(|name| taken(name))
        .collect())
}

/// Generates a table and streams it to the node, as one commit.
pub(crate) async fn load_tpch_table(
    client: &Client,
    table: TpchTable,
    scale: f64,
    mode: IngestMode,
) -> Result<UpdateReceipt> {
    let reader = table.generate(scale);
    let schema = reader.schema();
    let mut progress = Progress::new(table.name(), Some(table.rows(scale)), "rows");
    let (batches, loaded) = counted(futures::stream::iter(reader).map(|batch| batch.map_err(into_client_error)));
    let ingest = client.ingest(table.name(), mode, schema, batches, &[]);
    let outcome = loaded.watch(ingest, &mut progress).await;
    progress.finish();
    Ok(outcome?)
}

async fn run_file(args: LoadFileArgs) -> Result<()> {
    let table = table_name(&args.table);
    let download_bytes_max = args.download_mib.saturating_mul(1 << 20);
    let mut inputs = Vec::new();
    for input in &args.inputs {
        inputs.push(Input::open(input, args.input_format, download_bytes_max).await?);
    }
    let stream = read::read(&inputs).await?;
    let sources: Vec<_> = inputs.iter().map(|input| input.source.clone()).collect();
    let mode = if args.overwrite {
        IngestMode::Replace
    } else {
        IngestMode::CreateOrAppend
    };
    let connection = Connection::open(&args.node, MissingData::IsMade).await?;
    let mut progress = Progress::new("loading", None, "rows");
    let schema = stream.schema();
    let rows = stream.map(|batch| batch.map_err(into_client_error));
    let (batches, loaded) = counted(rows.chain(end_of(inputs)));
    let ingest = connection.client.ingest(&table, mode, schema, batches, &sources);
    let outcome = loaded.watch(ingest, &mut progress).await;
    progress.finish();
    let closed = connection.close().await;
    let named: Vec<_> = sources.iter().map(|source| source.url.as_str()).collect();
    let receipt = outcome.with_context(|| format!("cannot load {} into {table}", named.join(", ")))?;
    println!("{}", receipt);
    closed
}

/// Comes after the last row: an error where an input is not what its digest was taken of, and nothing otherwise. A load
/// whose rows end with an error commits nothing. The inputs live until here, and with them what was downloaded.
fn end_of(inputs: Vec<Input>) -> impl Stream<Item = Result<RecordBatch, dab_flight::Error>> {
    let checked = async move {
        let check = move || inputs.iter().try_for_each(Input::expect_unchanged);
        tokio::task::spawn_blocking(check)
            .await
            .map_err(anyhow::Error::from)
            .flatten()
    };
    let failed = |checked: Result<()>| std::future::ready(checked.err().map(|error| Err(into_client_error(error))));
    futures::stream::once(checked).filter_map(failed)
}

fn into_client_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> dab_flight::Error {
    dab_flight::Error::Arrow(arrow::error::ArrowError::ExternalError(error.into()))
}
