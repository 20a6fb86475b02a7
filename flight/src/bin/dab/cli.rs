//! The command line: what each verb takes, and its help.

mod node;
mod proof;
mod writer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dab_query::Limits;

use crate::format::Format;

pub(crate) use node::{
    NodeAddArgs, NodeApplyArgs, NodeApproveArgs, NodeFoundArgs, NodeJoinArgs, NodeKeysArgs, NodeListArgs,
    NodeRemoveArgs, NodeStatusArgs, NodeVerb, NodeWitnessAddArgs, NodeWitnessRemoveArgs, NodeWitnessVerb, ReplicaArgs,
    SandboxArgs, WitnessCaArg,
};
pub(crate) use proof::{FindArgs, NotarizeArgs, ProveArgs, VerifyArgs};
pub(crate) use writer::{WriterAddArgs, WriterArgs, WriterKeyArgs, WriterListArgs, WriterRevokeArgs, WriterVerb};

use proof::parse_table_id;

/// A lakehouse whose every commit is notarized.
///
/// Start with `dab quickstart`: it makes a node in ./dab-data, loads a benchmark's tables, queries them, proves a
/// commit, and shows a forgery being caught.
#[derive(Debug, Parser)]
#[command(name = "dab", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Tell more of what goes on: -v steps, -vv details. RUST_LOG says it finer
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a node, load TPC-H, query, prove a commit, catch a forgery, and keep serving
    Quickstart(QuickstartArgs),
    /// Run a node until it is interrupted
    Serve(ServeArgs),
    /// Run SQL: interactively, or the statements given with -c
    Sql(SqlArgs),
    /// Load a benchmark's tables, or files
    #[command(subcommand)]
    Load(LoadVerb),
    /// Show a table's commits, newest first
    History(HistoryArgs),
    /// Find the table, version and leaf that have a hash
    Find(FindArgs),
    /// Write the proof that the ledger holds a commit
    Prove(ProveArgs),
    /// Bind a file that is no table's into the ledger, by its digests
    Notarize(NotarizeArgs),
    /// Check a proof, offline
    Verify(VerifyArgs),
    /// Check a whole table or ledger, offline
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Follow a ledger and call out when something is wrong
    Monitor(crate::monitor::MonitorArgs),
    /// Cosign ledgers of others, so that nobody is shown two histories
    Witness(crate::witness::WitnessArgs),
    /// Make machines the replicas of one ledger, and see how they are doing
    #[command(subcommand)]
    Node(NodeVerb),
    /// Say whose keys may write which subjects, and revoke them
    #[command(subcommand)]
    Writer(WriterVerb),
    /// Run several nodes of one ledger on this machine, to try out what becomes of it when some fail
    Sandbox(SandboxArgs),
}

/// The data directory of commands that name none.
pub(crate) const DATA_DEFAULT: &str = "dab-data";

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArg {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = DATA_DEFAULT, env = "DAB_DATA")]
    pub(crate) data: PathBuf,
}

/// How to reach a node. Without --url: the one named in DIR/endpoint, else one started in this process over the data
/// that DIR holds.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,

    /// A node's address, such as grpc+tls://localhost:32010
    #[arg(long, value_name = "URL", env = "DAB_URL")]
    pub(crate) url: Option<String>,

    /// The certificate authority to trust [default: DIR/tls/ca.pem]
    #[arg(long, value_name = "FILE", env = "DAB_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// The user
    #[arg(long, value_name = "NAME", default_value = "admin", env = "DAB_USER")]
    pub(crate) user: String,

    /// A file that holds the password [default: DIR/admin.token]; DAB_PASSWORD holds one itself
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Where a node listens.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArgs {
    /// Where to serve Flight SQL; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:32010", env = "DAB_LISTEN")]
    pub(crate) listen: SocketAddr,

    /// Where to serve the ledger's public files and health, and to take digests (POST /add)
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:32011",
        env = "DAB_AUDIT_LISTEN"
    )]
    pub(crate) audit_listen: SocketAddr,

    /// A further name or address to put into the server's certificate
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,

    /// Serve without TLS; allowed on loopback addresses only
    #[arg(long)]
    pub(crate) insecure_loopback: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) replica: ReplicaArgs,

    /// Stop when standard input ends: with whoever started this node
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
}

/// What statements may use, together.
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// Memory for all running statements, in MiB [default: half of the machine's]
    #[arg(long, value_name = "MIB", env = "DAB_MEMORY_MIB", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) memory_mib: Option<u64>,

    /// Disk for what does not fit, in MiB [default: 20480]
    #[arg(long, value_name = "MIB", env = "DAB_SPILL_MIB", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) spill_mib: Option<u64>,

    /// The longest that a statement may run, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "DAB_STATEMENT_TIMEOUT_S", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) statement_timeout_s: Option<u64>,
}

impl LimitArgs {
    /// What the environment alone says, for a node that no command line configures.
    pub(crate) fn of_environment() -> Self {
        #[derive(Parser)]
        struct OfEnvironment {
            #[command(flatten)]
            limits: LimitArgs,
        }
        OfEnvironment::parse_from(["dab"]).limits
    }

    /// The engine's limits: what is said here, and the engine's own defaults.
    pub(crate) fn to_limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(mib) = self.memory_mib {
            limits.memory_bytes = usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        }
        if let Some(mib) = self.spill_mib {
            limits.spill_bytes = mib.saturating_mul(1 << 20);
        }
        if let Some(seconds) = self.statement_timeout_s {
            limits.statement_timeout = Duration::from_secs(seconds);
        }
        limits
    }
}

#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    #[command(flatten)]
    pub(crate) data: DataArg,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    /// TPC-H scale factor: 1 is about a gigabyte
    #[arg(long, value_name = "FACTOR", default_value_t = 0.01, value_parser = parse_scale, allow_hyphen_values = true)]
    pub(crate) scale: f64,

    /// Stop when the tour is over
    #[arg(long)]
    pub(crate) no_serve: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// Run these statements, up to the first that fails, and exit
    #[arg(short = 'c', long = "command", value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) command: Option<String>,

    /// How to print results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// A name for this one statement: sent again under it, it is not done again, and answered as before
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub(crate) idempotency_key: Option<String>,

    #[arg(hide = true, value_name = "SQL", value_parser = refuse_bare_statement)]
    _bare: Option<Infallible>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LoadVerb {
    /// Generate the eight TPC-H tables
    Tpch(LoadTpchArgs),
    /// Load Parquet, CSV, NDJSON or Arrow files, local or over http(s)
    File(LoadFileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LoadTpchArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// Scale factor: 1 is about a gigabyte
    #[arg(long, value_name = "FACTOR", default_value_t = 0.01, value_parser = parse_scale, allow_hyphen_values = true)]
    pub(crate) scale: f64,

    /// Replace tables that exist already
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoadFileArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// The table; made from the inputs' schema where it does not exist
    pub(crate) table: String,

    /// Files or http(s) URLs; all go into one commit
    #[arg(required = true, value_name = "PATH_OR_URL")]
    pub(crate) inputs: Vec<String>,

    /// Replace the table's rows instead of adding to them
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// What the inputs are [default: by their names]
    #[arg(long, value_enum)]
    pub(crate) input_format: Option<InputFormat>,

    /// The most that one URL may bring, in MiB; it is kept in TMPDIR while it is loaded
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 16384,
        env = "DAB_DOWNLOAD_MIB",
        value_parser = parse_count,
        allow_negative_numbers = true
    )]
    pub(crate) download_mib: u64,
}

/// A file format that `load file` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object a line
    Ndjson,
    /// Arrow IPC, file or stream
    Arrow,
}

impl std::fmt::Display for InputFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Arrow => "Arrow",
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// The table
    pub(crate) table: String,

    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Check every commit of a table's folder against the ledger
    Table(AuditTableArgs),
    /// Derive a ledger again from leaf zero
    Ledger(AuditLedgerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AuditTableArgs {
    /// The table's folder
    pub(crate) path: PathBuf,

    /// The trust directory
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,

    /// The table id that the folder has to be of; else the report prints the id, to be compared
    #[arg(long, value_name = "ID", value_parser = parse_table_id)]
    pub(crate) table_id: Option<String>,

    /// The ledger's public files [default: the one named in DIR/ledger]
    #[arg(long, value_name = "URL_OR_PATH")]
    pub(crate) ledger: Option<String>,

    /// Hash every data file again, too
    #[arg(long)]
    pub(crate) deep: bool,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditLedgerArgs {
    /// The ledger's public files
    #[arg(value_name = "URL_OR_PATH")]
    pub(crate) ledger: String,

    /// The trust directory
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,

    /// An older checkpoint, to prove that the ledger only grew since
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_key(text: &str) -> Result<String, String> {
    let fits = (1..=dab_flight::IDEMPOTENCY_KEY_MAX).contains(&text.len());
    match fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("it is 1 to 128 visible characters of ASCII".into()),
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("it is a whole number above 0".into()),
    }
}

/// What psql and sqlite3 take there is the first thing that many try.
fn refuse_bare_statement(_: &str) -> Result<Infallible, String> {
    Err("a statement is given with -c".into())
}

fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 1000.0 => Ok(scale),
        _ => Err("it is a number above 0 and at most 1000".into()),
    }
}
