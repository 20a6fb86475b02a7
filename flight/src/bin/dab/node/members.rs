//! Members that come and go: a change is drafted on one machine, approved on others, and applied by one.

use std::fs;

use anyhow::{Context, Result, bail};
use dab_ledger::approval::{approve, members, review};
use dab_ledger::durable::{self, Access};
use dab_ledger::epoch::Change;
use dab_ledger::invitation::Invitation;
use dab_ledger::members::{Candidate, Member, Members};
use dab_ledger::node::NodeConfig;
use dab_ledger::peer::ReplicaId;

use super::witnesses::check_engaged;
use crate::change::{certify, config, read, say_change, say_how_far, say_witnesses, say_writers, write_draft};
use crate::cli::{NodeAddArgs, NodeApplyArgs, NodeApproveArgs, NodeListArgs, NodeRemoveArgs};
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
    let dir = DataDir::open(&args.draft.data.data)?;
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
    let change = Change {
        leaves,
        joins: Some(candidate),
        ..Change::default()
    };
    write_draft(&dir, &change, &args.draft.output)
}

pub(super) fn remove(args: &NodeRemoveArgs) -> Result<()> {
    let dir = DataDir::open(&args.draft.data.data)?;
    let change = Change {
        leaves: Some(id_of(&config(&dir), &args.name)?),
        ..Change::default()
    };
    write_draft(&dir, &change, &args.draft.output)
}

pub(super) async fn sign(args: NodeApproveArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let bytes = read(&args.change)?;
    // whoever drafts and applies it may be the same, and wish the ledger ill
    check_engaged(&dir, review(&config(&dir), &bytes)?.engages.as_ref(), &args.witness_ca).await?;
    let approval = approve(&config(&dir), &bytes)?;
    durable::write(&args.change, &approval.change.to_bytes(), Access::Everyone)?;
    say_how_far(&dir, &approval, &args.change)
}

pub(super) async fn apply(args: NodeApplyArgs) -> Result<()> {
    let dir = DataDir::open(&args.node.data.data)?;
    let approval = review(&config(&dir), &read(&args.change)?)?;
    if approval.applied_by.is_none() && !approval.is_approved() {
        say_how_far(&dir, &approval, &args.change)?;
        bail!("too few members approve");
    }
    if approval.joins.is_some() && args.output.exists() {
        bail!(
            "{} is there already: name another file with --output",
            args.output.display()
        );
    }
    if approval.applied_by.is_none() {
        check_engaged(&dir, approval.engages.as_ref(), &args.witness_ca).await?;
    }
    // as after an answer that was lost: then what is left is the invitation
    let index = certify(&args.node, &approval).await?;
    if let Some(member) = &approval.joins {
        // after the change: until then it is nobody's invitation
        let invitation = Invitation::of(&config(&dir), &approval.change, index, member)?;
        durable::write(&args.output, invitation.to_text().as_bytes(), Access::Owner)?;
    }
    say_change(&approval)?;
    say_writers(&approval, index)?;
    say_witnesses(&approval, index)?;
    if approval.joins.is_some() {
        print_line!("certified; on the new machine, with a copy of this file:");
        print_line!("  {} node join {}", program(), shell_word(&args.output));
        print_line!("it holds the ledger's key: keep it secret, remove it when the machine has joined");
    } else if approval.leaves.is_some() {
        print_line!(
            "certified: stop the replica that left; its files are nobody's member any more, and its key writes no more"
        );
    }
    Ok(())
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

fn say(member: &Member) -> Result<()> {
    print_line!("{:>4}  {:<12}  {}", member.id, member.is.name, member.is.address);
    Ok(())
}
