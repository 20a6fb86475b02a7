//! Prints what a verification found, and turns it into an exit code.

use std::io::Write;
use std::process::ExitCode;

use dab_proof::report::Report;

/// Prints the report for people, or as JSON. The exit code is 0 for valid, 1 for invalid, 2 for undecided.
pub(crate) fn print(report: &Report, json: bool) -> ExitCode {
    let text = if json {
        report.to_json_text()
    } else {
        report.to_string()
    };
    // A reader that closed the pipe still gets the exit code.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(report.exit_code())
}
