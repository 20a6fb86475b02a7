//! Many clients write one table at once: rows, versions and leaves agree at the end.

use dab_tests::server::Server;

use crate::world::{audit, commit_files};

const WRITERS: i64 = 8;
const APPENDS_PER_WRITER: i64 = 6;
const ROWS_PER_APPEND: i64 = 3;

/// One client: connects, appends, and reports the versions it was not told.
async fn write(server: &Server, writer: i64) {
    let mut client = server.connect().await;
    for append in 0..APPENDS_PER_WRITER {
        let rows: Vec<String> = (0..ROWS_PER_APPEND)
            .map(|row| format!("({writer}, {append}, {row})"))
            .collect();
        let sql = format!("INSERT INTO t VALUES {}", rows.join(", "));
        let written = client
            .update(&sql)
            .await
            .unwrap_or_else(|error| panic!("writer {writer}: {error}"));
        assert_eq!(written, ROWS_PER_APPEND);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_of_one_table_leave_every_row_once_and_a_version_and_a_leaf_each_append() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let server = Server::start(folder.path().join("data"));
    let mut client = server.connect().await;
    client
        .update("CREATE TABLE t (writer BIGINT, append BIGINT, nr BIGINT)")
        .await
        .expect("a table can be made");
    futures::future::join_all((0..WRITERS).map(|writer| write(&server, writer))).await;

    let appends = WRITERS * APPENDS_PER_WRITER;
    let counts = client
        .rows("SELECT count(*), count(DISTINCT writer * 1000 + append * 10 + nr) FROM t")
        .await;
    let rows = (appends * ROWS_PER_APPEND).to_string();
    assert_eq!(
        counts.expect("the table can be read"),
        [[rows.clone(), rows]],
        "rows lost or doubled"
    );

    let sql = "SELECT count(*), min(version), max(version), count(DISTINCT leaf_index), sum(rows_added) \
               FROM dab.commits WHERE table_name = 't'";
    let commits = client.rows(sql).await.expect("dab.commits can be read").concat();
    let versions = (appends + 1).to_string();
    let due = [
        versions.as_str(),
        "0",
        &appends.to_string(),
        &versions,
        &(appends * ROWS_PER_APPEND).to_string(),
    ];
    assert_eq!(
        commits, due,
        "commits, first and last version, leaves, rows by the commits"
    );

    // Order in the table is order in the ledger.
    let sql = "SELECT leaf_index FROM dab.commits WHERE table_name = 't' ORDER BY version";
    let leaves = client.integers(sql).await.expect("dab.commits can be read");
    assert!(
        leaves.is_sorted_by(|earlier, later| earlier < later),
        "leaves in the order of versions: {leaves:?}"
    );

    assert_eq!(commit_files(&server, "t").len() as i64, appends + 1);
    audit(&server, "t");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_create_one_table_get_one_table_and_one_clear_error() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let server = Server::start(folder.path().join("data"));
    let mut clients = futures::future::join_all((0..4).map(|_| server.connect())).await;
    let made = futures::future::join_all(
        clients
            .iter_mut()
            .map(|client| client.update("CREATE TABLE t (x BIGINT)")),
    )
    .await;
    assert_eq!(made.iter().filter(|result| result.is_ok()).count(), 1, "{made:?}");
    for error in made.into_iter().filter_map(Result::err) {
        assert!(error.to_string().contains("exists"), "{error}");
    }
    assert_eq!(commit_files(&server, "t").len(), 1);
    audit(&server, "t");
    server.stop();
}
