//! `dab-verify head`: which leaf of a table is the last.

use std::ffi::OsString;

use dab_proof::files::head_file;

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Checks one head proof: which version of a table was the last, or that the
ledger had no such table, when the ledger had so many leaves. It needs neither
the ledger nor the table. What came later, the proof cannot say: compare the
number of leaves with that of a checkpoint, or ask for a new proof.

Usage:
  dab-verify head FILE --trust DIR [--table-id ID] [--json]

Arguments:
  FILE            the head proof, a .head-proof file
  --trust DIR     what you believe: a folder with the files policy and writers
  --table-id ID   the table that the proof has to be about; else the report
                  prints the id for you to compare
  --json          print the report as JSON

A proof that there is no such table is valid too: read what the report says.
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["table-id"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let proof = options.operand("FILE, the head proof,")?;
    check_local(proof.as_os_str())?;
    let report = head_file(proof, options.trust()?, options.table_id.as_deref());
    Ok(Outcome::report(report, &options))
}
