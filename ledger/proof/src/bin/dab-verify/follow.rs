//! `dab-verify follow`: from the members that one trusts to those who came after them.

use std::ffi::OsString;

use dab_proof::files::follow_file;

use super::command_line::{Options, Outcome, Usage, check_local};

const HELP: &str = "\
Checks the changes of a ledger's members and writers: each certified by those
who were its members before, beginning with the ones that your trust folder
names; a node that certifies alone has certified its own. With --write the
folder's policy and writers become the last ones.

Usage:
  dab-verify follow FILE --trust DIR [--write] [--json]

Arguments:
  FILE            the changes: the file trust/changes of any node
  --trust DIR     what you believe: a folder with the files policy and writers
  --write         have the folder follow, where every change holds
  --json          print the report as JSON

Receipts and checkpoints of earlier members are checked with the policy of their
time: keep a copy of the folder, or ask for new ones.
";

pub(super) fn run(arguments: &[OsString]) -> Result<Outcome, Usage> {
    let options = Options::read(arguments, &["write"])?;
    if options.help {
        return Ok(Outcome::help(HELP));
    }
    let changes = options.operand("FILE, the changes,")?;
    check_local(changes.as_os_str())?;
    Ok(Outcome::report(
        follow_file(changes, options.trust()?, options.write),
        &options,
    ))
}
