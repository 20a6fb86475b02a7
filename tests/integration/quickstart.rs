//! The main job, as a newcomer runs it.

use std::path::Path;

use dab_tests::command::{Output, dab};
use dab_tests::offline::files_below;

fn quickstart(data: &Path) -> Output {
    let data = data.display().to_string();
    let listen = ["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0"];
    dab(["quickstart", "--no-serve", "--scale", "0.001", "--data", &data]
        .into_iter()
        .chain(listen))
    .expect_code(0)
}

/// What matters of a data directory: tables and ledger, not keys and logs.
fn world(data: &Path) -> Vec<String> {
    let files = files_below(&data.join("tables")).into_keys();
    files.filter(|path| path.contains("_delta_log")).collect()
}

/// The tour's proof is valid, then the forged copy is not, and the report names what was forged: the version, its commit
/// file and the data file. Lines are compared whole, for `VALID` is part of `INVALID`.
fn expect_verdicts(words: &str) {
    let lines: Vec<&str> = words.lines().collect();
    let place = |line: &&str, verdict: &str| line.split_whitespace().next() == Some(verdict);
    let verdicts: Vec<&str> = lines
        .iter()
        .filter(|line| place(line, "VALID") || place(line, "INVALID"))
        .copied()
        .collect();
    let [valid, invalid] = verdicts[..] else {
        panic!("{verdicts:?} instead of two verdicts:\n{words}")
    };
    assert!(valid.starts_with("VALID  receipt for version 0 of table "), "{valid}");
    assert!(invalid.starts_with("INVALID  audit of table "), "{invalid}");
    let (_, report) = words.split_once(invalid).expect("it is a line of it");
    let (failed, _) = report.split_once("\n\n6. Connect").expect("the tour goes on");
    let (_, failed) = failed
        .split_once("\nfailed\n")
        .expect("an invalid report says what failed");
    for due in ["version 0", "00000000000000000000.json", ".parquet"] {
        assert!(failed.contains(due), "no word of {due:?} in what failed:\n{failed}");
    }
}

#[test]
fn the_tour_shows_a_receipt_and_a_forgery_and_a_second_one_reuses_what_is_there() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data");
    let first = quickstart(&data);
    let words = &first.stdout;
    for table in [
        "customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier",
    ] {
        assert!(words.contains(table), "no word of {table}:\n{words}");
    }
    // one commit with its receipt, verified offline, and the insider, who is caught
    expect_verdicts(words);
    for due in [
        "certifies alone",
        // how to connect, the CA included
        "adbc_driver_flightsql",
        "jdbc:arrow-flight-sql://",
        "ca.pem",
    ] {
        assert!(words.contains(due), "no word of {due:?}:\n{words}");
    }
    assert!(
        !words.contains('\u{1b}') && !first.stderr.contains('\u{1b}'),
        "colours or bars where no terminal is"
    );
    assert!(!data.join("endpoint").exists(), "--no-serve leaves no node behind");
    let long = words
        .lines()
        .filter(|line| line.chars().count() > 200)
        .collect::<Vec<_>>();
    assert!(long.is_empty(), "lines that nobody reads: {long:?}");

    let before = world(&data);
    let second = quickstart(&data);
    assert_eq!(world(&data), before, "a second run loads nothing again");
    expect_verdicts(&second.stdout);
}
