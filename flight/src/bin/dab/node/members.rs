//! Members that come and go: a change is drafted on one machine, approved on others, and applied by one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use dab_ledger::approval::{Approval, approve, draft, members, review};
use dab_ledger::durable::{self, Access};
use dab_ledger::epoch::MembersChange;
use dab_ledger::invitation::Invitation;
use dab_ledger::members::{Candidate, Member, Members};
use dab_ledger::node::NodeConfig;
use dab_ledger::peer::ReplicaId;

use crate::cli::{NodeAddArgs, NodeApplyArgs, NodeApproveArgs, NodeListArgs, NodeRemoveArgs};
use crate::connect::{Connection, MissingData};
use crate::data_dir::DataDir;
use crate::output::print_line;
use crate::program::{program, shell_word};

pub(super) fn list(args: &NodeListArgs) -> Result<()> {
    for member in members(&config(&DataDir::open(&args.data.data)?))?.iter() {
        say(member)?;
    }
    Ok(())
}

pub(super) fn add(args: &NodeAddArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let text = fs::read_to_string(&args.line).with_context(|| format!("cannot read {}", args.line.display()))?;
    let candidate: Candidate = text
        .trim_end()
        .parse()
        .with_context(|| args.line.display().to_string())?;
    let leaves = args
        .replaces
        .as_ref()
        .map(|name| id_of(&config(&dir), name))
        .transpose()?;
    let change = MembersChange {
        leaves,
        joins: Some(candidate),
    };
    write_draft(&dir, &change, &args.output)
}

pub(super) fn remove(args: &NodeRemoveArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let change = MembersChange {
        leaves: Some(id_of(&config(&dir), &args.name)?),
        joins: None,
    };
    write_draft(&dir, &change, &args.output)
}

pub(super) fn sign(args: &NodeApproveArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let approval = approve(&config(&dir), &read(&args.change)?)?;
    durable::write(&args.change, &approval.change.to_bytes(), Access::Everyone)?;
    say_how_far(&dir, &approval, &args.change)
}

pub(super) async fn apply(args: NodeApplyArgs) -> Result<()> {
    let dir = DataDir::open(&args.node.data.data)?;
    let approval = review(&config(&dir), &read(&args.change)?)?;
    if approval.approved_by.len() < approval.needed && !approval.is_applied {
        say_how_far(&dir, &approval, &args.change)?;
        bail!("too few members approve");
    }
    if !approval.joins.is_empty() && args.output.exists() {
        bail!(
            "{} is there already: name another file with --output",
            args.output.display()
        );
    }
    // as after an answer that was lost: then what is left is the invitation
    if !approval.is_applied {
        let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
        let applied = connection.client.change_members(approval.change.to_bytes()).await;
        let closed = connection.close().await;
        applied.map_err(anyhow::Error::from).and(closed)?;
    }
    for member in &approval.joins {
        // after the change: until then it is nobody's invitation
        let invitation = Invitation::of(&config(&dir), &approval.change, member)?;
        durable::write(&args.output, invitation.to_text().as_bytes(), Access::Owner)?;
    }
    say_change(&approval)?;
    match approval.joins.is_empty() {
        true => print_line!("certified: stop the replica that left; its files are nobody's member any more"),
        false => {
            print_line!("certified; on the new machine, with a copy of this file:");
            print_line!("  {} node join {}", program(), shell_word(&args.output));
            print_line!("it holds the ledger's key: keep it secret, remove it when the machine has joined");
        }
    }
    Ok(())
}

fn config(dir: &DataDir) -> NodeConfig {
    NodeConfig::in_dir(dir.path())
}

/// A member by its name or its id.
fn id_of(config: &NodeConfig, name: &str) -> Result<ReplicaId> {
    let members: Members = members(config)?;
    let named = members
        .iter()
        .find(|member| member.is.name == name || member.id.to_string() == name);
    match named {
        Some(member) => Ok(member.id),
        None => {
            let names: Vec<_> = members.iter().map(|member| member.is.name.as_str()).collect();
            bail!("there is no member {name}; there are {}", names.join(", "))
        }
    }
}

fn write_draft(dir: &DataDir, change: &MembersChange, output: &Path) -> Result<()> {
    let approval = draft(&config(dir), change)?;
    if output.exists() {
        bail!("{} is there already: name another file with --output", output.display());
    }
    durable::write(output, &approval.change.to_bytes(), Access::Everyone)?;
    say_how_far(dir, &approval, output)
}

fn read(change: &Path) -> Result<Vec<u8>> {
    fs::read(change).with_context(|| format!("cannot read {}", change.display()))
}

fn say_change(approval: &Approval) -> Result<()> {
    for (word, members) in [("leaves", &approval.leaves), ("joins", &approval.joins)] {
        for member in members {
            print_line!(
                "{word:<6}  {:>4}  {:<12}  {}",
                member.id,
                member.is.name,
                member.is.address
            );
        }
    }
    Ok(())
}

fn say_how_far(dir: &DataDir, approval: &Approval, change: &Path) -> Result<()> {
    say_change(approval)?;
    let (have, needed) = (approval.approved_by.len(), approval.needed);
    print_line!(
        "approved by {have} of the {needed} members that it takes: {}",
        approval.approved_by.join(", ")
    );
    let file = shell_word(change);
    match have < needed {
        true => print_line!("next, on another member's machine: {} node approve {file}", program()),
        false => print_line!(
            "next, on any member's machine: {} node apply{} {file}",
            program(),
            dir.option()
        ),
    }
    Ok(())
}

fn say(member: &Member) -> Result<()> {
    print_line!("{:>4}  {:<12}  {}", member.id, member.is.name, member.is.address);
    Ok(())
}
