//! Where a node listens, over which data, and what the other verbs do where none runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dab_tests::command::{self, Output, dab};
use dab_tests::server::Server;

use crate::scene::{FAILED, Scene, USAGE, expect_complaint};

/// Places at which a connection is broken, from its first byte to its last.
const PARTS: usize = 24;

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

/// Once it ended in silence, as if it had been the reader of the output that was gone: the system has the same words for both,
/// at times. Which words it has here is chance, so all that counts is what the user is told.
#[test]
fn a_connection_that_breaks_is_told_wherever_it_breaks() {
    let scene = Scene::new();
    let ask_over = |bytes_max: usize| {
        let relay = Relay::start(scene.server.url(), bytes_max);
        let asks = ["sql", "--url", &relay.url, "--format", "csv", "-c", "SELECT 1 AS x"];
        let output = scene.server.dab(&asks);
        (output, relay.passed.load(Ordering::SeqCst))
    };
    let (whole, bytes) = ask_over(usize::MAX);
    assert_eq!(whole.expect_code(0).stdout, "x\n1\n");
    let mut told = 0;
    for part in 0..PARTS {
        let (output, passed) = ask_over(bytes * part / PARTS);
        // what is cut off behind the answer is missed by nobody
        if output.code == Some(0) && output.stdout == "x\n1\n" {
            continue;
        }
        let output = output.expect_code(FAILED);
        assert!(
            output.stderr.starts_with("error: "),
            "after {passed} of {bytes} bytes: {}",
            output.words()
        );
        expect_complaint(&output, &[]);
        told += 1;
    }
    assert!(told > PARTS / 2, "{told} of {PARTS} breaks were told");
    scene.server.stop();
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

/// Stands between a client and a node, until it has passed on so many bytes to the node: then it breaks the connection, and
/// every further one.
struct Relay {
    url: String,
    passed: Arc<AtomicUsize>,
}

impl Relay {
    fn start(url: &str, bytes_max: usize) -> Self {
        let (scheme, node) = url.split_once("://").expect("a URL has a scheme");
        let node = node.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback address has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let passed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&passed);
        // it ends with the test's process, as what it waits for never comes
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let node = TcpStream::connect(&node).expect("the node takes connections");
                let ends = [client.try_clone(), node.try_clone()].map(|end| end.expect("a socket has two handles"));
                let back = thread::spawn(move || std::io::copy(&mut &ends[1], &mut &ends[0]).ok());
                pass_on(&client, &node, bytes_max, &counted);
                for end in [&client, &node] {
                    let _ = end.shutdown(Shutdown::Both);
                }
                back.join().expect("the answers' thread ends");
            }
        });
        let url = format!("{scheme}://{address}");
        Self { url, passed }
    }
}

/// Passes on what comes, up to `bytes_max` on all connections together.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream, bytes_max: usize, passed: &AtomicUsize) {
    let mut bytes = [0; 1024];
    loop {
        let left = bytes_max.saturating_sub(passed.load(Ordering::SeqCst)).min(bytes.len());
        match from.read(&mut bytes[..left]) {
            Ok(count) if count > 0 && to.write_all(&bytes[..count]).is_ok() => {
                passed.fetch_add(count, Ordering::SeqCst)
            }
            _ => return,
        };
    }
}
