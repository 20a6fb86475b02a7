//! The interactive prompt.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use anyhow::Result;
use dab_flight::Client;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::interrupt::Interrupts;
use super::run_all;
use super::statements::is_complete;
use crate::format::Format;
use crate::output::{complain, print_line};

/// Read and written by its owner.
const PRIVATE_MODE: u32 = 0o600;

const HELP: &str = "\
Statements end with a semicolon and may span lines. Some to begin with:
  SHOW TABLES;
  DESCRIBE orders;
  SELECT * FROM orders VERSION AS OF 0 LIMIT 5;
  SELECT * FROM dab.commits ORDER BY committed_at DESC LIMIT 5;
\\q or Ctrl-D leaves, Ctrl-C drops what was typed or ends what runs.";

const INTERRUPTED: &str = "interrupted; if it was a write, dab.commits tells whether it stands";

/// Reads statements and runs them until the user leaves. A statement that fails does not end the session.
pub(super) async fn run(client: &Client, format: Format) -> Result<()> {
    print_line!("{HELP}\n");
    let mut editor = DefaultEditor::new()?;
    let history = history_file();
    if let Some(path) = &history {
        // The first session has none.
        let _ = editor.load_history(path);
    }
    let mut interrupts = Interrupts::listen()?;
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() { "dab> " } else { "...> " };
        // Reading blocks this thread; the session's background work has threads of its own.
        match tokio::task::block_in_place(|| editor.readline(prompt)) {
            Ok(line) if typed.is_empty() && matches!(word(&line), "\\q" | "quit" | "exit") => break,
            Ok(line) if typed.is_empty() && matches!(word(&line), "\\?" | "help") => print_line!("{HELP}"),
            Ok(line) => {
                typed += &line;
                typed.push('\n');
                if typed.trim().is_empty() {
                    typed.clear();
                } else if is_complete(&typed) {
                    let _ = editor.add_history_entry(typed.trim());
                    // At once, so that a session that is killed loses nothing, and two at a time keep both.
                    if let Some(path) = &history {
                        let _ = editor.append_history(path);
                    }
                    let mut out = interrupts.output();
                    match interrupts.bound(run_all(client, &typed, None, format, &mut out)).await {
                        Some(Ok(())) => {}
                        Some(Err(error)) if !out.is_interrupted() => complain(&error),
                        _ => eprintln!("{INTERRUPTED}"),
                    }
                    typed.clear();
                }
            }
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The line, with or without the semicolon that ends everything else here.
fn word(line: &str) -> &str {
    line.trim().trim_end_matches(';').trim_end()
}

/// Beside the user's other state, not in the data directory: several people may share that. For the user's eyes only, as a
/// statement may hold what is nobody's business; without a place for it nothing is remembered.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?
        .join("dab");
    fs::create_dir_all(&state).ok()?;
    let path = state.join("history");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(PRIVATE_MODE)
        .open(&path)
        .ok()?;
    // One that is there already keeps its mode.
    file.set_permissions(Permissions::from_mode(PRIVATE_MODE)).ok()?;
    Some(path)
}
