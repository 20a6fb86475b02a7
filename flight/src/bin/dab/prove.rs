//! `dab prove`: writes the receipt of a commit to a file.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::ProveArgs;
use crate::connect::{Connection, MissingData, identifier, literal, table_and_version};
use crate::output::print_line;
use crate::program::{program, shell_word};

pub(crate) async fn run(args: ProveArgs) -> Result<()> {
    let (table, version) = table_and_version(&args.table)?;
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = prove(&connection, &table, version, &args.output).await;
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

/// The receipt of a version, or of the latest, as the text of a `.tlog-proof` file.
pub(crate) async fn receipt(connection: &Connection, table: &str, version: Option<u64>) -> Result<(String, String)> {
    let wanted = version.map_or_else(String::new, |version| format!(" AND version = {version}"));
    let sql = format!(
        "SELECT version, proof FROM dab.receipts WHERE table_name = {}{wanted} ORDER BY version DESC LIMIT 1",
        literal(table)
    );
    let batches = connection.client.query(&sql).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        // Says which of the two is wrong.
        connection
            .client
            .query(&format!("DESCRIBE {}", identifier(table)))
            .await?
            .collect()
            .await?;
        bail!("table {table} has no version {}", version.unwrap_or_default());
    };
    let cell = |column: usize| arrow::util::display::array_value_to_string(batch.column(column), 0);
    Ok((cell(0)?, cell(1)?))
}
