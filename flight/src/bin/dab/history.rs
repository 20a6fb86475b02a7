//! `dab history`: a table's commits, newest first.

use anyhow::Result;

use crate::cli::HistoryArgs;
use crate::connect::{Connection, MissingData, identifier, literal, table_name};
use crate::format::Format;
use crate::sql::run_one;

pub(crate) async fn run(args: HistoryArgs) -> Result<()> {
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = history(&connection, &args).await;
    let closed = connection.close().await;
    outcome.and(closed)
}

async fn history(connection: &Connection, args: &HistoryArgs) -> Result<()> {
    let table = table_name(&args.table);
    // An unknown table is an error and not an empty history.
    connection
        .client
        .query(&format!("DESCRIBE {}", identifier(&table)))
        .await?
        .collect()
        .await?;
    // A terminal shows what fits; programs get everything.
    let columns = match args.format {
        Format::Table => {
            "version, committed_at, user_name, operation, rows_added, leaf_index, substr(digest, 1, 16) AS digest"
        }
        _ => {
            "version, committed_at, user_name, operation, rows_added, files_added, bytes_added, leaf_index, digest, \
              parent, sources"
        }
    };
    let sql = format!(
        "SELECT {columns} FROM dab.commits WHERE table_name = {} ORDER BY version DESC",
        literal(&table)
    );
    run_one(&connection.client, &sql, args.format).await?;
    if args.format == Format::Table {
        sources(connection, &table).await?;
    }
    Ok(())
}

/// The inputs from outside, one a line under the table: URLs do not fit into its columns.
async fn sources(connection: &Connection, table: &str) -> Result<()> {
    let sql = format!(
        "SELECT version, sources FROM dab.commits WHERE table_name = {} AND sources <> '[]' ORDER BY version DESC",
        literal(table)
    );
    for batch in connection.client.query(&sql).await?.collect().await? {
        for row in 0..batch.num_rows() {
            let cell = |column: usize| arrow::util::display::array_value_to_string(batch.column(column), row);
            let (version, json) = (cell(0)?, cell(1)?);
            let sources: Vec<dab_storage::LoadedSource> = serde_json::from_str(&json)?;
            for source in sources {
                println!("{table}@{version} from {}", source.url);
                let etag = source.etag.map_or_else(String::new, |etag| format!(", etag {etag}"));
                let time = chrono::DateTime::from_timestamp_millis(source.fetched_unix_ms)
                    .map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
                println!("    {} bytes, {time}{etag}, blake3 {}", source.bytes, source.blake3);
            }
        }
    }
    Ok(())
}
