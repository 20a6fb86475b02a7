//! The command line of those verbs that make proofs and check them.

use std::path::PathBuf;

use clap::Args;
use dab_proof::leaf::Subject;

use super::NodeArgs;

/// Find the table, version and leaf that have a hash.
///
/// It may be that of a commit file or of data that was notarized (BLAKE3 or SHA-256), of a data file (BLAKE3), or a leaf
/// hash. SQL finds the same in dab.leaves and dab.files.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// 64 hexadecimal digits, blake3: or sha256: before them if you like; or a leaf hash in base64
    pub(crate) hash: String,

    /// Where to write the proof of the leaf that was found
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// The table, or TABLE@VERSION; the latest version where none is given
    #[arg(value_name = "TABLE[@VERSION]")]
    pub(crate) table: String,

    /// Prove which version is the table's latest, rather than that the ledger holds a version
    #[arg(long)]
    pub(crate) head: bool,

    /// Where to write the proof
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Bind a file that is no table's into the ledger, by its digests.
///
/// The ledger keeps two digests, the length and the subject, which anybody may read; the bytes stay where they are. Asking
/// again for the same bytes gives the same leaf. Other programs do the same over HTTPS, with `POST /add` at the audit
/// address.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct NotarizeArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,

    /// The file; or digests and length as a leaf has them: blake3:HEX sha256:HEX BYTES
    #[arg(required = true, num_args = 1..=3, value_name = "FILE|DIGEST")]
    pub(crate) what: Vec<PathBuf>,

    /// What the ledger shall know it by
    #[arg(long, value_name = "digest/NAME", value_parser = parse_foreign_subject)]
    pub(crate) subject: Subject,

    /// The number that it has to get within its subject [default: the next one]
    #[arg(long, value_name = "N")]
    pub(crate) sequence: Option<u64>,

    /// Sign with this key, of `dab writer key`, rather than have the node sign: it has to be registered for the subject
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// The trust directory of the ledger for which the key signs [default: that of the data directory]
    #[arg(long, value_name = "DIR", requires = "key")]
    pub(crate) trust: Option<PathBuf>,

    /// Where to write the proof [default: FILE.tlog-proof]
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  dab notarize dump.sql.zst --subject digest/nightly-dump
  dab verify dump.sql.zst --proof dump.sql.zst.tlog-proof --trust DIR
  dab notarize blake3:HEX sha256:HEX 5120 --subject digest/x -o x.tlog-proof
  dab notarize dump --subject digest/dump --key own.key    see dab writer --help

The same by any HTTP client, at the audit address of the node:
  curl --cacert DIR/tls/ca.pem --user \"admin:$(cat DIR/admin.token)\" --json \\
    '{\"subject\":\"digest/x\",\"blake3\":\"HEX\",\"sha256\":\"HEX\",\"bytes\":5120}' \\
    https://localhost:32011/add -o x.tlog-proof --fail-with-body";

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("body").args(["commit", "proof"]))]
pub(crate) struct VerifyArgs {
    /// The proof, a .tlog-proof file (a .head-proof file with --head); or the file whose proof --proof names
    pub(crate) file: PathBuf,

    /// The proof, where FILE is what it is about, as `dab notarize` writes it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["head", "commit"])]
    pub(crate) proof: Option<PathBuf>,

    /// The proof is one of which version is the latest, as `dab prove --head` writes it
    #[arg(long, conflicts_with_all = ["commit", "data"])]
    pub(crate) head: bool,

    /// The trust directory: policy and writers, got from somebody you trust
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: PathBuf,

    /// The table id that the proof has to be for; else the report prints the id, to be compared
    #[arg(long, value_name = "ID", value_parser = parse_table_id)]
    pub(crate) table_id: Option<String>,

    /// The subject that the proof has to be for, such as digest/NAME; else the report prints it, to be compared
    #[arg(long, value_name = "SUBJECT", value_parser = parse_subject, conflicts_with = "head")]
    pub(crate) subject: Option<Subject>,

    /// The commit file to check against it, _delta_log/N.json
    #[arg(long, value_name = "FILE")]
    pub(crate) commit: Option<PathBuf>,

    /// A data file of that commit to check too
    #[arg(long, value_name = "FILE", requires = "body")]
    pub(crate) data: Vec<PathBuf>,

    /// Report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(super) fn parse_table_id(text: &str) -> Result<String, String> {
    match Subject::table(text) {
        Ok(_) if !text.starts_with("table/") => Ok(text.to_owned()),
        _ => Err("no table id: give what a report prints after `table id`".into()),
    }
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse().map_err(|error: dab_proof::Error| error.to_string())
}

fn parse_foreign_subject(text: &str) -> Result<Subject, String> {
    let subject = parse_subject(text)?;
    match dab_storage::foreign_data::check_subject(&subject) {
        Ok(()) => Ok(subject),
        Err(error) => Err(error.to_string()),
    }
}
