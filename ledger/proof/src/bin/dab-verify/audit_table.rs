//! `dab-verify audit table`: every version of a table.

use std::ffi::OsString;

use dab_proof::files::{audit_table_dir, ledger_place, read_trust, untrusted};

use super::command_line::{Options, Outcome, Usage, check_local, local};

const HELP: &str = "\
Holds a table's files against the ledger: every notarized version has its
commit file, byte for byte, and none was added or removed, not even the last.

Usage:
  dab-verify audit table PATH --trust DIR [--table-id ID] [--ledger PATH]
                         [--deep] [--json]

Arguments:
  PATH            the table's folder, the one with _delta_log in it
  --trust DIR     what you believe: a folder with the files policy and writers
  --table-id ID   the table that this has to be: no name of a folder is bound
                  to an id. Else the report prints the id for you to compare
  --ledger PATH   the folder of the ledger's public files, with the file
                  checkpoint in it; else the one that DIR/ledger names
  --deep          hash every data file too, not only compare sizes
  --json          print the report as JSON
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["table-id", "ledger", "deep"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let table = options.operand("PATH, the table's folder,")?;
    check_local(table.as_os_str())?;
    let trust_dir = options.trust()?;
    let given = options.ledger.as_ref().map(|ledger| ledger.to_string_lossy());
    let place = read_trust(trust_dir).and_then(|trust| ledger_place(trust_dir, &trust, given.as_deref()));
    let report = match place {
        Ok(place) => {
            let (ledger, table_id) = (local(place)?, options.table_id.as_deref());
            audit_table_dir(table, trust_dir, &ledger, table_id, options.deep)
        }
        Err(error) => untrusted(format!("audit of the table in {}", table.display()), trust_dir, &error),
    };
    Ok(Outcome::report(report, &options))
}
