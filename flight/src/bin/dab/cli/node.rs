//! What `dab node`, `dab sandbox` and a replica's `dab serve` take.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, value_parser};
use dab_proof::note::VerifierKey;

use super::{DataArg, NodeArgs};
use crate::format::Format;

#[derive(Debug, Subcommand)]
#[command(after_help = FOUNDING_HELP)]
pub(crate) enum NodeVerb {
    /// Make this machine's keys, and print the line by which the founder knows it
    Keys(NodeKeysArgs),
    /// Found a ledger over the machines whose lines are given
    Found(NodeFoundArgs),
    /// Take the founding, or an invitation, in: `dab serve` then joins the other replicas
    Join(NodeJoinArgs),
    /// Show the replicas as a running node sees them
    Status(NodeStatusArgs),
    /// List the members, as this machine knows them
    List(NodeListArgs),
    /// Draft that a machine joins, alone or in place of a member
    Add(NodeAddArgs),
    /// Draft that a member leaves
    Remove(NodeRemoveArgs),
    /// Draft that a witness outside has to cosign, or has to no more
    #[command(subcommand)]
    Witness(NodeWitnessVerb),
    /// Approve of a draft of `dab node` or `dab writer`, as this machine's member
    Approve(NodeApproveArgs),
    /// Have the ledger certify a draft that enough members approve of
    Apply(NodeApplyArgs),
}

const FOUNDING_HELP: &str = "\
To found a ledger that several machines hold together:
  on each   dab node keys --origin ORIGIN --name n1 --address HOST:PORT > n1
  outside   dab witness --state w --print-key    another organisation's: its KEY
  on one    dab node found --origin ORIGIN --witness KEY URL -o founding \\
              n1 n2 n3 n4
  on each   dab node join founding           a copy: it holds the ledger's key
  outside   dab witness --state w --trust DIR --listen ADDR --tls-cert ...
              DIR is a copy of a node's trust; ADDR is where URL leads
  on each   dab serve --tables /mnt/tables   the same folder for all

Recommended: replicas run by different people, and a witness run by somebody
else. Then not even all of them together can show another history unnoticed.

To change its members, one at a time (its writers too, see `dab writer`):
  on the new one    dab node keys --origin ORIGIN --name n5 --address ADDR > n5
  on a member       dab node add n5 --replaces n2       writes the file change
  on more members   dab node approve change             until a quorum has
  on a member       dab node apply change               writes invitation
  on the new one    dab node join invitation
                    dab serve --tables /mnt/tables

Its witnesses outside too, see `dab node witness`.";

const WITNESS_HELP: &str = "\
To have another witness cosign, which knows this ledger already:
  on a member      dab node witness add KEY URL --replaces w1   writes change
  on more members  dab node approve change                      until a quorum
  on a member      dab node apply change

A checkpoint then takes a quorum of the members and any one of the witnesses.
The change itself takes one of those of now: where the only witness is gone for
ever, nothing is certified any more, and it cannot be replaced. Two of them, of
different people, bear the loss of one; and with two, whoever wants to show
somebody another history needs the help of just one. Each member's machine has
to reach each of them, since the one that leads asks.

Those who trust the policy before are told when they follow the change:
`dab-verify follow`, and `dab monitor` calls out (`witnesses`).

A node that certifies alone asks whom its operator writes into trust/policy.";

/// The file of a draft.
const CHANGE: &str = "change";

#[derive(Debug, Args)]
pub(crate) struct NodeKeysArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,

    /// The ledger's name, such as example.org/dab; the same on every machine, and for ever
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: String,

    /// This replica's short name: a-z, 0-9 and -
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,

    /// Where the other replicas reach it, HOST:PORT
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: String,
}

#[derive(Debug, Args)]
pub(crate) struct NodeFoundArgs {
    /// The ledger's name, as given to `dab node keys`
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: String,

    /// A witness outside that has to cosign too (one of them, where several are named): its key and URL, as it prints them
    #[arg(long = "witness", num_args = 2, value_names = ["VKEY", "URL"])]
    pub(crate) witnesses: Vec<String>,

    /// Where to write the founding, which holds the ledger's key: mode 0600
    #[arg(short, long, value_name = "FILE", default_value = "founding")]
    pub(crate) output: PathBuf,

    /// Files with the lines that `dab node keys` printed
    #[arg(required = true, value_name = "LINES")]
    pub(crate) lines: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeJoinArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,

    /// The founding, as `dab node found` wrote it, or the invitation, as `dab node apply` did
    #[arg(value_name = "FOUNDING")]
    pub(crate) founding: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NodeListArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,
}

/// Where a draft is made, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct DraftArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,

    /// Where to write the draft
    #[arg(short, long, value_name = "FILE", default_value = CHANGE)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NodeAddArgs {
    #[command(flatten)]
    pub(crate) draft: DraftArgs,

    /// The member that leaves at the same time, by name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) replaces: Option<String>,

    /// The file with the line that `dab node keys` printed on the new machine
    #[arg(value_name = "LINE")]
    pub(crate) line: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NodeRemoveArgs {
    #[command(flatten)]
    pub(crate) draft: DraftArgs,

    /// The member that leaves, by name or id
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
#[command(after_help = WITNESS_HELP)]
pub(crate) enum NodeWitnessVerb {
    /// Draft that a witness has to cosign, besides those of now or in place of one
    Add(Box<NodeWitnessAddArgs>),
    /// Draft that a witness has to cosign no more
    Remove(NodeWitnessRemoveArgs),
    /// List the witnesses outside, as this machine knows them
    List(NodeListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NodeWitnessAddArgs {
    #[command(flatten)]
    pub(crate) draft: DraftArgs,

    /// The witness that goes at the same time, by the name of its key or by the key
    #[arg(long, value_name = "NAME")]
    pub(crate) replaces: Option<String>,

    #[command(flatten)]
    pub(crate) witness_ca: WitnessCaArg,

    /// Its key, as `dab witness --print-key` prints it
    #[arg(value_name = "KEY")]
    pub(crate) key: VerifierKey,

    /// Where the members ask it, such as `https://witness.example.org`
    #[arg(value_name = "URL")]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
pub(crate) struct NodeWitnessRemoveArgs {
    #[command(flatten)]
    pub(crate) draft: DraftArgs,

    #[command(flatten)]
    pub(crate) witness_ca: WitnessCaArg,

    /// The witness that goes, by the name of its key or by the key
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct NodeApproveArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,

    #[command(flatten)]
    pub(crate) witness_ca: WitnessCaArg,

    /// The draft, which gets this member's signature
    #[arg(value_name = "CHANGE", default_value = CHANGE)]
    pub(crate) change: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NodeApplyArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// Where to write the invitation for whoever joins, which holds the ledger's key: mode 0600
    #[arg(short, long, value_name = "FILE", default_value = "invitation")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) witness_ca: WitnessCaArg,

    /// The draft, with the signatures of a quorum of the members
    #[arg(value_name = "CHANGE", default_value = CHANGE)]
    pub(crate) change: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NodeStatusArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// How to print the table
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// The folder of all: n1, n2, ... are the nodes' data directories, tables is what they share
    #[arg(long, value_name = "DIR", default_value = "dab-sandbox")]
    pub(crate) dir: PathBuf,

    /// How many nodes to make at the first start [default: 4]
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u16).range(2..=9))]
    pub(crate) nodes: Option<u16>,

    /// Have a witness outside cosign too, as recommended: one party more than the nodes
    #[arg(long)]
    pub(crate) witness: bool,

    /// The first of ten ports for each node; 0 takes free ones
    #[arg(long, value_name = "PORT", default_value_t = 32100, value_parser = value_parser!(u16).range(0..=65000))]
    pub(crate) base_port: u16,
}

/// What only a replica needs, see `dab node`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReplicaArgs {
    /// Where a replica's tables lie: a folder that all replicas of the ledger share
    #[arg(long, value_name = "FOLDER", env = "DAB_TABLES")]
    pub(crate) tables: Option<PathBuf>,

    /// Where to listen for the other replicas [default: the address that they know]
    #[arg(long, value_name = "ADDR", env = "DAB_PEER_LISTEN")]
    pub(crate) peer_listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) witness_ca: WitnessCaArg,
}

/// How to believe witnesses outside.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WitnessCaArg {
    /// A certificate authority to accept from witnesses, besides the system's
    #[arg(long, value_name = "FILE", env = "DAB_WITNESS_CA")]
    witness_ca: Option<PathBuf>,
}

impl WitnessCaArg {
    /// The file's bytes, where one is given.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        self.witness_ca.as_ref().map(read).transpose()
    }
}
