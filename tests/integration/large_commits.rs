//! Commits too large for the ledger's entry, which are staged as files: they work as small ones do, and survive as they
//! do where the process is killed.

use std::fs;
use std::path::Path;

use dab_tests::command::dab;
use dab_tests::server::{Launch, Server};

use crate::crash::{COMMIT_POINTS, Fate, check_with_the_binary, data_directory, killed_at};
use crate::world::{LARGE_COMMIT_FILES, World};

/// The largest commit that travels inside the ledger's entry (`storage/DESIGN.md`).
const ENTRY_BODY_BYTES_MAX: u64 = 64 << 10;

/// Where an overwrite and a creation are killed: with its bytes staged, ratified but not published, and published.
const MAIN_POINTS: [&str; 4] = ["commit::staged", "raft::written", "commit::ratified", "publish::after"];

fn expect_large(server: &Server, version: u64) {
    let file = server.table("t").join("_delta_log").join(format!("{version:020}.json"));
    let bytes = fs::metadata(&file).expect("the commit is published").len();
    assert!(
        bytes > ENTRY_BODY_BYTES_MAX,
        "version {version} has {bytes} bytes: it was never staged"
    );
}

/// Files in the folder of staged commits.
fn staged(table: &Path) -> usize {
    fs::read_dir(table.join("_delta_log").join("_staged_commits")).map_or(0, Iterator::count)
}

fn fate_at(point: &str) -> Fate {
    let known = COMMIT_POINTS.iter().find(|(name, _)| *name == point);
    known.expect("it is a point of a commit").1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_commit_can_be_read_proved_replaced_travelled_to_and_dropped() {
    let (folder, data) = data_directory();
    let mut world = World::default();
    let server = Server::start(&data);
    let mut client = server.connect().await;
    world.create_in_parts(&mut client).await;
    let (values, first) = world.next_parts();
    let rows = client
        .update(&format!("INSERT INTO t {values}"))
        .await
        .expect("a large append");
    assert_eq!(rows, LARGE_COMMIT_FILES as i64);
    world.has(first);
    world.check(&server).await;
    let (values, second) = world.next_parts();
    client
        .update(&format!("INSERT OVERWRITE t {values}"))
        .await
        .expect("a large overwrite");
    world.has_only(second);
    world.check(&server).await;
    for version in [1, 2] {
        expect_large(&server, version);
        let proof = folder.path().join("proof").display().to_string();
        server
            .dab(&["prove", &format!("t@{version}"), "-o", &proof])
            .expect_code(0);
        let commit = server.table("t").join("_delta_log").join(format!("{version:020}.json"));
        let (commit, trust) = (commit.display().to_string(), data.join("trust").display().to_string());
        dab(["verify", &proof, "--trust", &trust, "--commit", &commit]).expect_code(0);
    }
    let sql = "SELECT count(*) FROM t VERSION AS OF 1";
    assert_eq!(
        client.integer(sql).await.expect("time travel"),
        LARGE_COMMIT_FILES as i64
    );
    check_with_the_binary(&server);
    assert_eq!(staged(&server.table("t")), 0, "what is published is staged no longer");
    server.stop();

    let server = Server::start(&data);
    world.check(&server).await;
    let mut client = server.connect().await;
    client.update("DROP TABLE t").await.expect("it can be dropped");
    client.rows("SELECT * FROM t").await.expect_err("it is gone");
    let mut world = World::default();
    world.create_in_parts(&mut client).await;
    let (values, ids) = world.next_parts();
    client
        .update(&format!("INSERT INTO t {values}"))
        .await
        .expect("the name is free");
    world.has(ids);
    world.check(&server).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_a_large_append_no_row_is_lost_or_doubled() {
    for &(point, fate) in COMMIT_POINTS {
        let (_folder, data) = data_directory();
        let mut world = World::default();
        let server = Launch::new(&data).crash_point(point).start();
        let table = server.table("t");
        let mut client = server.connect().await;
        world.create_in_parts(&mut client).await;
        let (values, ids) = world.next_parts();
        killed_at(server, client, point, format!("INSERT INTO t {values}")).await;
        // What is published is not staged any more only once the client could be told.
        let due = usize::from(!["commit::annotated", "commit::published"].contains(&point));
        assert_eq!(staged(&table), due, "staged files after {point}");
        if fate == Fate::Done {
            world.has(ids);
        }
        go_on(&data, world, fate, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_large_overwrite_all_rows_are_the_old_ones_or_all_are_the_new_ones() {
    for point in MAIN_POINTS {
        let (_folder, data) = data_directory();
        let mut world = World::default();
        let server = Launch::new(&data).crash_point(point).start();
        let mut client = server.connect().await;
        world.create_in_parts(&mut client).await;
        let (values, old) = world.next_parts();
        client
            .update(&format!("INSERT INTO t {values}"))
            .await
            .expect("a large append");
        world.has(old);
        let (values, new) = world.next_parts();
        killed_at(server, client, point, format!("INSERT OVERWRITE t {values}")).await;
        if fate_at(point) == Fate::Done {
            world.has_only(new);
        }
        go_on(&data, world, fate_at(point), point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_creation_with_many_files_the_table_is_there_whole_or_not_at_all() {
    for point in MAIN_POINTS {
        let (_folder, data) = data_directory();
        let mut world = World::default();
        let server = Launch::new(&data).crash_point(point).start();
        let client = server.connect().await;
        let (values, ids) = world.next_parts();
        let create = format!("CREATE TABLE t PARTITIONED BY (note) AS SELECT * FROM ({values}) AS rows(id, note)");
        killed_at(server, client, point, create.clone()).await;

        let server = Server::start(&data);
        let mut client = server.connect().await;
        if fate_at(point) == Fate::Undone {
            client
                .update("SELECT * FROM t")
                .await
                .expect_err("there is no such table");
            client.update(&create).await.expect("the name is free");
        }
        world.has(ids);
        world.check(&server).await;
        expect_large(&server, 0);
        server.stop();
    }
}

/// The next start makes good, the next writer proceeds with a commit as large, and a further start changes nothing.
async fn go_on(data: &Path, mut world: World, fate: Fate, point: &str) {
    let server = Server::start(data);
    world.check(&server).await;
    if fate == Fate::Done {
        expect_large(&server, world.versions - 1);
    }
    assert_eq!(
        staged(&server.table("t")),
        0,
        "after {point} recovery leaves nothing staged"
    );
    let (values, ids) = world.next_parts();
    let mut client = server.connect().await;
    client
        .update(&format!("INSERT INTO t {values}"))
        .await
        .expect("the next writer proceeds");
    world.has(ids);
    world.check(&server).await;
    check_with_the_binary(&server);
    server.stop();
    let server = Server::start(data);
    world.check(&server).await;
    server.stop();
}
