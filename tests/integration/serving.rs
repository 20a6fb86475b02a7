//! Where a node listens, over which data, and what the other verbs do where none runs.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use dab_tests::command::{self, Output, dab};
use dab_tests::server::Server;

use crate::scene::{FAILED, USAGE, expect_complaint};

#[test]
fn a_node_that_cannot_listen_or_must_not_says_why() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").expect("the loopback address has a free port");
    let address = taken.local_addr().expect("a bound listener has an address").to_string();
    let output = dab([
        "serve",
        "--data",
        &data,
        "--listen",
        &address,
        "--audit-listen",
        "127.0.0.1:0",
    ])
    .expect_code(FAILED);
    expect_complaint(&output, &[&address]);
    let output = dab([
        "serve",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--audit-listen",
        &address,
    ])
    .expect_code(FAILED);
    expect_complaint(&output, &[&address]);
    assert!(
        !Path::new(&data).join("endpoint").exists(),
        "a node that does not listen says nowhere that it does"
    );

    let open = [
        "serve",
        "--data",
        &data,
        "--listen",
        "0.0.0.0:0",
        "--audit-listen",
        "127.0.0.1:0",
        "--insecure-loopback",
    ];
    expect_complaint(&dab(open).expect_code(FAILED), &["loopback"]);
    dab(["serve", "--listen", "nonsense"]).expect_code(USAGE);

    let file = folder.path().join("file");
    fs::write(&file, "").expect("the folder takes files");
    let output = dab([
        "serve",
        "--data",
        &file.display().to_string(),
        "--listen",
        "127.0.0.1:0",
    ])
    .expect_code(FAILED);
    expect_complaint(&output, &["file"]);
}

#[test]
fn a_node_that_cannot_be_reached_is_named_once() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let token = folder.path().join("token");
    fs::write(&token, "secret").expect("the folder takes files");
    let token = token.display().to_string();
    for url in ["grpc://127.0.0.1:9", "127.0.0.1:9"] {
        let asks = ["sql", "--url", url, "--password-file", &token, "-c", "SELECT 1"];
        let output = dab(asks).expect_code(FAILED);
        expect_complaint(&output, &[url]);
        assert_eq!(output.stderr.matches(url).count(), 1, "{}", output.stderr);
    }
}

#[test]
fn a_second_node_over_one_data_directory_is_refused() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data");
    let first = Server::start(&data);
    let listen = ["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0"];
    let second = dab(["serve", "--data", &data.display().to_string()]
        .into_iter()
        .chain(listen))
    .expect_code(FAILED);
    expect_complaint(&second, &["another"]);
    assert!(data.join("endpoint").exists(), "the first one's endpoint stays");
    first.dab(&["sql", "-c", "SELECT 1"]).expect_code(0);
    first.stop();
}

#[test]
fn without_a_running_node_a_verb_starts_one_over_the_data_that_is_there() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data");
    let at = |arguments: &[&str]| command::dab_at(&data, arguments).expect_code(0);
    Server::start(&data).stop();
    at(&["sql", "-c", "CREATE TABLE t AS SELECT 1 AS x"]);
    assert_eq!(
        at(&["sql", "--format", "csv", "-c", "SELECT x FROM t"]).stdout,
        "x\n1\n"
    );
    assert!(
        at(&["history", "t"]).stdout.contains("CREATE"),
        "the table's first commit"
    );
    assert!(!data.join("endpoint").exists(), "no node is left behind");
}

#[test]
fn a_verb_that_asks_makes_no_data_directory_and_one_that_brings_data_says_that_it_does() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data");
    let proof = folder.path().join("proof").display().to_string();
    for asks in [
        &["sql", "-c", "SELECT 1"][..],
        &["sql", "-c", "CREATE TABLE t (x INT)"],
        &["history", "t"],
        &["prove", "t", "-o", &proof],
    ] {
        let output = command::dab_at(&data, asks).expect_code(FAILED);
        let named = data.display().to_string();
        expect_complaint(&output, &[&named, "no data", "quickstart", "serve", "--data"]);
        assert!(!data.exists(), "dab {asks:?} makes {named}");
    }
    let rows = folder.path().join("rows.csv");
    fs::write(&rows, "x\n1\n").expect("the folder takes files");
    let load = ["load", "file", "t", &rows.display().to_string()];
    let says = format!("making a data directory in {}", data.display());
    let times = |output: Output| output.stderr.lines().filter(|line| *line == says).count();
    assert_eq!(times(command::dab_at(&data, &load).expect_code(0)), 1, "it is said");
    assert_eq!(times(command::dab_at(&data, &load).expect_code(0)), 0, "once");
    command::dab_at(&data, &["history", "t"]).expect_code(0);
}
