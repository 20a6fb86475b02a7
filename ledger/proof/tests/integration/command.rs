//! `dab-verify` as a user runs it: on folders, with exit codes and messages.

use std::fs::{self, File};
use std::process::Command;

use crate::world::{COMMIT, DATA, World, run_in};

#[test]
fn help_fits_80_columns_and_every_verb_has_one() {
    let world = World::new();
    for arguments in [
        "--help",
        "-h",
        "help",
        "verify --help",
        "head --help",
        "audit --help",
        "audit table -h",
        "audit ledger --help",
        "fork --help",
        "follow --help",
    ] {
        let help = world.run(arguments, 0);
        assert!(help.contains("Usage:") && help.contains("Exit codes:"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
    assert!(world.run("--version", 0).starts_with("dab-verify "));
}

#[test]
fn good_receipt_is_valid_with_all_its_files() {
    let world = World::new();
    let text = world.run("verify b.tlog-proof --trust trust", 0);
    assert!(text.starts_with("VALID  receipt for version 1 of table t1\n"), "{text}");
    let text = world.run(
        &format!("verify --trust=trust b.tlog-proof --commit {COMMIT} --data {DATA}"),
        0,
    );
    assert!(text.contains("data file p=x%2520y/b.parquet: 4 bytes"), "{text}");
    let json = world.run(
        &format!("verify b.tlog-proof --trust trust --commit {COMMIT} --data {DATA} --json"),
        0,
    );
    assert!(
        json.contains("\"verdict\": \"valid\"") && json.contains("\"certifies_alone\": true"),
        "{json}"
    );
}

#[test]
fn a_file_that_is_no_table_s_is_checked_with_its_proof_and_its_subject() {
    let world = World::new();
    world.write("record", b"record");
    let check = "verify record --proof catalog.tlog-proof --trust trust";
    let text = world.run(check, 0);
    assert!(text.contains("the file's 6 bytes, their BLAKE3 and SHA-256"), "{text}");
    world.run(&format!("{check} --subject catalog"), 0);
    let text = world.says(&format!("{check} --subject digest/backup"), 1);
    assert!(text.contains("is for subject catalog, not digest/backup"), "{text}");
    world.write("record", b"recorD");
    let text = world.says(check, 1);
    assert!(
        text.contains("the file is not the notarized one: its BLAKE3 is"),
        "{text}"
    );
    let text = world.run(
        &format!("verify {COMMIT} --proof b.tlog-proof --data {DATA} --trust trust"),
        0,
    );
    assert!(text.contains("data file p=x%2520y/b.parquet: 4 bytes"), "{text}");
    world.run(&format!("{check} --commit record"), 64);
    world.run("verify nowhere --proof catalog.tlog-proof --trust trust", 2);
}

#[test]
fn forged_files_are_invalid() {
    let world = World::new();
    world.write(DATA, b"bbbc");
    let text = world.run(
        &format!("verify b.tlog-proof --trust trust --commit {COMMIT} --data {DATA}"),
        1,
    );
    assert!(text.starts_with("INVALID") && text.contains("b.parquet"), "{text}");
    assert!(
        world
            .run("audit table tables/t --trust trust", 0)
            .contains("give --deep")
    );
    let text = world.run("audit table tables/t --trust trust --deep", 1);
    assert!(
        text.contains("version 1, p=x%2520y/b.parquet: the data file is not the one"),
        "{text}"
    );
    fs::remove_file(world.path(COMMIT)).unwrap();
    let text = world.run("audit table tables/t --trust trust --json", 1);
    assert!(
        text.contains("\"verdict\": \"invalid\"") && text.contains("00000000000000000001.json"),
        "{text}"
    );
    world.write("b.tlog-proof", b"garbage \x1b[2J\n");
    let text = world.run("verify b.tlog-proof --trust trust", 1);
    assert!(text.starts_with("INVALID  receipt b.tlog-proof\n"), "{text}");
    assert!(text.contains("receipt is malformed"), "{text}");
}

#[test]
fn audits_find_the_ledger_by_themselves() {
    let world = World::new();
    let text = world.run("audit table tables/t --trust trust", 0);
    assert!(text.starts_with("VALID  audit of table t1\n"), "{text}");
    assert!(
        text.contains("_delta_log/00000000000000000001.crc") && !text.contains("_staged_commits"),
        "{text}"
    );
    world.run("audit table tables/t --trust trust --ledger public", 0);
    let text = world.run("audit ledger public --trust trust --since old.checkpoint", 0);
    assert!(
        text.contains("append-only since the older checkpoint: from size 1 to 3"),
        "{text}"
    );
}

#[test]
fn head_proofs_say_which_version_is_the_last_or_that_there_is_no_table() {
    let world = World::new();
    let text = world.run("head t1.head-proof --trust trust --table-id t1", 0);
    assert!(
        text.starts_with("VALID  table t1: version 1 is its last of 3 leaves\n"),
        "{text}"
    );
    let text = world.run("head t2.head-proof --trust trust", 0);
    let none = "VALID  table t2: there is no leaf of it among the first 3 leaves\n";
    assert!(text.starts_with(none), "{text}");
    assert!(text.contains("or give --table-id"), "{text}");
    let json = world.run("head t1.head-proof --trust trust --json", 0);
    assert!(json.contains("\"last sequence\": \"1\""), "{json}");
    let text = world.run("head t1.head-proof --trust trust --table-id t2", 1);
    assert!(text.contains("the head proof is for table id t1, not t2"), "{text}");
    // a receipt is no head proof, and the reverse
    let text = world.run("head b.tlog-proof --trust trust", 1);
    assert!(text.starts_with("INVALID  head proof b.tlog-proof\n"), "{text}");
    assert!(text.contains("the first line is not dab/head-proof/v1"), "{text}");
    let text = world.run("verify t1.head-proof --trust trust", 1);
    assert!(text.contains("receipt is malformed"), "{text}");
    let proof = fs::read_to_string(world.path("t1.head-proof")).unwrap();
    world.write("t1.head-proof", proof.replace("\nsize 3\n", "\nsize 4\n").as_bytes());
    let text = world.run("head t1.head-proof --trust trust", 1);
    assert!(text.contains("heads leaf does not hold"), "{text}");
    File::create(world.path("t1.head-proof"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let text = world.run("head t1.head-proof --trust trust", 1);
    assert!(text.contains("more than the limit"), "{text}");
}

#[test]
fn what_cannot_be_read_is_undecided_and_named() {
    let world = World::new();
    for (arguments, words) in [
        (
            "verify nothing.tlog-proof --trust trust",
            "nothing.tlog-proof cannot be read: there is no such file",
        ),
        ("verify trust --trust trust", "it is not a regular file"),
        ("verify b.tlog-proof --trust nowhere", "nowhere/policy cannot be read"),
        (
            "verify b.tlog-proof --trust trust --commit nothing.json",
            "nothing.json",
        ),
        (
            "head nothing.head-proof --trust trust",
            "nothing.head-proof cannot be read: there is no such file",
        ),
        ("head trust --trust trust", "it is not a regular file"),
        ("head t1.head-proof --trust nowhere", "nowhere/policy cannot be read"),
        ("audit table nowhere --trust trust", "nowhere/_delta_log cannot be read"),
        (
            "audit table tables/t --trust trust --ledger nowhere",
            "there is no ledger here",
        ),
        ("audit ledger nowhere --trust trust", "there is no ledger here"),
        (
            "audit ledger public --trust trust --since nothing",
            "nothing cannot be read",
        ),
    ] {
        let text = world.run(arguments, 2);
        assert!(text.starts_with("UNDECIDED"), "{text}");
        assert!(
            text.split_whitespace().collect::<Vec<_>>().join(" ").contains(words),
            "{words:?} in\n{text}"
        );
    }
    world.write("trust/policy", b"quorum\n");
    assert!(
        world
            .run("verify b.tlog-proof --trust trust", 2)
            .contains("policy is malformed: line 1")
    );
    fs::remove_file(world.path("trust/ledger")).unwrap();
    world.write("trust/policy", b"quorum none\n");
    assert!(
        world
            .run("audit table tables/t --trust trust", 2)
            .contains("no ledger was given")
    );
}

#[test]
fn wrong_command_lines_say_what_is_missing() {
    let world = World::new();
    for (arguments, words) in [
        ("", "there is no verb"),
        ("prove x", "there is no verb \"prove\""),
        ("audit", "say what to audit"),
        ("audit everything", "say what to audit"),
        (
            "verify --trust trust",
            "RECEIPT, or a file and its receipt with --proof, is needed",
        ),
        ("verify b.tlog-proof", "--trust DIR is needed"),
        ("verify b.tlog-proof --trust", "missing argument"),
        ("verify b.tlog-proof --trust trust --deep", "invalid option '--deep'"),
        ("verify b.tlog-proof c.tlog-proof --trust trust", "unexpected argument"),
        (
            "verify b.tlog-proof --trust trust --trust trust",
            "--trust is given twice",
        ),
        ("verify b.tlog-proof --trust trust --data x", "--data needs --commit"),
        ("head --trust trust", "FILE, the head proof, is needed"),
        ("head t1.head-proof", "--trust DIR is needed"),
        (
            "head t1.head-proof --trust trust --commit x",
            "invalid option '--commit'",
        ),
        ("head t1.head-proof t2.head-proof --trust trust", "unexpected argument"),
        ("head t1.head-proof --trust trust --table-id table/t1", "is no table id"),
        (
            "head https://example.com/head/table/t1 --trust trust",
            "`dab audit` reads URLs",
        ),
        (
            "audit ledger https://example.com/audit --trust trust",
            "`dab audit` reads URLs",
        ),
        ("audit table s3://bucket/t --trust trust", "`dab audit` reads URLs"),
        (
            "audit table tables/t --trust trust --ledger https://example.com",
            "`dab audit` reads URLs",
        ),
    ] {
        let text = world.run(arguments, 64);
        assert!(
            text.starts_with("dab-verify: wrong command line, nothing was checked: ") && text.contains(words),
            "{words:?} in\n{text}"
        );
    }
    let text = run_in(&world.path(""), &[], 64);
    assert!(text.contains("a verb is needed") && text.contains("Usage:"), "{text}");
}

#[test]
fn an_option_that_its_verb_does_not_take_is_refused_rather_than_passed_over() {
    let world = World::new();
    let options = [
        "--table-id t1",
        "--subject catalog",
        "--commit x",
        "--data x",
        "--ledger public",
        "--since x",
        "--proof x",
        "--write",
        "--deep",
    ];
    for (verb, taken) in [
        (
            "verify b.tlog-proof",
            &["--table-id", "--subject", "--commit", "--data", "--proof"][..],
        ),
        ("head t1.head-proof", &["--table-id"]),
        ("audit table tables/t", &["--table-id", "--ledger", "--deep"]),
        ("audit ledger public", &["--since"]),
        ("fork old.checkpoint public/checkpoint", &["--proof", "--ledger"]),
        ("follow trust/changes", &["--write"]),
    ] {
        for option in options {
            let name = option.split(' ').next().unwrap();
            if taken.contains(&name) {
                continue;
            }
            let text = world.run(&format!("{verb} --trust trust {option}"), 64);
            assert!(text.contains(&format!("invalid option '{name}'")), "{text}");
        }
    }
}

#[cfg(unix)]
#[test]
fn links_and_pipes_in_place_of_files_do_no_harm() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let log = |name: &str| world.path(&format!("tables/t/_delta_log/{name}"));
    symlink("nowhere", log("00000000000000000002.json")).unwrap();
    symlink("..", log("loop")).unwrap();
    fs::create_dir(log("00000000000000000003.json")).unwrap();
    Command::new("mkfifo")
        .arg(log("00000000000000000004.json"))
        .status()
        .unwrap();
    let text = world.run("audit table tables/t --trust trust --deep", 1);
    assert!(text.contains("the ledger does not know this commit"), "{text}");
    fs::remove_file(world.path("public/checkpoint")).unwrap();
    Command::new("mkfifo")
        .arg(world.path("public/checkpoint"))
        .status()
        .unwrap();
    assert!(
        world
            .run("audit ledger public --trust trust", 2)
            .contains("it is not a regular file")
    );
}
