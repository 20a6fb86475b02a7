//! The disk fills up while a node writes: the client gets a clear error, nothing acknowledged is lost, and with room
//! again the node, or its next start, goes on.
//!
//! The disk is a small tmpfs, mounted inside a mount namespace of its own, in which this test runs itself again.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{BinaryArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use dab_tests::client::Client;
use dab_tests::command;
use dab_tests::say::{say, skip, works};
use dab_tests::seed::{Random, seed};
use dab_tests::server::Server;

use crate::world::audit;

/// Set inside the namespace: the folder that holds the small disk.
const INSIDE: &str = "DAB_TESTS_SMALL_DISK";
const DISK_MIB: usize = 24;
/// Room that is set aside, and freed when the disk is full.
const BALLAST_MIB: usize = 8;
const TEST: &str = "full_disk::a_full_disk_gives_a_clear_error_and_loses_nothing";

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    rows: i64,
}

#[test]
fn a_full_disk_gives_a_clear_error_and_loses_nothing() {
    if let Some(disk) = std::env::var_os(INSIDE) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        return runtime.block_on(fill(Path::new(&disk)));
    }
    if !works("unshare", &["-Urm", "true"]) {
        return skip(TEST, "this system allows no namespaces (unshare -Urm)");
    }
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let this_test = std::env::current_exe().expect("a running program has a path");
    let script =
        format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs \"${INSIDE}\" && exec \"$0\" --exact {TEST} --nocapture");
    let mut again = Command::new("unshare");
    again
        .args(["-Urm", "sh", "-c", &script])
        .arg(this_test)
        .env(INSIDE, folder.path());
    let output = command::run(&mut again);
    assert_eq!(output.code, Some(0), "{}", output.words());
    output
        .stderr
        .lines()
        .filter(|line| line.contains("full disk:"))
        .for_each(|line| say(line.trim()));
}

async fn fill(disk: &Path) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST_MIB << 20]).expect("the disk has room for the ballast");
    let mut random = Random::new(seed());
    let mut acknowledged = Acknowledged::default();
    let mut server = Server::start(disk.join("data"));
    let mut client = server.connect().await;
    client
        .update("CREATE TABLE kept (id BIGINT)")
        .await
        .expect("a table can be made");
    client
        .update("INSERT INTO kept VALUES (1), (2), (3)")
        .await
        .expect("rows can be added");

    // First a large write fails, in its data file; then ever smaller ones, down to those that end in the ledger.
    let mut refusals = Vec::new();
    for bytes in [1 << 20, 64 << 10, 100] {
        refusals.push(append_until_refused(&mut client, &mut random, bytes, &mut acknowledged).await);
    }
    for refusal in &refusals {
        let clear = ["space", "full"]
            .iter()
            .any(|word| refusal.to_lowercase().contains(word));
        assert!(clear, "no word of a full disk: {refusal}");
    }
    say(format!(
        "full disk: {} rows acknowledged, then: {}",
        acknowledged.rows,
        refusals.join(" / ")
    ));
    assert!(server.is_alive(), "a full disk ends no node:\n{}", server.log().text());
    check(&mut client, &acknowledged).await;

    std::fs::remove_file(&ballast).expect("the ballast can be removed");
    let went_on = append(&mut client, &mut random, 100).await;
    say(format!(
        "full disk: with room again, the running node {}",
        if went_on.is_ok() {
            "goes on"
        } else {
            "asks for a restart"
        }
    ));
    match went_on {
        Ok(rows) => acknowledged.rows += rows,
        Err(error) => assert!(error.contains("restart"), "it does not say what to do: {error}"),
    }
    check(&mut client, &acknowledged).await;
    server.stop();

    let server = Server::start(disk.join("data"));
    let mut client = server.connect().await;
    check(&mut client, &acknowledged).await;
    acknowledged.rows += append(&mut client, &mut random, 100)
        .await
        .expect("the next writer proceeds");
    check(&mut client, &acknowledged).await;
    audit(&server, "filled");
    audit(&server, "kept");
    server.stop();
}

/// Appends rows of this size until one is refused; returns the refusal.
async fn append_until_refused(
    client: &mut Client,
    random: &mut Random,
    bytes: usize,
    acknowledged: &mut Acknowledged,
) -> String {
    // The disk is full long before: each append takes at least a block for each of its files.
    for _ in 0..(DISK_MIB << 20) / 4096 {
        match append(client, random, bytes).await {
            Ok(rows) => acknowledged.rows += rows,
            Err(refusal) => return refusal,
        }
    }
    panic!("the disk took more than it holds");
}

/// Appends one row that does not compress.
async fn append(client: &mut Client, random: &mut Random, bytes: usize) -> Result<i64, String> {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("noise", DataType::Binary, true),
    ]);
    let noise = random.bytes(bytes);
    let columns = vec![
        Arc::new(Int64Array::from(vec![1])) as _,
        Arc::new(BinaryArray::from(vec![noise.as_slice()])) as _,
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("the columns fit the schema");
    client.ingest("filled", batch).await.map_err(|error| error.to_string())
}

/// Every acknowledged row is there, and nothing else but whole rows that were not acknowledged.
async fn check(client: &mut Client, acknowledged: &Acknowledged) {
    let kept = client
        .integers("SELECT id FROM kept ORDER BY id")
        .await
        .expect("reads go on");
    assert_eq!(kept, [1, 2, 3]);
    let rows = client
        .integer("SELECT count(*) FROM filled")
        .await
        .expect("reads go on");
    let least = acknowledged.rows;
    // An answer may be lost after the ledger took the commit: at most one for each refused write.
    assert!((least..=least + 4).contains(&rows), "{rows} rows, {least} acknowledged");
}
