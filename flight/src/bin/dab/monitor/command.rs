//! The command that an operator wants run when there is an alarm. What the ledger says reaches it in environment variables
//! alone, so that no text of a ledger is ever read as a command.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long the command may take. The monitor ends with the alarm either way.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);

/// How often it is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What the command is told.
pub(super) struct Alarm<'a> {
    /// The kind, one word.
    pub(super) word: &'a str,
    /// What is wrong, without control characters.
    pub(super) reason: &'a str,
    /// The folder of the evidence, if there is one.
    pub(super) evidence: Option<&'a Path>,
    /// Where the ledger was read.
    pub(super) ledger: &'a str,
}

/// Runs the command to its end, or to the end of its time.
pub(super) fn run(command: &str, alarm: &Alarm<'_>) -> Result<()> {
    let evidence = alarm
        .evidence
        .map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("DAB_ALARM", alarm.word)
        .env("DAB_ALARM_REASON", alarm.reason)
        .env("DAB_ALARM_EVIDENCE", evidence.unwrap_or_default())
        .env("DAB_ALARM_LEDGER", alarm.ledger)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run a shell")?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("the command ended with {status}");
            }
            return Ok(());
        }
        if began.elapsed() > RUN_TIME_MAX {
            child.kill().context("cannot end the command")?;
            child.wait()?;
            bail!(
                "the command took longer than {} s and was ended",
                RUN_TIME_MAX.as_secs()
            );
        }
        thread::sleep(LOOK_INTERVAL);
    }
}
