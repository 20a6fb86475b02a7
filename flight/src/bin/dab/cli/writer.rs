//! What `dab writer` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use dab_proof::note::VerifierKey;

use super::{DataArg, NodeArgs};

#[derive(Debug, Subcommand)]
#[command(after_help = WRITER_HELP)]
pub(crate) enum WriterVerb {
    /// Make a key for a program that is to sign its own leaves, and print what to register
    Key(WriterKeyArgs),
    /// Register a key for some subjects
    Add(Box<WriterAddArgs>),
    /// Revoke a key: what it has signed so far stays good, and it signs no more
    Revoke(WriterRevokeArgs),
    /// List the keys that may write or might once, as this machine knows them
    List(WriterListArgs),
}

const WRITER_HELP: &str = "\
To let another program sign for itself:
  where it runs  dab writer key backup backup.key     prints the key to register
  on a node      dab writer add KEY 'digest/backup/*'
  where it runs  dab notarize dump --subject digest/backup/1 --key backup.key
  on a node      dab writer revoke backup             once it is lost or stolen

A node that is alone registers and revokes at once. Of several replicas a quorum
has to approve, as for members: add and revoke write the file change, then
`dab node approve change` on more members, `dab node apply change` on one.

Subjects, with * at the end for all that begin so:
  digest/NAME     data that is not DAB's: what keys are registered for
  table/ID, catalog, table-root
                  the lake's own: whoever holds such a key can write tables, or
                  their names, without a node's leave; what does not fit, every
                  node and audit refuses
  members, heads  the ledger's own: no other key is registered for them, nor for
                  all with *

A key stays listed for ever, so that its old leaves can be checked. What it
signs counts as far as the leaf that revokes it. The key of a member comes and
goes with the member: `dab node`.";

#[derive(Debug, Args)]
pub(crate) struct WriterKeyArgs {
    /// What the key shall be called: visible ASCII without +, such as backup.example.org
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Where to write the key, which is secret: mode 0600
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Where a change of the writers goes.
#[derive(Debug, Args)]
pub(crate) struct WriterArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// Where to write the draft, where other members have to approve of it
    #[arg(short, long, value_name = "FILE", default_value = "change")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WriterAddArgs {
    #[command(flatten)]
    pub(crate) change: WriterArgs,

    /// The key, as `dab writer key` printed it
    #[arg(value_name = "KEY")]
    pub(crate) key: VerifierKey,

    /// What it may write: a subject, or the beginning of one with * at the end
    #[arg(required = true, value_name = "SUBJECT")]
    pub(crate) globs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WriterRevokeArgs {
    #[command(flatten)]
    pub(crate) change: WriterArgs,

    /// Its name, or the key itself
    #[arg(value_name = "NAME|KEY")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct WriterListArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,
}
