//! The named attacks on tables, ledgers and receipts: who would try what, and what the auditor is told.
//!
//! `tests/python/forgeries.py` has those on a receipt's text and runs them against the binaries and a second verifier;
//! here are those on whole files, on histories, and those of an insider who holds the keys.

mod history;
mod keys;
mod whole_file;

use std::sync::OnceLock;

use dab_proof::report::{Report, Verdict};
use dab_tests::offline::Evidence;
use dab_tests::say::say;
use dab_tests::server::Server;
use dab_tests::workspace;

use crate::tamper::NEUTRAL_BYTES;

/// The version that the attacks are about; it has one before and one after it.
pub(crate) const VERSION: u64 = 2;

/// Columns of small numbers, so that two versions' data files have the same size.
const STATEMENTS: [&str; 5] = [
    "CREATE TABLE t (id BIGINT, amount BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (3, 30), (4, 40)",
    "INSERT INTO t VALUES (5, 50), (6, 60)",
    "CREATE TABLE other AS SELECT 7 AS id, 70 AS amount",
];

/// Everything the attacks start from, made once by the real system.
#[derive(Debug)]
struct Made {
    evidence: Evidence,
    /// The checkpoint before the last version of the table.
    earlier_checkpoint: Vec<u8>,
    /// Commit files and data files of another table.
    other: Evidence,
    keys: keys::Keys,
}

/// An attack: what it does, which check it is to deceive, and what that answers.
struct Attack {
    name: &'static str,
    forge: fn(&mut Evidence, &Made),
    check: fn(&Evidence, &Made) -> Report,
    verdict: Verdict,
    /// Words that the report must contain.
    words: &'static [&'static str],
}

/// The evidence as the real system left it.
pub(crate) fn evidence() -> &'static Evidence {
    &made().evidence
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
        let server = Server::start(folder.path().join("data"));
        let mut earlier_checkpoint = Vec::new();
        for (number, statement) in STATEMENTS.iter().enumerate() {
            server.dab(&["sql", "-c", statement]).expect_code(0);
            if number as u64 == VERSION {
                let path = server.data().join("public").join("checkpoint");
                earlier_checkpoint = std::fs::read(path).expect("a node issues a checkpoint");
            }
        }
        let (evidence, other) = (Evidence::collect(&server, "t"), Evidence::collect(&server, "other"));
        let keys = keys::Keys::read(server.data());
        server.stop();
        Made {
            evidence,
            earlier_checkpoint,
            other,
            keys,
        }
    })
}

/// The audit of the table, every data file too.
fn table(evidence: &Evidence, _: &Made) -> Report {
    evidence.audit_table()
}

/// The audit of the ledger by somebody who never audited before.
fn ledger(evidence: &Evidence, _: &Made) -> Report {
    evidence.audit_ledger(None)
}

/// The audit of the ledger by somebody who kept the checkpoint of an earlier audit.
fn ledger_since(evidence: &Evidence, made: &Made) -> Report {
    evidence.audit_ledger(Some(&made.earlier_checkpoint))
}

/// The audit of the ledger by somebody who kept the honest, latest checkpoint.
fn ledger_since_latest(evidence: &Evidence, made: &Made) -> Report {
    evidence.audit_ledger(Some(&made.evidence.public.files["checkpoint"]))
}

/// The check of one receipt with commit and data file.
fn receipt(evidence: &Evidence, _: &Made) -> Report {
    evidence.verify(VERSION)
}

fn check(attacks: &[Attack]) {
    let made = made();
    let mut complaints = Vec::new();
    for attack in attacks {
        let mut forged = made.evidence.clone();
        (attack.forge)(&mut forged, made);
        let report = (attack.check)(&forged, made);
        if report.verdict() != attack.verdict {
            complaints.push(format!("{}: not {:?}\n{report}", attack.name, attack.verdict));
        }
        let text = report.to_string();
        // The report is wrapped to 80 columns; words may stand on two lines.
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let missing = attack.words.iter().filter(|words| !flowing.contains(**words));
        complaints.extend(missing.map(|words| format!("{}: no word of {words:?}\n{report}", attack.name)));
    }
    let rejected = attacks.iter().filter(|attack| attack.verdict != Verdict::Valid).count();
    let neutral = attacks.len() - rejected;
    say(format!(
        "{} named attacks: {rejected} caught, {neutral} neutral, {} missed",
        attacks.len(),
        complaints.len()
    ));
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn the_honest_evidence_is_valid_in_every_check() {
    let made = made();
    let head: fn(&Evidence, &Made) -> Report = |evidence, _| evidence.verify_head();
    for check in [table, ledger, ledger_since, ledger_since_latest, receipt, head] {
        let report = check(&made.evidence, made);
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    }
}

#[test]
fn whole_files_removed_emptied_swapped_or_rewritten_are_caught_and_named() {
    check(whole_file::ATTACKS);
}

#[test]
fn histories_shortened_renumbered_or_added_to_are_caught_and_named() {
    check(history::ATTACKS);
}

#[test]
fn ledgers_forked_rolled_back_or_signed_by_others_are_caught() {
    check(keys::ATTACKS);
}

#[test]
fn the_list_of_neutral_changes_is_what_the_checks_accept() {
    let all = whole_file::ATTACKS.iter().chain(history::ATTACKS).chain(keys::ATTACKS);
    let mut accepted: Vec<&str> = all
        .filter(|attack| attack.verdict == Verdict::Valid)
        .map(|attack| attack.name)
        .collect();
    let text = workspace::read("tests/data/neutral_changes.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    // single bytes are the tamper tests' business
    let mut listed: Vec<String> = lines
        .filter(|line| !line.starts_with(NEUTRAL_BYTES))
        .map(|line| {
            let [artefact, change, reason] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("not `artefact | change | reason`: {line}");
            };
            assert!(reason.len() > 20, "a reason, please: {line}");
            format!("{artefact}: {change}")
        })
        .collect();
    accepted.sort_unstable();
    listed.sort_unstable();
    assert_eq!(accepted, listed);
}
