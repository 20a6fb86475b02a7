//! `dab sql`: one statement, a script on standard input, or a prompt.

mod interrupt;
mod prompt;
mod statements;

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use dab_flight::Client;
use dab_flight::client::Answer;
use dab_proof::report::count;

use self::statements::split_statements;
use crate::cli::SqlArgs;
use crate::connect::{Connection, MissingData};
use crate::footer::footer;
use crate::format::{Format, write_batches};
use crate::output::StandardOutput;

pub(crate) async fn run(args: SqlArgs) -> Result<()> {
    let key = args.idempotency_key.as_deref();
    let script = match &args.command {
        Some(sql) => Some(sql.clone()),
        None if std::io::stdin().is_terminal() => None,
        None => {
            let mut script = String::new();
            std::io::stdin()
                .read_to_string(&mut script)
                .context("cannot read standard input")?;
            Some(script)
        }
    };
    if key.is_some() && script.as_ref().is_none_or(|script| split_statements(script).len() != 1) {
        bail!("--idempotency-key is for one statement: give it with -c");
    }
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = match &script {
        Some(sql) => run_all(&connection.client, sql, key, args.format, &mut StandardOutput::new()).await,
        None => prompt::run(&connection.client, args.format).await,
    };
    let closed = connection.close().await;
    outcome.and(closed)
}

/// Runs statements one after the other; the first that fails ends it.
async fn run_all(client: &Client, script: &str, key: Option<&str>, format: Format, out: &mut impl Write) -> Result<()> {
    let statements = split_statements(script);
    let all = statements.len();
    for (at, statement) in statements.into_iter().enumerate() {
        let printed = print_one(client, statement, key, format, out).await;
        match all {
            1 => printed?,
            _ => printed.with_context(|| format!("statement {} of {all}", at + 1))?,
        }
    }
    Ok(())
}

/// Runs a statement and prints what it gives.
pub(crate) async fn run_one(client: &Client, sql: &str, format: Format) -> Result<()> {
    print_one(client, sql, None, format, &mut StandardOutput::new()).await
}

/// Only tables get a footer where the result goes; for the other formats it goes to standard error, where a program that
/// reads the result does not meet it.
async fn print_one(client: &Client, sql: &str, key: Option<&str>, format: Format, out: &mut impl Write) -> Result<()> {
    match client.execute_once(sql, key).await? {
        Answer::Done(update) => say(format, &update.to_string(), out)?,
        Answer::Rows(rows) => {
            let footer = rows.pins().and_then(footer);
            let rows = write_batches(rows.schema(), rows, format, out).await?;
            if format == Format::Table {
                say(format, &count(rows, ["row", "rows"]), out)?;
            }
            if let Some(footer) = footer {
                say(format, &footer, out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn say(format: Format, line: &str, out: &mut impl Write) -> Result<()> {
    match format {
        Format::Table => writeln!(out, "{line}")?,
        _ if std::io::stderr().is_terminal() => writeln!(std::io::stderr(), "{line}")?,
        _ => {}
    }
    Ok(())
}
