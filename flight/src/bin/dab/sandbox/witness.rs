//! The sandbox's witness outside: a `dab witness` process of its own, as another organisation would run it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use dab_ledger::clock::SystemClock;
use dab_ledger::epoch::WitnessAt;
use dab_ledger::founding::Founding;
use dab_ledger::witness::{Witness, WitnessConfig};

use super::process::Launch;

/// What its key is called.
const NAME: &str = "witness.sandbox";

/// Where it keeps that, and what it has cosigned.
const DIR: &str = "witness";

/// The witness, running or not.
pub(super) struct SandboxWitness {
    pub(super) listen: SocketAddr,
    pub(super) launch: Launch,
}

/// Makes the key of a witness that will listen there.
pub(super) fn make(dir: &Path, listen: SocketAddr) -> Result<WitnessAt> {
    let witness = Witness::open(WitnessConfig {
        dir: dir.join(DIR),
        name: Some(NAME.to_owned()),
        logs: Vec::new(),
        clock: Arc::new(SystemClock),
    });
    let key = witness.context("cannot make the witness")?.verifier().clone();
    let url = format!("http://{listen}");
    Ok(WitnessAt { key, url })
}

/// Where the witness that the sandbox was founded with listens, if any.
pub(super) fn listen_of(founding: &Founding) -> Result<Option<SocketAddr>> {
    let parsed = founding.witnesses().first().map(|witness| {
        let address = witness.url.strip_prefix("http://").unwrap_or(&witness.url);
        let address = address.parse();
        address.with_context(|| format!("the founding has the witness {}", witness.url))
    });
    parsed.transpose()
}

impl SandboxWitness {
    /// The one that the sandbox was founded with, if any; `first` is a node's data directory.
    pub(super) fn of(founding: &Founding, dir: &Path, first: &Path) -> Result<Option<Self>> {
        let Some(listen) = listen_of(founding)? else {
            return Ok(None);
        };
        let mut arguments: Vec<PathBuf> = vec!["witness".into(), "--state".into(), dir.join(DIR)];
        // its policy says which ledger it is to know
        arguments.extend(["--trust".into(), first.join("trust")]);
        arguments.extend(["--listen".into(), listen.to_string().into()]);
        let launch = Launch::new(dir, "witness", arguments);
        Ok(Some(Self { listen, launch }))
    }
}
