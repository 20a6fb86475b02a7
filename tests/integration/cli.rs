//! What the command line prints: results in each format, and help.

use std::process::{Command, Stdio};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use dab_tests::binary;
use dab_tests::command::{self, dab};

use crate::scene::{FAILED, Scene, USAGE, expect_complaint};

const VERBS: [&[&str]; 36] = [
    &[],
    &["quickstart"],
    &["serve"],
    &["sql"],
    &["load"],
    &["load", "tpch"],
    &["load", "file"],
    &["history"],
    &["find"],
    &["prove"],
    &["notarize"],
    &["verify"],
    &["audit", "table"],
    &["audit", "ledger"],
    &["monitor"],
    &["witness"],
    &["node"],
    &["node", "keys"],
    &["node", "found"],
    &["node", "join"],
    &["node", "status"],
    &["node", "list"],
    &["node", "add"],
    &["node", "remove"],
    &["node", "witness"],
    &["node", "witness", "add"],
    &["node", "witness", "remove"],
    &["node", "witness", "list"],
    &["node", "approve"],
    &["node", "apply"],
    &["writer"],
    &["writer", "key"],
    &["writer", "add"],
    &["writer", "revoke"],
    &["writer", "list"],
    &["sandbox"],
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
fn what_a_format_cannot_hold_is_refused_before_its_first_byte() {
    let scene = Scene::new();
    let output = scene
        .server
        .dab(&["sql", "--format", "csv", "-c", "SELECT id, [id, 7] AS several FROM t"])
        .expect_code(FAILED);
    expect_complaint(&output, &["several", "CSV", "--format json"]);
    assert_eq!(output.stdout, "");
    scene.server.stop();
}

#[test]
fn one_row_is_one_row_and_comments_are_no_statement() {
    let scene = Scene::new();
    let says = |sql: &str| scene.server.dab(&["sql", "-c", sql]).expect_code(0).stdout;
    let written = says("INSERT INTO t VALUES (3, 'c')");
    assert!(written.starts_with("1 row written to t, version 1 "), "{written}");
    let made = says("CREATE TABLE one AS SELECT 1 AS x");
    assert!(made.starts_with("table one created with 1 row, version 0 "), "{made}");
    let read = says("SELECT x FROM one");
    assert!(read.contains("\n1 row\n"), "{read}");
    for nothing in ["-- only; a comment", "/* the; same */ ;", ""] {
        assert_eq!(says(nothing), "", "{nothing:?}");
    }
    assert!(says("-- first\nSELECT x FROM one").contains("| 1 |"));
    scene.server.stop();
}

#[test]
fn a_history_fits_80_columns_and_programs_get_all_of_it() {
    let scene = Scene::new();
    let sql = "INSERT OVERWRITE t SELECT value, 'x' FROM generate_series(1, 1234567)";
    scene.server.dab(&["sql", "-c", sql]).expect_code(0);
    let shown = scene.server.dab(&["history", "public.T"]).expect_code(0).stdout;
    let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{shown}");
    for words in ["OVERWRITE", "1234567", "admin", "CREATE TABLE AS"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let csv = scene
        .server
        .dab(&["history", "t", "--format", "csv"])
        .expect_code(0)
        .stdout;
    let header =
        "version,committed_at,user_name,operation,rows_added,files_added,bytes_added,leaf_index,digest,parent,sources";
    assert_eq!(csv.lines().next(), Some(header));
    scene.server.stop();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let scene = Scene::new();
    let (data, out) = (
        scene.server.data().display().to_string(),
        scene.folder.path().join("proof"),
    );
    let out = out.display().to_string();
    for verb in [
        &["sql", "-c", "SELECT * FROM t"][..],
        &["sql", "-c", "INSERT INTO t VALUES (3, 'c')"],
        &["sql", "--format", "csv", "-c", "SELECT * FROM t"],
        &["history", "t"],
        &["prove", "t", "-o", &out],
    ] {
        let mut command = command::without_settings(Command::new(binary::dab()));
        command.args(verb).args(["--data", &data]).stdin(Stdio::null());
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dab can be run");
        drop(process.stdout.take());
        let ended = process.wait_with_output().expect("its complaints can be read");
        let complaint = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), complaint.as_ref()), (Some(0), ""), "dab {verb:?}");
    }
    scene.server.stop();
}

#[test]
fn a_scale_that_is_none_is_refused_with_what_is_allowed() {
    for scale in ["-1", "0", "-0", "nan", "inf", "-inf", "1001", "1e9", "much", ""] {
        for verb in [&["load", "tpch"][..], &["quickstart"]] {
            let output = dab(verb.iter().copied().chain(["--scale", scale])).expect_code(USAGE);
            expect_complaint(&output, &["--scale", "above 0 and at most 1000"]);
        }
    }
}

#[test]
fn other_figures_are_whole_numbers_above_0_and_a_statement_is_given_with_c() {
    for option in ["--memory-mib", "--spill-mib", "--statement-timeout-s"] {
        for figure in ["-1", "0", "1.5", "much", ""] {
            let output = dab(["serve", option, figure]).expect_code(USAGE);
            expect_complaint(&output, &[option, "a whole number above 0"]);
        }
    }
    expect_complaint(&dab(["sql", "SELECT 1"]).expect_code(USAGE), &["SELECT 1", "with -c"]);
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
