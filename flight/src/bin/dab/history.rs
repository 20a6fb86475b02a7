//! `dab history`: a table's commits, newest first.

use anyhow::Result;
use dab_proof::report::escape;

use crate::cli::HistoryArgs;
use crate::connect::{Connection, MissingData, identifier, literal, user_table};
use crate::format::Format;
use crate::output::print_line;
use crate::sql::run_one;

/// What fits into 80 columns; of a long user name its beginning.
const FOR_A_TERMINAL: &str = "version, replace(substr(CAST(committed_at AS VARCHAR), 1, 19), 'T', ' ') AS committed_utc, \
    CASE WHEN char_length(user_name) > 10 THEN substr(user_name, 1, 9) || '…' ELSE user_name END AS \"user\", operation, \
    rows_added AS rows, leaf_index AS leaf";
const FOR_PROGRAMS: &str = "version, committed_at, user_name, operation, rows_added, files_added, bytes_added, \
    leaf_index, digest, parent, sources";

pub(crate) async fn run(args: HistoryArgs) -> Result<()> {
    let table = user_table(&args.table)?;
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = history(&connection, &table, args.format).await;
    let closed = connection.close().await;
    outcome.and(closed)
}

async fn history(connection: &Connection, table: &str, format: Format) -> Result<()> {
    // An unknown table is an error and not an empty history.
    connection
        .client
        .query(&format!("DESCRIBE {}", identifier(table)))
        .await?
        .collect()
        .await?;
    let columns = match format {
        Format::Table => FOR_A_TERMINAL,
        _ => FOR_PROGRAMS,
    };
    let sql = format!(
        "SELECT {columns} FROM dab.commits WHERE table_name = {} ORDER BY version DESC",
        literal(table)
    );
    run_one(&connection.client, &sql, format).await?;
    if format == Format::Table {
        sources(connection, table).await?;
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
                print_line!("{table}@{version} from {}", escape(&source.url));
                let etag = source
                    .etag
                    .map_or_else(String::new, |etag| format!(", etag {}", escape(&etag)));
                let time = chrono::DateTime::from_timestamp_millis(source.fetched_unix_ms)
                    .map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
                print_line!("    {} bytes, {time}{etag}, blake3 {}", source.bytes, source.blake3);
            }
        }
    }
    Ok(())
}
