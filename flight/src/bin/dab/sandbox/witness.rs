//! The sandbox's witness outside: a `dab witness` process of its own, as another organisation would run it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use dab_ledger::clock::SystemClock;
use dab_ledger::epoch::WitnessAt;
use dab_ledger::founding::Founding;
use dab_ledger::witness::{Witness, WitnessConfig};

use super::Process;
use crate::program::shell_word;

/// What its key is called.
const NAME: &str = "witness.sandbox";

/// The witness, running or not.
pub(super) struct SandboxWitness {
    dir: PathBuf,
    log: PathBuf,
    /// Whose policy tells it which ledger it is to know.
    trust: PathBuf,
    pub(super) listen: SocketAddr,
}

/// Makes the key of a witness that will listen there.
pub(super) fn make(dir: &Path, listen: SocketAddr) -> Result<WitnessAt> {
    let witness = Witness::open(WitnessConfig {
        dir: dir.join("witness"),
        name: Some(NAME.to_owned()),
        logs: Vec::new(),
        clock: Arc::new(SystemClock),
    });
    let key = witness.context("cannot make the witness")?.verifier().clone();
    let url = format!("http://{listen}");
    Ok(WitnessAt { key, url })
}

impl SandboxWitness {
    /// The one that the sandbox was founded with, if any; `first` is a node's data directory.
    pub(super) fn of(founding: &Founding, dir: &Path, first: &Path) -> Result<Option<Self>> {
        let Some(witness) = founding.witnesses().first() else {
            return Ok(None);
        };
        let address = witness.url.strip_prefix("http://").unwrap_or(&witness.url);
        Ok(Some(Self {
            dir: dir.join("witness"),
            log: dir.join("witness.log"),
            trust: first.join("trust"),
            listen: address
                .parse()
                .with_context(|| format!("the founding has the witness {address}"))?,
        }))
    }

    fn arguments(&self) -> Vec<PathBuf> {
        let mut arguments: Vec<PathBuf> = vec!["witness".into(), "--state".into(), self.dir.clone()];
        arguments.extend(["--trust".into(), self.trust.clone()]);
        arguments.extend(["--listen".into(), self.listen.to_string().into()]);
        arguments
    }

    pub(super) fn command_line(&self) -> Vec<String> {
        self.arguments().iter().map(|word| shell_word(word)).collect()
    }

    pub(super) fn start(&self) -> Result<Process> {
        Process::start("witness", &self.log, self.arguments())
    }
}
