//! `dab-verify verify`: one receipt.

use std::ffi::OsString;

use dab_proof::files::verify_file_expecting;

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Checks one receipt: who certified the ledger, that the leaf is in it, and who
wrote the leaf. With the commit file and data files, checks these as well.

Usage:
  dab-verify verify FILE --trust DIR [--table-id ID] [--commit FILE]
                    [--data FILE]... [--json]

Arguments:
  FILE            the receipt, a .tlog-proof file
  --trust DIR     what you believe: a folder with the files policy and writers
  --table-id ID   the table that the receipt has to be for; else the report
                  prints the id for you to compare
  --commit FILE   the commit file that the leaf speaks of, for instance
                  TABLE/_delta_log/00000000000000000003.json
  --data FILE     a data file that this commit adds; may be given several
                  times, and needs --commit
  --json          print the report as JSON
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["table-id", "commit", "data"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let receipt = options.operand("FILE, the receipt,")?;
    check_local(receipt.as_os_str())?;
    if options.commit.is_none() && !options.data.is_empty() {
        return Err(Usage(
            "--data needs --commit: the commit file says which data files there are".to_owned(),
        ));
    }
    let report = verify_file_expecting(
        receipt,
        options.trust()?,
        options.table_id.as_deref(),
        options.commit.as_deref(),
        &options.data,
    );
    Ok(Outcome::report(report, &options))
}
