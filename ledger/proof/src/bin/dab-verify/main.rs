//! `dab-verify`, the auditor's small verifier: `dab verify` and `dab audit` for local files, in a binary that one can
//! read and build in a minute. Exit codes: 0 valid, 1 invalid, 2 undecided, 64 a wrong command line.

mod audit_ledger;
mod audit_table;
mod command_line;
mod follow;
mod fork;
mod head;
mod verify;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use command_line::{Outcome, Usage, with_exit_codes, words};
use dab_proof::report::escape;

/// A wrong command line, told apart from every verdict (`EX_USAGE` of BSD's sysexits).
const USAGE_EXIT_CODE: u8 = 64;

const HELP: &str = "\
Checks DAB's receipts, tables and ledgers from files alone, with no network.

Usage:
  dab-verify verify RECEIPT --trust DIR [--table-id ID] [--commit FILE]
                    [--data FILE]... [--json]
  dab-verify verify FILE --proof RECEIPT --trust DIR [--subject digest/NAME]
                    [--json]
  dab-verify head FILE --trust DIR [--table-id ID] [--json]
  dab-verify audit table PATH --trust DIR [--table-id ID] [--ledger PATH]
                         [--deep] [--json]
  dab-verify audit ledger PATH --trust DIR [--since FILE] [--json]
  dab-verify fork FIRST SECOND --trust DIR [--proof FILE | --ledger PATH]
                  [--json]
  dab-verify follow FILE --trust DIR [--write] [--json]
  dab-verify --help | --version

Verbs:
  verify         one receipt (.tlog-proof), and the files it speaks of if given
  head           one head proof (.head-proof): which version was the last
  audit table    every version of a table: nothing changed, added or removed
  audit ledger   the whole ledger, derived again from its first leaf
  fork           two checkpoints of one ledger: do they contradict each other?
  follow         changes of members and writers: whom to trust now

The trust folder (DIR) is what you believe: policy, writers, ledger. Get it
once, from somebody you trust, on a way that the audited cannot change.

`dab-verify VERB --help` tells more about a verb.
";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(Outcome::Text(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Outcome::Report { report, json }) => {
            print(&if json {
                report.to_json_text()
            } else {
                report.to_string()
            });
            ExitCode::from(report.exit_code())
        }
        Err(Usage(message)) => {
            // line by line: the message may hold the help, and words from files
            let lines: Vec<_> = message.lines().map(escape).collect();
            eprintln!(
                "dab-verify: wrong command line, nothing was checked: {}",
                lines.join("\n")
            );
            ExitCode::from(USAGE_EXIT_CODE)
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<Outcome, Usage> {
    let words = words(&arguments);
    match words[..] {
        [] => Err(Usage(format!(
            "a verb is needed\n\n{}",
            with_exit_codes(HELP).trim_end()
        ))),
        ["-h" | "--help" | "help", ..] => Ok(Outcome::help(HELP)),
        ["-V" | "--version", ..] => Ok(Outcome::Text(format!("dab-verify {}\n", env!("CARGO_PKG_VERSION")))),
        ["verify", ..] => verify::run(&arguments[1..]),
        ["audit", "table", ..] => audit_table::run(&arguments[2..]),
        ["audit", "ledger", ..] => audit_ledger::run(&arguments[2..]),
        ["head", ..] => head::run(&arguments[1..]),
        ["fork", ..] => fork::run(&arguments[1..]),
        ["follow", ..] => follow::run(&arguments[1..]),
        ["audit", "-h" | "--help", ..] => Ok(Outcome::help(HELP)),
        ["audit", ..] => Err(Usage(
            "say what to audit: `audit table PATH` or `audit ledger PATH`".to_owned(),
        )),
        [verb, ..] => Err(Usage(format!(
            "there is no verb {verb:?}: it is `verify`, `head`, `audit`, `fork` or `follow`, see --help"
        ))),
    }
}

/// Writes to standard output. A reader that went away, such as `head`, does not change the verdict.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
