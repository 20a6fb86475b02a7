//! Proofs, tables and ledgers are checked from files alone.

use std::process::Command;

use dab_tests::binary;
use dab_tests::command::{self, dab};
use dab_tests::say::{skip, works};

use crate::scene::{FAILED, Scene, UNDECIDED};

const TEST: &str = "offline::proofs_tables_and_ledgers_are_checked_without_any_network";

#[test]
fn what_is_no_proof_is_invalid_and_what_cannot_be_read_is_undecided() {
    let scene = Scene::new();
    let trust = scene.server.data().join("trust").display().to_string();
    let proof = scene.folder.path().join("t.tlog-proof").display().to_string();
    scene.server.dab(&["prove", "t", "-o", &proof]).expect_code(0);
    let garbage = scene.file("garbage", &[0xff; 1000]).display().to_string();
    let empty = scene.file("empty", b"").display().to_string();
    let nowhere = scene.folder.path().join("nowhere").display().to_string();
    let (table, public) = (
        scene.server.table("t").display().to_string(),
        scene.server.data().join("public").display().to_string(),
    );
    scene.server.stop();

    dab(["verify", &proof, "--trust", &trust]).expect_code(0);
    dab(["verify", &garbage, "--trust", &trust]).expect_code(FAILED);
    dab(["verify", &empty, "--trust", &trust]).expect_code(FAILED);
    dab(["verify", &nowhere, "--trust", &trust]).expect_code(UNDECIDED);
    dab(["verify", &proof, "--trust", &nowhere]).expect_code(UNDECIDED);
    dab(["audit", "table", &table, "--trust", &trust]).expect_code(0);
    dab(["audit", "table", &nowhere, "--trust", &trust]).expect_code(UNDECIDED);
    dab(["audit", "table", &table, "--trust", &trust, "--ledger", &nowhere]).expect_code(UNDECIDED);
    dab([
        "audit",
        "table",
        &table,
        "--trust",
        &trust,
        "--ledger",
        "http://127.0.0.1:9",
    ])
    .expect_code(UNDECIDED);
    dab(["audit", "ledger", &public, "--trust", &trust]).expect_code(0);
    dab(["audit", "ledger", &nowhere, "--trust", &trust]).expect_code(UNDECIDED);

    // A program that asks for JSON gets one object, whatever is wrong.
    let url = "http://127.0.0.1:9";
    for (question, code, verdict) in [
        (&["audit", "ledger", &public, "--trust", &trust][..], 0, "valid"),
        (&["verify", &garbage, "--trust", &trust], FAILED, "invalid"),
        (&["verify", &proof, "--trust", &nowhere], UNDECIDED, "undecided"),
        (&["audit", "table", &table, "--trust", &nowhere], UNDECIDED, "undecided"),
        (
            &["audit", "ledger", &public, "--trust", &nowhere],
            UNDECIDED,
            "undecided",
        ),
        (&["audit", "ledger", url, "--trust", &nowhere], UNDECIDED, "undecided"),
        (&["audit", "ledger", url, "--trust", &trust], UNDECIDED, "undecided"),
        (
            &["audit", "ledger", url, "--trust", &trust, "--since", &nowhere],
            UNDECIDED,
            "undecided",
        ),
    ] {
        let output = dab(question.iter().chain(&["--json"])).expect_code(code);
        let json: serde_json::Value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("dab {question:?} --json: {error}\n{}", output.words()));
        assert_eq!(
            (&json["verdict"], &json["exit_code"]),
            (&verdict.into(), &code.into()),
            "{json}"
        );
        assert_eq!(output.stderr, "", "dab {question:?} --json");
    }
}

#[test]
fn proofs_tables_and_ledgers_are_checked_without_any_network() {
    if !works("unshare", &["-rn", "true"]) {
        return skip(TEST, "this system allows no namespaces (unshare -rn)");
    }
    let scene = Scene::new();
    let trust = scene.server.data().join("trust");
    let proof = scene.folder.path().join("t.tlog-proof");
    scene
        .server
        .dab(&["prove", "t", "-o", &proof.display().to_string()])
        .expect_code(0);
    let (table, public) = (scene.server.table("t"), scene.server.data().join("public"));
    scene.server.stop();
    for program in [binary::dab(), binary::dab_verify()] {
        let mut cut_off = Command::new("unshare");
        cut_off
            .arg("-rn")
            .arg(program)
            .arg("verify")
            .arg(&proof)
            .arg("--trust")
            .arg(&trust);
        command::run(&mut cut_off).expect_code(0);
    }
    for words in [
        ["table", &table.display().to_string()],
        ["ledger", &public.display().to_string()],
    ] {
        let mut cut_off = Command::new("unshare");
        cut_off
            .arg("-rn")
            .arg(binary::dab())
            .arg("audit")
            .args(words)
            .arg("--trust")
            .arg(&trust);
        command::run(&mut cut_off).expect_code(0);
    }
}
