//! Runs the `.slt` files of `tests/sql/` against a real node, through a client that is not ours.
//!
//! `DAB_SLT_COMPLETE=1` writes the answers that the node gives into the files, to be read before they are kept.

use std::path::{Path, PathBuf};

use dab_tests::client::{Client, rows_of};
use dab_tests::say::say;
use dab_tests::server::Server;
use dab_tests::slt::{Record, parse};
use dab_tests::workspace;

/// Beginnings of statements that answer with rows.
const QUERIES: [&str; 7] = ["SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "VALUES", "("];

fn scripts() -> Vec<PathBuf> {
    let ours = |path: &PathBuf| path.starts_with("tests/sql") && path.extension().is_some_and(|ending| ending == "slt");
    workspace::files().into_iter().filter(ours).collect()
}

/// Runs a statement; the rows of a query, one line each.
async fn run(client: &mut Client, sql: &str) -> Result<Vec<String>, String> {
    let beginning = sql.trim_start().to_uppercase();
    if !QUERIES.iter().any(|query| beginning.starts_with(query)) {
        return client
            .update(sql)
            .await
            .map(|_| Vec::new())
            .map_err(|error| error.to_string());
    }
    let batches = client.query(sql).await.map_err(|error| error.to_string())?;
    let rows = rows_of(&batches).map_err(|error| error.to_string())?;
    // A text without characters could not be seen.
    let seen = |value: String| if value.is_empty() { "(empty)".to_owned() } else { value };
    Ok(rows
        .into_iter()
        .map(|row| row.into_iter().map(seen).collect::<Vec<_>>().join(" "))
        .collect())
}

/// Runs one record. A query's answer is replaced by the one that was given.
async fn run_record(client: &mut Client, record: &mut Record) -> Result<(), String> {
    match record {
        Record::Prose(_) => Ok(()),
        Record::Statement { line, error, sql } => match (run(client, sql).await, error) {
            (Ok(_), None) => Ok(()),
            (Ok(_), Some(_)) => Err(format!("line {line}: no error: {sql}")),
            (Err(message), None) => Err(format!("line {line}: {message}: {sql}")),
            (Err(message), Some(due)) if message.to_lowercase().contains(&due.to_lowercase()) => Ok(()),
            (Err(message), Some(due)) => Err(format!("line {line}: {message:?} does not say {due:?}: {sql}")),
        },
        Record::Query {
            line,
            sql,
            answer,
            types,
        } => {
            let given = run(client, sql)
                .await
                .map_err(|message| format!("line {line}: {message}: {sql}"))?;
            let due = std::mem::replace(answer, given);
            let columns_fit = answer.first().is_none_or(|row| row.split(' ').count() >= types.len());
            match due == *answer && columns_fit {
                true => Ok(()),
                false => Err(format!(
                    "line {line}: {sql}\ndue:\n{}\ngiven:\n{}",
                    due.join("\n"),
                    answer.join("\n")
                )),
            }
        }
    }
}

async fn run_script(server: &Server, path: &Path) -> Result<(), String> {
    let mut records = parse(&workspace::read(path))?;
    let mut client = server.connect().await;
    let mut failures = Vec::new();
    for record in &mut records {
        failures.extend(run_record(&mut client, record).await.err());
    }
    if std::env::var_os("DAB_SLT_COMPLETE").is_some() {
        let completed: String = records.iter().map(Record::to_string).collect();
        std::fs::write(workspace::root().join(path), completed).map_err(|error| error.to_string())?;
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n\n"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_the_sql_files_answers_as_written() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let server = Server::start(folder.path().join("data"));
    let scripts = scripts();
    assert!(scripts.len() >= 5, "only {} .slt files", scripts.len());
    let mut failures = Vec::new();
    for script in &scripts {
        let outcome = run_script(&server, script).await;
        failures.extend(outcome.err().map(|failure| format!("{}:\n{failure}", script.display())));
    }
    say(format!("{} .slt files", scripts.len()));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    server.stop();
}
