//! `dab-verify audit ledger`: the whole ledger.

use std::ffi::OsString;

use dab_proof::files::audit_ledger_dir;

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Derives a ledger again from its first leaf: signatures, hashes, writers, and
for every subject that nothing is missing in its sequence.

Usage:
  dab-verify audit ledger PATH --trust DIR [--since FILE] [--json]

Arguments:
  PATH            the folder of the ledger's public files, with the file
                  checkpoint in it
  --trust DIR     what you believe: a folder with the files policy and writers
  --since FILE    a checkpoint that you kept from an earlier audit: proves that
                  the ledger has only been appended to since
  --json          print the report as JSON
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["since"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let ledger = options.operand("PATH, the ledger's folder,")?;
    check_local(ledger.as_os_str())?;
    let report = audit_ledger_dir(ledger, options.trust()?, options.since.as_deref());
    Ok(Outcome::report(report, &options))
}
