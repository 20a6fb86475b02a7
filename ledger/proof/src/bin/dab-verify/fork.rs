//! `dab-verify fork`: two checkpoints of one ledger.

use std::ffi::OsString;

use dab_proof::files::fork_files;

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Holds two checkpoints of one ledger against each other. When both are signed
and cannot both be true, the ledger forked: the report names the keys that
signed both. Witnesses, monitors and replicas keep such pairs as evidence.

Usage:
  dab-verify fork FIRST SECOND --trust DIR [--proof FILE | --ledger PATH]
                  [--json]

Arguments:
  FIRST, SECOND   the checkpoints, in either order
  --trust DIR     what you believe: a folder with the files policy and writers
  --proof FILE    for two sizes: the file proof that was kept with them
  --ledger PATH   for two sizes: or the folder of the ledger's public files
                  that the larger checkpoint came from
  --json          print the report as JSON

Two roots for one size contradict each other as they stand. For two sizes,
without --proof or --ledger, nothing can be said.

Exit codes:
   0  valid      the larger tree extends the smaller one, or they are the same
   1  invalid    the ledger forked
   2  undecided  it cannot be told, or no log of the policy signed both
  64  the command line is wrong: nothing was checked
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["second", "proof", "ledger"])?;
    if options.help {
        return Ok(Outcome::Text(HELP.to_owned()));
    }
    let first = options.operand("FIRST, a checkpoint,")?;
    let needed = || Usage("SECOND, the other checkpoint, is needed, see --help".to_owned());
    let second = options.second.as_deref().ok_or_else(needed)?;
    for path in [first, second] {
        check_local(path.as_os_str())?;
    }
    let ledger = options.ledger.as_deref();
    if let Some(ledger) = ledger {
        check_local(ledger)?;
    }
    if options.proof.is_some() && ledger.is_some() {
        return Err(Usage(
            "--proof and --ledger are two ways to the same: give one".to_owned(),
        ));
    }
    let ledger = ledger.map(AsRef::as_ref);
    let report = fork_files(first, second, options.trust()?, options.proof.as_deref(), ledger);
    Ok(Outcome::report(report, &options))
}
