//! `dab prove`: writes the receipt of a commit to a file, or the proof of which version is the latest.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::ProveArgs;
use crate::connect::{Connection, MissingData, identifier, literal, table_and_version};
use crate::output::print_line;
use crate::program::{program, shell_word};

pub(crate) async fn run(args: ProveArgs) -> Result<()> {
    let (table, version) = table_and_version(&args.table)?;
    if args.head && version.is_some() {
        bail!("--head proves which version is the latest: name the table without one");
    }
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = match args.head {
        true => prove_head(&connection, &table, &args.output).await,
        false => prove(&connection, &table, version, &args.output).await,
    };
    let closed = connection.close().await;
    outcome.and(closed)
}

async fn prove(connection: &Connection, table: &str, version: Option<u64>, output: &Path) -> Result<()> {
    let (version, proof) = receipt(connection, table, version).await?;
    std::fs::write(output, proof).with_context(|| format!("cannot write {}", output.display()))?;
    print_line!("{table}@{version} proved in {}", output.display());
    print_line!(
        "check it anywhere: {} verify {} --trust DIR",
        program(),
        shell_word(output)
    );
    Ok(())
}

async fn prove_head(connection: &Connection, table: &str, output: &Path) -> Result<()> {
    let sql = format!(
        "SELECT version, leaves_covered, proof FROM dab.heads WHERE table_name = {}",
        literal(table)
    );
    let Some([version, covered, proof]) = first_row(connection, &sql).await? else {
        return Err(missing(connection, table).await?);
    };
    std::fs::write(output, proof).with_context(|| format!("cannot write {}", output.display()))?;
    print_line!(
        "version {version} is the latest of {table} in the ledger's first {covered} leaves: proved in {}",
        output.display()
    );
    print_line!(
        "check it anywhere: {} verify --head {} --trust DIR",
        program(),
        shell_word(output)
    );
    Ok(())
}

/// The receipt of a version, or of the latest, as the text of a `.tlog-proof` file.
pub(crate) async fn receipt(connection: &Connection, table: &str, version: Option<u64>) -> Result<(String, String)> {
    let wanted = version.map_or_else(String::new, |version| format!(" AND version = {version}"));
    let sql = format!(
        "SELECT version, proof FROM dab.receipts WHERE table_name = {}{wanted} ORDER BY version DESC LIMIT 1",
        literal(table)
    );
    let Some([version, proof]) = first_row(connection, &sql).await? else {
        missing(connection, table).await?;
        bail!("table {table} has no version {}", version.unwrap_or_default());
    };
    Ok((version, proof))
}

/// The cells of the first row, if there is one.
async fn first_row<const COLUMNS: usize>(connection: &Connection, sql: &str) -> Result<Option<[String; COLUMNS]>> {
    let batches = connection.client.query(sql).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(None);
    };
    let cells = (0..COLUMNS).map(|column| arrow::util::display::array_value_to_string(batch.column(column), 0));
    let cells: Vec<String> = cells.collect::<Result<_, _>>()?;
    Ok(cells.try_into().ok())
}

/// Fails with the node's own words where there is no such table; what is left to say where there is.
async fn missing(connection: &Connection, table: &str) -> Result<anyhow::Error> {
    let described = connection
        .client
        .query(&format!("DESCRIBE {}", identifier(table)))
        .await?;
    described.collect().await?;
    Ok(anyhow::anyhow!("table {table} was dropped meanwhile"))
}
