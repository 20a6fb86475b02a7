//! Tests of the verifier from outside: known answers of the formats, comparison with other implementations, hostile
//! input, audits of tampered ledgers and tables, and the binary as a user runs it.

mod audit_ledger;
mod audit_table;
mod command;
mod follow;
mod fork;
mod head_proofs;
mod hostile;
mod known_answers;
mod largest_trees;
mod oracles;
mod receipts;
mod table_id;
mod terminal;
mod untrusted_files;
mod vectors;
mod world;

use dab_proof::report::Report;

/// The report's text on one line, so that words can be looked for without regard to line breaks.
fn one_line(report: &Report) -> String {
    report.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
