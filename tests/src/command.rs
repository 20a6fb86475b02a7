//! Runs a program to its end and keeps what it said.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::binary;

/// The longest that a command of these tests may take.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Standard output as it came, for formats that are no text.
    pub stdout_bytes: Vec<u8>,
}

impl Output {
    /// Both outputs, for messages and searches.
    pub fn words(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Itself, when it ended with this status.
    ///
    /// # Panics
    /// When it ended with another, or said that it panicked.
    pub fn expect_code(self, code: i32) -> Self {
        assert!(!self.stderr.contains("panicked at"), "a panic:\n{}", self.stderr);
        assert_eq!(self.code, Some(code), "exit status\n{}", self.words());
        self
    }
}

/// Runs `dab` with these arguments.
///
/// # Panics
/// When it cannot be started or runs longer than [`COMMAND_TIMEOUT`].
pub fn dab<I, S>(arguments: I) -> Output
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    run(without_settings(Command::new(binary::dab())).args(arguments))
}

/// Runs `dab` against a data directory: `--data` is put behind the verb.
///
/// # Panics
/// As [`dab`].
pub fn dab_at(data: &Path, arguments: &[&str]) -> Output {
    let verb_words = if matches!(arguments[0], "load" | "audit") { 2 } else { 1 };
    let (verb, rest) = arguments.split_at(verb_words);
    run(without_settings(Command::new(binary::dab()))
        .args(verb)
        .arg("--data")
        .arg(data)
        .args(rest))
}

/// Runs a command without standard input.
///
/// # Panics
/// When it cannot be started or runs longer than [`COMMAND_TIMEOUT`].
pub fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {shown}: {error}"));
    let pid = child.id();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let output = match ended.recv_timeout(COMMAND_TIMEOUT) {
        Ok(output) => output.unwrap_or_else(|error| panic!("cannot read from {shown}: {error}")),
        Err(_) => {
            signal(pid, "KILL");
            panic!("{shown} did not end within {COMMAND_TIMEOUT:?}");
        }
    };
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        stdout_bytes: output.stdout,
    }
}

/// Sends a signal, `TERM` or `KILL`, to one process. One that has ended already is no error.
///
/// The shell's own `kill` does it: the call itself is unsafe code, and not every system has a program of that name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\""])
        .args([name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    assert!(sent.is_ok(), "no shell to send {name} with: {sent:?}");
}

/// Takes DAB's settings, and what makes programs print colours, out of a command's environment.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("DAB_") || matches!(text.as_ref(), "RUST_LOG" | "CLICOLOR_FORCE" | "FORCE_COLOR") {
            command.env_remove(&name);
        }
    }
    command
}
