//! What the command line prints: results in each format, and help.

use std::process::Command;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use dab_tests::binary;
use dab_tests::command::{self, dab};

use crate::scene::{Scene, USAGE};

const VERBS: [&[&str]; 12] = [
    &[],
    &["quickstart"],
    &["serve"],
    &["sql"],
    &["load"],
    &["load", "tpch"],
    &["load", "file"],
    &["history"],
    &["prove"],
    &["verify"],
    &["audit", "table"],
    &["audit", "ledger"],
];

#[test]
fn each_format_prints_the_same_rows() {
    let scene = Scene::new();
    let sql = "SELECT id, note FROM t ORDER BY id";
    let printed = |format| scene.server.dab(&["sql", "--format", format, "-c", sql]).expect_code(0);
    assert_eq!(printed("csv").stdout, "id,note\n1,a\n2,b\n");
    assert_eq!(
        printed("json").stdout,
        "{\"id\":1,\"note\":\"a\"}\n{\"id\":2,\"note\":\"b\"}\n"
    );
    let table = printed("table").words();
    assert!(table.contains("| 1  | a    |"), "{table}");
    assert!(
        table.contains("t@0") && table.contains("leaf") && table.contains("certifies alone"),
        "the footer: {table}"
    );
    let arrow = printed("arrow").stdout_bytes;
    let batches: Vec<RecordBatch> = StreamReader::try_new(arrow.as_slice(), None)
        .and_then(Iterator::collect)
        .expect("an Arrow stream and nothing else");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let history = scene
        .server
        .dab(&["history", "t", "--format", "json"])
        .expect_code(0)
        .stdout;
    let first: serde_json::Value =
        serde_json::from_str(history.lines().next().unwrap_or_default()).expect("a JSON object a line");
    assert_eq!(first["version"], 0, "{history}");
    scene.server.stop();
}

#[test]
fn help_of_every_verb_fits_80_columns_and_explains_every_option() {
    for verb in VERBS {
        let mut command = command::without_settings(Command::new(binary::dab()));
        let help = command::run(command.args(verb).arg("--help").env("COLUMNS", "80"))
            .expect_code(0)
            .stdout;
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "dab {verb:?} --help: {line}");
        }
        expect_explained(&help);
        let usage = help
            .lines()
            .find(|line| line.starts_with("Usage: dab"))
            .unwrap_or_default();
        assert!(
            verb.iter().all(|word| usage.split(' ').any(|used| used == *word)),
            "{help}"
        );
    }
    let bare = dab::<_, &str>([]);
    assert_eq!(bare.code, Some(USAGE), "without a verb, the help and status 64");
    dab(["nonsense"]).expect_code(USAGE);
    assert!(dab(["--version"]).expect_code(0).stdout.starts_with("dab "));
}

/// Every option has words behind it, or below it and further in.
fn expect_explained(help: &str) {
    let lines: Vec<&str> = help.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
        let option = line.trim_start();
        // `- csv: ...` is a value's.
        if option.starts_with('-') && !option.starts_with("- ") {
            let below = indent(next) > indent(line) && !next.trim_start().starts_with(['-', '[']);
            assert!(option.contains("  ") || below, "nothing explains {option:?}:\n{help}");
        }
    }
}
