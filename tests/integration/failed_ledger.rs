//! The ledger fails under a writer: whoever waits for a commit hears that its outcome is open, and only then the node ends.

use dab_tests::server::{Launch, Server};

use crate::crash::data_directory;
use crate::world::World;

/// A connection that just broke would look like leave to send the rows again, and here they stand.
#[tokio::test(flavor = "multi_thread")]
async fn writers_hear_of_a_failed_ledger_before_the_node_ends() {
    let (_folder, data) = data_directory();
    let mut world = World::default();
    let server = Launch::new(&data).panicking_at("raft::synced").start();
    let mut client = server.connect().await;
    world.create(&mut client).await;
    let (sql, ids) = world.next_insert();
    server.arm();
    let told = client
        .update(&sql)
        .await
        .expect_err("the ledger failed before it could answer");
    let told = told.to_string();
    assert!(told.contains("may or may not stand"), "{told}");
    let (status, log) = tokio::task::spawn_blocking(|| server.ended())
        .await
        .expect("the node ends by itself");
    assert!(!status.success(), "a node whose ledger failed ends with {status}");
    assert!(
        log.contains("the ledger failed"),
        "it does not say why it ended:\n{log}"
    );

    // The entry was on the disk.
    world.has(ids);
    let server = Server::start(&data);
    world.check(&server).await;
    world.insert(&mut server.connect().await).await;
    world.check(&server).await;
    server.stop();
}
