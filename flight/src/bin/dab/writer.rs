//! `dab writer`: keys of other programs, and of whoever is no member, that may write some subjects.

use anyhow::{Result, bail};
use dab_ledger::approval::{draft, writers};
use dab_ledger::epoch::{Change, NewWriter};
use dab_ledger::key_file::make_writer_key;
use dab_proof::note::VerifierKey;
use dab_proof::report::escape;
use dab_proof::writers::Writers;

use crate::change::{certify, config, keep_draft, say_change, say_writers};
use crate::cli::{WriterAddArgs, WriterArgs, WriterKeyArgs, WriterListArgs, WriterRevokeArgs, WriterVerb};
use crate::data_dir::DataDir;
use crate::output::print_line;
use crate::program::program;

pub(crate) async fn run(verb: WriterVerb) -> Result<()> {
    match verb {
        WriterVerb::Key(args) => key(&args),
        WriterVerb::Add(args) => add(*args).await,
        WriterVerb::Revoke(args) => revoke(args).await,
        WriterVerb::List(args) => list(&args),
    }
}

fn key(args: &WriterKeyArgs) -> Result<()> {
    print_line!("{}", make_writer_key(&args.file, &args.name)?);
    Ok(())
}

async fn add(args: WriterAddArgs) -> Result<()> {
    let change = Change {
        registers: Some(NewWriter {
            key: args.key,
            globs: args.globs,
        }),
        ..Change::default()
    };
    draft_or_apply(&args.change, &change).await
}

async fn revoke(args: WriterRevokeArgs) -> Result<()> {
    let dir = DataDir::of_client(&args.change.node.data.data);
    let key = key_of(&writers(&config(&dir))?, &args.name)?;
    let change = Change {
        revokes: Some(key),
        ..Change::default()
    };
    draft_or_apply(&args.change, &change).await
}

/// Where the own approval is enough, as with one node alone, nobody has to wait for others.
async fn draft_or_apply(args: &WriterArgs, change: &Change) -> Result<()> {
    let dir = DataDir::of_client(&args.node.data.data);
    let approval = draft(&config(&dir), change)?;
    if !approval.is_approved() {
        return keep_draft(&dir, &approval, &args.output);
    }
    let index = certify(&args.node, &approval).await?;
    say_change(&approval)?;
    say_writers(&approval, index)
}

/// The key that may write and has this name, or is written so.
fn key_of(writers: &Writers, name: &str) -> Result<VerifierKey> {
    let found: Vec<_> = writers
        .iter()
        .filter(|writer| writer.name() == name || writer.key().to_string() == name)
        .collect();
    let may_write: Vec<_> = found.iter().filter(|writer| writer.revoked_from().is_none()).collect();
    let revoked_from = found.iter().filter_map(|writer| writer.revoked_from()).next_back();
    match (&may_write[..], revoked_from) {
        ([writer], _) => Ok(writer.key().clone()),
        ([], Some(from)) => bail!("{name} is revoked already, from leaf {from} on"),
        ([], None) => bail!(
            "there is no writer {name}: `{} writer list` shows those there are",
            program()
        ),
        _ => bail!(
            "several keys are called {name}: name one by its key, as `{} writer list` shows it",
            program()
        ),
    }
}

fn list(args: &WriterListArgs) -> Result<()> {
    let dir = DataDir::of_client(&args.data.data);
    for writer in writers(&config(&dir))?.iter() {
        let state = match writer.revoked_from() {
            Some(from) => format!("revoked from leaf {from} on"),
            None => "may write".to_owned(),
        };
        // an operator may have written what no registration lets in
        let (name, globs) = (escape(writer.name()), escape(&writer.globs().join(" ")));
        print_line!("{name}  {state}  {globs}\n    {}", escape(&writer.key().to_string()));
    }
    Ok(())
}
