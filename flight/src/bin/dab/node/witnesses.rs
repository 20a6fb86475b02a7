//! Witnesses outside that come and go: drafted here, approved and applied as every change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dab_flight::WitnessUrl;
use dab_ledger::approval::witnesses;
use dab_ledger::clock::SystemClock;
use dab_ledger::epoch::{Change, WitnessAt};
use dab_ledger::witness::{WitnessClient, WitnessError};
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::files::DirSource;
use dab_proof::note::VerifierKey;
use dab_proof::report::escape;
use dab_proof::source::Source;

use crate::change::{config, write_draft};
use crate::cli::{NodeListArgs, NodeWitnessAddArgs, NodeWitnessRemoveArgs, NodeWitnessVerb, WitnessCaArg};
use crate::data_dir::DataDir;
use crate::output::print_line;

/// How often a witness is asked that is ahead of this machine, as one that the leader asks is while the ledger grows.
const TRIES_MAX: u32 = 20;
/// Until the checkpoint has come here that it has cosigned.
const TRY_INTERVAL: Duration = Duration::from_millis(250);

pub(super) async fn run(verb: NodeWitnessVerb) -> Result<()> {
    match verb {
        NodeWitnessVerb::Add(args) => add(*args).await,
        NodeWitnessVerb::Remove(args) => remove(args).await,
        NodeWitnessVerb::List(args) => list(&args),
    }
}

fn list(args: &NodeListArgs) -> Result<()> {
    for witness in witnesses(&config(&DataDir::open(&args.data.data)?))? {
        let (name, key) = (escape(witness.key.name()), escape(&witness.key.to_string()));
        print_line!("{name}  {}\n    {key}", escape(&witness.url));
    }
    Ok(())
}

async fn add(args: NodeWitnessAddArgs) -> Result<()> {
    let (dir, ca) = (DataDir::open(&args.draft.data.data)?, &args.witness_ca);
    let now = witnesses(&config(&dir))?;
    let dismisses = args.replaces.map(|name| key_of(&now, &name)).transpose()?;
    let change = Change {
        engages: Some(WitnessAt {
            key: args.key,
            url: args.url,
        }),
        dismisses,
        ..Change::default()
    };
    check_engaged(&dir, change.engages.as_ref(), ca).await?;
    check_present(&dir, &now, ca).await?;
    write_draft(&dir, &change, &args.draft.output)
}

async fn remove(args: NodeWitnessRemoveArgs) -> Result<()> {
    let dir = DataDir::open(&args.draft.data.data)?;
    let now = witnesses(&config(&dir))?;
    let change = Change {
        dismisses: Some(key_of(&now, &args.name)?),
        ..Change::default()
    };
    check_present(&dir, &now, &args.witness_ca).await?;
    write_draft(&dir, &change, &args.draft.output)
}

/// Has a witness that is to come cosign what is certified: without one that does, nothing would ever be certified again, and
/// not even its dismissal.
pub(super) async fn check_engaged(dir: &DataDir, engages: Option<&WitnessAt>, ca: &WitnessCaArg) -> Result<()> {
    let Some(witness) = engages else {
        return Ok(());
    };
    let asked = ask(dir, witness, ca).await;
    asked.context("a witness that does not cosign would stop the ledger, so none is engaged before it does")
}

/// One of the witnesses of now has to cosign the change itself.
async fn check_present(dir: &DataDir, now: &[WitnessAt], ca: &WitnessCaArg) -> Result<()> {
    let mut failed = None;
    for witness in now {
        match ask(dir, witness, ca).await {
            Ok(()) => return Ok(()),
            Err(error) => failed = Some(error),
        }
    }
    let Some(error) = failed else {
        return Ok(());
    };
    Err(error.context(
        "a change is certified by the witnesses of now, and none of them cosigns: wait until one does. If they are gone \
         for ever, so is the ledger's certificate: nothing can be added to it",
    ))
}

async fn ask(dir: &DataDir, witness: &WitnessAt, ca: &WitnessCaArg) -> Result<()> {
    let http = WitnessUrl::new(&witness.url, ca.read()?.as_deref())?;
    let mut client = WitnessClient::new(witness.key.clone(), Arc::new(http), Arc::new(SystemClock));
    let files = DirSource::new(dir.public());
    let mut tries = 0;
    loop {
        let bytes = files.read("checkpoint")?;
        let bytes = bytes.context("the ledger has no certified checkpoint yet: start its replicas first")?;
        let asked = client.cosign(&SignedCheckpoint::parse(&bytes)?, &files).await;
        match asked {
            Err(WitnessError::Ahead { .. }) if tries < TRIES_MAX => tries += 1,
            asked => return Ok(asked.map(drop)?),
        }
        tokio::time::sleep(TRY_INTERVAL).await;
    }
}

/// A witness by its name or its key.
fn key_of(witnesses: &[WitnessAt], name: &str) -> Result<VerifierKey> {
    let mut found = witnesses
        .iter()
        .filter(|witness| witness.key.name() == name || witness.key.to_string() == name);
    match (found.next(), found.next()) {
        (Some(witness), None) => Ok(witness.key.clone()),
        (Some(_), Some(_)) => bail!("several witnesses are called {name}: name one by its key"),
        (None, _) if witnesses.is_empty() => bail!("this ledger has no witness outside"),
        (None, _) => {
            let names: Vec<_> = witnesses.iter().map(|witness| escape(witness.key.name())).collect();
            bail!("there is no witness {name}; there are {}", names.join(", "))
        }
    }
}
