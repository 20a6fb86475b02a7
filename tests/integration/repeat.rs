//! A client that heard no answer sends its statement again under the same key, and it is done once, wherever the first was
//! cut off.

use dab_tests::server::{Launch, Server};

use crate::crash::{COMMIT_POINTS, data_directory, killed_at};

const CREATE: &str = "CREATE TABLE t AS SELECT 1 AS id";
const INSERT: &str = "INSERT INTO t SELECT value FROM generate_series(10, 12)";

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_an_append_the_same_statement_under_its_key_is_done_once() {
    for &(point, _) in COMMIT_POINTS {
        let (_folder, data) = data_directory();
        let server = Launch::new(&data).crash_point(point).start();
        server.connect().await.update(CREATE).await.expect("a table is made");
        let client = server.connect().await.with_key("the-insert");
        killed_at(server, client, point, INSERT.to_owned()).await;

        for _ in 0..2 {
            let server = Server::start(&data);
            let mut client = server.connect().await.with_key("the-insert");
            let rows = client.update(INSERT).await.expect("it is done, or was");
            assert_eq!(rows, 3, "{point}");
            let mut reader = server.connect().await;
            let there = reader.integer("SELECT count(*) FROM t").await.expect("a count");
            let versions = reader
                .integer("SELECT count(*) FROM dab.commits WHERE table_name = 't'")
                .await;
            assert_eq!((there, versions.expect("a count")), (4, 2), "{point}");
            server.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_of_a_table_s_creation_the_same_statement_under_its_key_makes_it_once() {
    for &(point, _) in COMMIT_POINTS {
        let (_folder, data) = data_directory();
        let server = Launch::new(&data).crash_point(point).start();
        let client = server.connect().await.with_key("the-table");
        killed_at(server, client, point, CREATE.to_owned()).await;
        let server = Server::start(&data);
        let mut client = server.connect().await.with_key("the-table");
        for _ in 0..2 {
            let rows = client.update(CREATE).await.expect("it is made, or was");
            assert_eq!(rows, 1, "{point}");
        }
        server.stop();
    }
}
