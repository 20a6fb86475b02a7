//! `dab load`: generated tables, and files from anywhere.

mod ahead;
mod counter;
mod csv;
mod download;
mod file;
mod input;
mod plainly;
mod read;
mod redact;
mod torn_csv;
pub(crate) mod tpch;

use std::sync::Arc;

use anyhow::{Result, bail};
use dab_flight::Client;
use dab_flight::receipt_metadata::UpdateReceipt;
use dab_query::IngestMode;
use dab_storage::TableName;
use futures::{StreamExt, TryStreamExt, stream};

use self::counter::Counter;
use self::file::FileLoad;
use self::input::Input;
use self::tpch::TpchTable;
use crate::cli::{LoadFileArgs, LoadTpchArgs, LoadVerb};
use crate::connect::{Connection, MissingData, user_table};
use crate::output::print_line;
use crate::progress::Progress;

/// Tables of TPC-H that are loaded at once.
const TABLES_AT_ONCE: usize = 2;

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
        load_tpch(&connection.client, &TpchTable::ALL, args.scale, mode, |loaded| {
            print_line!("{loaded}");
            Ok(())
        })
        .await
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

/// Generates tables and streams each to the node as one commit, several at a time. Tells of them in the order given; the
/// first that fails ends the others that are not committed yet.
pub(crate) async fn load_tpch(
    client: &Client,
    tables: &[TpchTable],
    scale: f64,
    mode: IngestMode,
    mut tell: impl FnMut(&UpdateReceipt) -> Result<()>,
) -> Result<()> {
    let rows = tables.iter().map(|table| table.rows(scale)).sum();
    let mut progress = Progress::new("loading", Some(rows), "rows");
    let shown = progress.clone();
    let counter = Counter::default();
    let load = |table: TpchTable| {
        let generated = table.generate(scale).map(|batch| batch.map_err(into_client_error));
        let batches = counter.counting(generated);
        client.ingest(table.name(), mode, table.schema(), batches, &[])
    };
    let loads = stream::iter(tables.iter().copied().map(load)).buffered(TABLES_AT_ONCE);
    tokio::pin!(loads);
    let all = async {
        while let Some(loaded) = loads.try_next().await? {
            shown.suspend(|| tell(&loaded))?;
        }
        anyhow::Ok(())
    };
    let outcome = counter.watch(all, &mut progress).await;
    progress.finish();
    outcome
}

async fn run_file(args: LoadFileArgs) -> Result<()> {
    let table = user_table(&args.table)?;
    TableName::parse(&table)?;
    let download_bytes_max = args.download_mib.saturating_mul(1 << 20);
    let mut inputs = Vec::new();
    for input in &args.inputs {
        inputs.push(Input::open(input, args.input_format, download_bytes_max).await?);
    }
    if let Err(error) = read::check(&inputs) {
        // What is wrong with a file that has changed since it was hashed is that it changed.
        inputs.iter().try_for_each(Input::expect_unchanged)?;
        return Err(error);
    }
    let mode = if args.overwrite {
        IngestMode::Replace
    } else {
        IngestMode::CreateOrAppend
    };
    let load = FileLoad {
        table,
        mode,
        inputs: Arc::new(inputs),
    };
    load.run(&args.node).await
}

fn into_client_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> dab_flight::Error {
    dab_flight::Error::Arrow(arrow::error::ArrowError::ExternalError(error.into()))
}
