//! The process is killed at every named point of a commit, and the next start makes good.
//!
//! A point says on which side of the promise it lies: before the raft log has the entry, the rows are gone and nobody was
//! told otherwise; from then on they are there, although the client never heard so.

use dab_proof::audit::audit_ledger;
use dab_proof::report::Verdict;
use dab_proof::testing::MemorySource;
use dab_tests::client::Client;
use dab_tests::command;
use dab_tests::offline::files_below;
use dab_tests::server::{Launch, Server};
use dab_tests::workspace;
use tempfile::TempDir;

use crate::world::World;

/// What a restart makes of a write whose process was killed at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As if it had never been asked for.
    Undone,
    /// Whole, with its version and leaf.
    Done,
}

/// Every point that an append passes, in its order.
pub(crate) const COMMIT_POINTS: &[(&str, Fate)] = &[
    ("commit::annotated", Fate::Undone),
    ("commit::staged", Fate::Undone),
    ("raft::before_write", Fate::Undone),
    // The process dies, not the machine: what was written to the file stays, synced or not.
    ("raft::written", Fate::Done),
    ("raft::synced", Fate::Done),
    ("apply::before_tiles", Fate::Done),
    ("apply::tiles", Fate::Done),
    ("apply::checkpoint", Fate::Done),
    ("commit::ratified", Fate::Done),
    ("publish::before", Fate::Done),
    ("publish::after", Fate::Done),
    ("commit::published", Fate::Done),
];

/// A table with two rows in its first version.
const CREATE_TABLE: &str = "CREATE TABLE t AS SELECT * FROM (VALUES (1, 'first'), (2, 'second')) AS rows(id, note)";

/// Every point that a node passes while it stops and makes its state durable.
const FLUSH_POINTS: &[&str] = &[
    "flush::tiles",
    "flush::checkpoint",
    "flush::commit_index",
    "flush::state",
    "flush::tidied",
];

/// Every point that a node passes while it brings the public copy up.
const PUBLIC_COPY_POINTS: &[&str] = &["public_copy::files", "public_copy::checkpoint"];

pub(crate) fn data_directory() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let data = folder.path().join("data");
    (folder, data)
}

/// Asks for a write, waits until the node stands at the point, and kills it. The client must not have been told that the
/// write succeeded.
pub(crate) async fn killed_at(server: Server, mut client: Client, point: &str, sql: String) {
    server.arm();
    let told = tokio::spawn(async move { client.update(&sql).await });
    let waiting = point.to_owned();
    let server = tokio::task::spawn_blocking(move || {
        server.wait_for_crash_point(&waiting);
        server
    });
    server.await.expect("the node comes to the point").kill();
    let answer = told.await.expect("the client does not panic");
    assert!(
        answer.is_err(),
        "killed at {point}, and still the client was told {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_an_append_nothing_acknowledged_is_lost_and_nothing_doubled() {
    for &(point, fate) in COMMIT_POINTS {
        let (_folder, data) = data_directory();
        let mut world = World::default();
        let server = Launch::new(&data).crash_point(point).start();
        let mut client = server.connect().await;
        world.create(&mut client).await;
        world.insert(&mut client).await;
        let (sql, ids) = world.next_insert();
        killed_at(server, client, point, sql).await;
        if fate == Fate::Done {
            world.has(ids);
        }

        let server = Server::start(&data);
        world.check(&server).await;
        // The next writer proceeds.
        world.insert(&mut server.connect().await).await;
        world.check(&server).await;
        server.stop();

        // What recovery did holds: a further start changes nothing.
        let server = Server::start(&data);
        world.check(&server).await;
        check_with_the_binary(&server);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_a_table_s_creation_the_table_is_there_whole_or_not_at_all() {
    for &(point, fate) in COMMIT_POINTS {
        let (_folder, data) = data_directory();
        let server = Launch::new(&data).crash_point(point).start();
        let mut client = server.connect().await;
        client
            .update("CREATE TABLE other (id BIGINT)")
            .await
            .expect("a table can be made");
        killed_at(server, client, point, CREATE_TABLE.to_owned()).await;

        let server = Server::start(&data);
        let mut client = server.connect().await;
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name";
        let tables = client.rows(sql).await.expect("the tables can be listed").concat();
        match fate {
            Fate::Done => assert_eq!(tables, ["other", "t"], "killed at {point}"),
            Fate::Undone => {
                assert_eq!(tables, ["other"], "killed at {point}");
                // The name is free.
                client
                    .update(CREATE_TABLE)
                    .await
                    .unwrap_or_else(|error| panic!("after {point}: {error}"));
            }
        }
        let ids = client
            .integers("SELECT id FROM t ORDER BY id")
            .await
            .expect("the table can be read");
        assert_eq!(ids, [1, 2], "killed at {point}");
        assert_eq!(
            client
                .update("INSERT INTO t VALUES (3, 'third')")
                .await
                .expect("the next writer proceeds"),
            1
        );
        check_with_the_binary(&server);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_a_flush_the_next_start_replays_to_the_same_ledger() {
    let (_folder, data) = data_directory();
    let mut world = World::default();
    let server = Server::start(&data);
    world.create(&mut server.connect().await).await;
    server.stop();
    for point in FLUSH_POINTS {
        let server = Launch::new(&data).crash_point(point).start();
        world.insert(&mut server.connect().await).await;
        server.arm();
        // A node that stops flushes.
        command::signal(server.pid(), "TERM");
        server.wait_for_crash_point(point);
        server.kill();
        let server = Server::start(&data);
        world.check(&server).await;
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_recovering_the_next_start_recovers() {
    let (_folder, data) = data_directory();
    let mut world = World::default();
    let server = Launch::new(&data).crash_point("commit::ratified").start();
    let mut client = server.connect().await;
    world.create(&mut client).await;
    let (sql, ids) = world.next_insert();
    killed_at(server, client, "commit::ratified", sql).await;
    world.has(ids);
    for point in ["publish::before", "publish::after"] {
        let process = Launch::new(&data).crash_point(point).start_armed();
        process.wait_for_crash_point(point);
        process.kill();
    }
    let server = Server::start(&data);
    world.check(&server).await;
    server.stop();
}

/// No commit waits for the copy: the write that it is about has been answered.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_the_public_copy_it_can_be_audited_and_the_next_start_brings_it_up() {
    for (at, point) in PUBLIC_COPY_POINTS.iter().enumerate() {
        let (_folder, data) = data_directory();
        let mut world = World::default();
        let server = Server::start(&data);
        world.create(&mut server.connect().await).await;
        server.stop();
        let before = copied_size(&data);
        let server = Launch::new(&data).crash_point(point).start();
        world.insert(&mut server.connect().await).await;
        server.arm();
        world.insert(&mut server.connect().await).await;
        server.wait_for_crash_point(point);
        server.kill();
        // one size before, the checkpoint of the first insert may be there or not
        let killed = copied_size(&data);
        assert!(killed >= before, "{point}");
        if at == 1 {
            assert!(killed > before, "{point}");
        }
        let server = Server::start(&data);
        world.check(&server).await;
        server.stop();
        assert!(copied_size(&data) > before, "{point}");
        let copied = |folder: &str| std::fs::read(data.join(folder).join("checkpoint")).expect("a checkpoint");
        assert_eq!(copied("tables/_ledger"), copied("public"), "{point}");
    }
}

/// Leaves of the public copy, which is audited as a web server would show it: by the files' own names.
fn copied_size(data: &std::path::Path) -> u64 {
    let files = files_below(&data.join("tables/_ledger"));
    let checkpoint = String::from_utf8_lossy(&files["checkpoint"]).into_owned();
    let copy = MemorySource {
        files,
        unreadable: None,
    };
    let trust = dab_proof::files::read_trust(&data.join("trust")).expect("a node writes its trust directory");
    let report = audit_ledger(&copy, &trust, None);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let size = checkpoint.lines().nth(1).and_then(|line| line.parse().ok());
    size.expect("a checkpoint states its size")
}

/// `dab audit` says the same as the checks in this process.
pub(crate) fn check_with_the_binary(server: &Server) {
    let trust = server.data().join("trust").display().to_string();
    let (table, public) = (
        server.table("t").display().to_string(),
        server.data().join("public").display().to_string(),
    );
    command::dab(["audit", "table", &table, "--trust", &trust, "--deep"]).expect_code(0);
    command::dab(["audit", "ledger", &public, "--trust", &trust]).expect_code(0);
}

#[test]
fn every_crash_point_in_the_sources_is_killed_at() {
    let mut marked: Vec<String> = Vec::new();
    for path in workspace::files()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
    {
        if path.starts_with("tests") {
            continue;
        }
        let text = workspace::read(path);
        let after = text.split("crash_point!(\"").skip(1);
        marked.extend(
            after
                .filter_map(|rest| rest.split_once('"'))
                .map(|(name, _)| name.to_owned()),
        );
    }
    let mut tested: Vec<&str> = COMMIT_POINTS
        .iter()
        .map(|(name, _)| *name)
        .chain(FLUSH_POINTS.iter().copied())
        .chain(PUBLIC_COPY_POINTS.iter().copied())
        .collect();
    marked.sort_unstable();
    tested.sort_unstable();
    assert_eq!(
        marked, tested,
        "the points in the sources, and those of the crash tests"
    );
}
