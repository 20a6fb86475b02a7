//! `dab sql`: one statement, a script on standard input, or a prompt.

mod prompt;
mod statements;

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, Result};
use dab_flight::Client;
use dab_flight::client::Answer;

use self::statements::split_statements;
use crate::cli::SqlArgs;
use crate::connect::{Connection, MissingData};
use crate::footer::footer;
use crate::format::{Format, write_batches};

pub(crate) async fn run(args: SqlArgs) -> Result<()> {
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = match &args.command {
        Some(sql) => run_all(&connection.client, sql, args.format).await,
        None if std::io::stdin().is_terminal() => prompt::run(&connection.client, args.format).await,
        None => {
            let mut script = String::new();
            std::io::stdin()
                .read_to_string(&mut script)
                .context("cannot read standard input")?;
            run_all(&connection.client, &script, args.format).await
        }
    };
    let closed = connection.close().await;
    outcome.and(closed)
}

/// Runs statements one after the other; the first that fails ends it.
async fn run_all(client: &Client, script: &str, format: Format) -> Result<()> {
    for statement in split_statements(script) {
        run_one(client, statement, format).await?;
    }
    Ok(())
}

/// Runs a statement and prints what it gives. Only tables get a footer on standard output; for the other formats it goes
/// to standard error, where a program that reads the result does not meet it.
pub(crate) async fn run_one(client: &Client, sql: &str, format: Format) -> Result<()> {
    match client.execute(sql).await? {
        Answer::Done(update) => {
            say(format, &update.to_string())?;
        }
        Answer::Rows(rows) => {
            let footer = rows.pins().and_then(footer);
            let mut out = std::io::stdout().lock();
            let count = write_batches(rows.schema(), rows, format, &mut out).await?;
            out.flush()?;
            drop(out);
            if format == Format::Table {
                let noun = if count == 1 { "row" } else { "rows" };
                say(format, &format!("{count} {noun}"))?;
            }
            if let Some(footer) = footer {
                say(format, &footer)?;
            }
        }
    }
    Ok(())
}

fn say(format: Format, line: &str) -> Result<()> {
    match format {
        Format::Table => writeln!(std::io::stdout(), "{line}")?,
        _ if std::io::stderr().is_terminal() => writeln!(std::io::stderr(), "{line}")?,
        _ => {}
    }
    Ok(())
}
