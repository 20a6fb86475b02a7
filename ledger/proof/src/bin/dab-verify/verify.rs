//! `dab-verify verify`: one receipt.

use std::ffi::OsString;

use dab_proof::files::{ArtefactFiles, verify_file};

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Checks one receipt: who certified the ledger, that the leaf is in it, and who
wrote the leaf. With the commit file and data files, checks these as well.

Usage:
  dab-verify verify RECEIPT --trust DIR [--table-id ID] [--commit FILE]
                    [--data FILE]... [--json]
  dab-verify verify FILE --proof RECEIPT --trust DIR [--subject digest/NAME]
                    [--json]

Arguments:
  RECEIPT         the receipt, a .tlog-proof file
  --trust DIR     what you believe: a folder with the files policy and writers
  FILE            a file that `dab notarize` had bound, of any size
  --subject NAME  the subject that the receipt has to be for
  --table-id ID   the table that the receipt has to be for; else the report
                  prints the id for you to compare
  --commit FILE   the commit file that the leaf speaks of, for instance
                  TABLE/_delta_log/00000000000000000003.json
  --data FILE     a data file that this commit adds; may be given several
                  times, and needs --commit
  --json          print the report as JSON
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["table-id", "subject", "commit", "data", "proof"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let operand = options.operand("RECEIPT, or a file and its receipt with --proof,")?;
    check_local(operand.as_os_str())?;
    if options.proof.is_some() && options.commit.is_some() {
        let twice = "--proof goes with the file itself, --commit with the receipt: give one";
        return Err(Usage(twice.to_owned()));
    }
    let (receipt, body) = match &options.proof {
        Some(proof) => (proof.as_path(), Some(operand)),
        None => (operand, options.commit.as_deref()),
    };
    if body.is_none() && !options.data.is_empty() {
        return Err(Usage(
            "--data needs --commit: the commit file says which data files there are".to_owned(),
        ));
    }
    let files = ArtefactFiles {
        table_id: options.table_id.as_deref(),
        subject: options.subject.as_ref(),
        body,
        data: &options.data,
    };
    let report = verify_file(receipt, options.trust()?, &files);
    Ok(Outcome::report(report, &options))
}
