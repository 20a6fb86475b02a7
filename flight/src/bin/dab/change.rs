//! Changes of the ledger's members and writers on their way: drafted on one machine, approved on others, applied by one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use dab_ledger::approval::{Approval, draft};
use dab_ledger::durable::{self, Access};
use dab_ledger::epoch::Change;
use dab_ledger::node::NodeConfig;
use dab_proof::report::escape;
use dab_proof::tree::LeafIndex;

use crate::cli::NodeArgs;
use crate::connect::{Connection, MissingData};
use crate::data_dir::DataDir;
use crate::output::print_line;
use crate::program::{program, shell_word};

/// Where the ledger of a data directory has its files.
pub(crate) fn config(dir: &DataDir) -> NodeConfig {
    NodeConfig::in_dir(dir.path())
}

/// Reads the file of a draft.
pub(crate) fn read(change: &Path) -> Result<Vec<u8>> {
    fs::read(change).with_context(|| format!("cannot read {}", change.display()))
}

/// Drafts a change, and says what is next.
pub(crate) fn write_draft(dir: &DataDir, change: &Change, output: &Path) -> Result<()> {
    keep_draft(dir, &draft(&config(dir), change)?, output)
}

/// Writes a draft, and says what is next.
pub(crate) fn keep_draft(dir: &DataDir, approval: &Approval, output: &Path) -> Result<()> {
    if output.exists() {
        bail!("{} is there already: name another file with --output", output.display());
    }
    durable::write(output, &approval.change.to_bytes(), Access::Everyone)?;
    say_how_far(dir, approval, output)
}

/// Has a node's ledger certify a change, unless it has; the leaf by which it did.
pub(crate) async fn certify(node: &NodeArgs, approval: &Approval) -> Result<LeafIndex> {
    if let Some(index) = approval.applied_by {
        return Ok(index);
    }
    let connection = Connection::open(node, MissingData::IsRefused).await?;
    let certified = connection.client.change_epoch(approval.change.to_bytes()).await;
    let closed = connection.close().await;
    let receipt = certified?;
    closed.map(|()| LeafIndex(receipt.leaf_index))
}

/// Says who comes and goes, which keys, and which witnesses.
pub(crate) fn say_change(approval: &Approval) -> Result<()> {
    for (word, member) in [("leaves", &approval.leaves), ("joins", &approval.joins)] {
        if let Some(member) = member {
            print_line!(
                "{word:<6}  {:>4}  {:<12}  {}",
                member.id,
                member.is.name,
                member.is.address
            );
        }
    }
    if let Some(writer) = &approval.registers {
        let (name, globs) = (escape(writer.key.name()), escape(&writer.globs.join(" ")));
        print_line!("registers  {name}, to write {globs}\n           {}", writer.key);
    }
    if let Some(key) = &approval.revokes {
        print_line!(
            "revokes    {}\n           {}",
            escape(key.name()),
            escape(&key.to_string())
        );
    }
    if let Some(key) = &approval.dismisses {
        let (name, key) = (escape(key.name()), escape(&key.to_string()));
        print_line!("dismisses  {name}, a witness outside\n           {key}");
    }
    if let Some(witness) = &approval.engages {
        let (name, url) = (escape(witness.key.name()), escape(&witness.url));
        print_line!(
            "engages    {name}, a witness outside, at {url}\n           {}",
            witness.key
        );
    }
    if approval.engages.is_some() || approval.dismisses.is_some() {
        print_line!("           {}", outside_then(approval.witnesses));
    }
    Ok(())
}

/// What is asked of witnesses outside from a change on.
fn outside_then(witnesses: usize) -> String {
    match witnesses {
        0 => "then NO witness outside has to cosign: the members certify by themselves".to_owned(),
        1 => "then nothing is certified without that one witness, not even its dismissal".to_owned(),
        witnesses => format!("then any one of {witnesses} witnesses outside has to cosign"),
    }
}

/// Says who approves of a draft, and what is next.
pub(crate) fn say_how_far(dir: &DataDir, approval: &Approval, change: &Path) -> Result<()> {
    say_change(approval)?;
    let (have, needed) = (approval.approved_by.len(), approval.needed);
    print_line!(
        "approved by {have} of the {needed} members that it takes: {}",
        approval.approved_by.join(", ")
    );
    let file = shell_word(change);
    match approval.is_approved() {
        false => print_line!("next, on another member's machine: {} node approve {file}", program()),
        true => print_line!(
            "next, on any member's machine: {} node apply{} {file}",
            program(),
            dir.option()
        ),
    }
    Ok(())
}

/// Says from where on a certified change of the writers counts.
pub(crate) fn say_writers(approval: &Approval, index: LeafIndex) -> Result<()> {
    let next = index.0 + 1;
    if let Some(writer) = &approval.registers {
        let (name, globs) = (escape(writer.key.name()), escape(&writer.globs.join(" ")));
        print_line!("certified by leaf {index}: {name} may write {globs} from now on");
    }
    if let Some(key) = &approval.revokes {
        let name = escape(key.name());
        print_line!(
            "certified by leaf {index}: what {name} has signed counts below leaf {next}, and no more from there on"
        );
    }
    Ok(())
}

/// Says from where on a certified change of the witnesses outside counts.
pub(crate) fn say_witnesses(approval: &Approval, index: LeafIndex) -> Result<()> {
    if approval.engages.is_none() && approval.dismisses.is_none() {
        return Ok(());
    }
    let next = index.0 + 1;
    print_line!("certified by leaf {index}: from leaf {next} on the witnesses of then are asked");
    print_line!("whoever trusts the policy before has to follow: dab-verify follow, with trust/changes");
    Ok(())
}
