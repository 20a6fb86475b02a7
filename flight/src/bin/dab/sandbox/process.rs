//! The sandbox's processes: this program with other arguments, each with its own log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, ChildStdin, Command};

use crate::program::{program, shell_word};

/// How one process is started, as often as that is wanted.
pub(super) struct Launch {
    pub(super) name: String,
    log: PathBuf,
    arguments: Vec<PathBuf>,
}

/// A started process.
pub(super) struct Process {
    pub(super) name: String,
    pub(super) child: Child,
    /// Held here, since waiting for a child closes its own.
    stdin: Option<ChildStdin>,
}

impl Launch {
    /// One of the sandbox in `dir`; `arguments` begin with the command's name.
    pub(super) fn new(dir: &Path, name: &str, arguments: Vec<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            log: dir.join(format!("{name}.log")),
            arguments,
        }
    }

    /// Starts it; what it says goes into its log.
    pub(super) fn start(&self) -> Result<Process> {
        let Self { name, log, arguments } = self;
        let said = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(std::env::current_exe().context("cannot find this program")?)
            .args(arguments)
            .arg("--until-stdin-ends")
            .stdin(Stdio::piped())
            .stdout(said.try_clone()?)
            .stderr(said)
            // a group of its own: Ctrl-C is for the sandbox, which tells the others
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Process {
            name: name.clone(),
            stdin: child.stdin.take(),
            child,
        })
    }

    /// What a user types to start it again, beside the sandbox.
    pub(super) fn command_line(&self) -> String {
        let words = self.arguments.iter().map(|word| shell_word(word));
        format!("{} {}", program(), words.collect::<Vec<_>>().join(" "))
    }

    /// The last line that it said.
    pub(super) fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        said.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Process {
    /// Has it stop in order: the end of its standard input tells it to, also where the sandbox itself is killed.
    pub(super) fn stop(&mut self) {
        self.stdin = None;
    }

    /// Its process id, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}
