//! A table `t` whose every row and version the test knows, and the check that all of DAB agrees with it.

use std::collections::BTreeSet;

use dab_proof::files::{audit_ledger_dir, audit_table_dir};
use dab_proof::report::{Report, Verdict};
use dab_tests::client::Client;
use dab_tests::server::Server;

/// Files that one large commit adds: 300 lines of a commit file are about 100 KiB, and 64 KiB go into the ledger's entry.
pub(crate) const LARGE_COMMIT_FILES: usize = 300;

/// What must be there.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// The ids in the table.
    pub(crate) ids: BTreeSet<i64>,
    /// The table's versions; 0 when there is no table.
    pub(crate) versions: u64,
    next_id: i64,
}

impl World {
    /// Makes the table, empty.
    pub(crate) async fn create(&mut self, client: &mut Client) {
        client
            .update("CREATE TABLE t (id BIGINT, note VARCHAR)")
            .await
            .expect("a table can be made");
        self.versions = 1;
    }

    /// A statement that appends two rows, and their ids.
    pub(crate) fn next_insert(&mut self) -> (String, [i64; 2]) {
        let ids = [self.next_id, self.next_id + 1];
        self.next_id += 2;
        (
            format!("INSERT INTO t VALUES ({}, 'first'), ({}, 'second')", ids[0], ids[1]),
            ids,
        )
    }

    /// Makes the table, empty, with a partition for every note: each row is a file.
    pub(crate) async fn create_in_parts(&mut self, client: &mut Client) {
        client
            .update("CREATE TABLE t (id BIGINT, note VARCHAR) PARTITIONED BY (note)")
            .await
            .expect("a table can be made");
        self.versions = 1;
    }

    /// Rows for so many files that their commit does not fit into the ledger's entry, as an SQL list, and their ids.
    pub(crate) fn next_parts(&mut self) -> (String, Vec<i64>) {
        let ids: Vec<i64> = (self.next_id..).take(LARGE_COMMIT_FILES).collect();
        self.next_id += LARGE_COMMIT_FILES as i64;
        let rows: Vec<String> = ids.iter().map(|id| format!("({id}, 'part {id}')")).collect();
        (format!("VALUES {}", rows.join(", ")), ids)
    }

    /// Notes that the rows of one overwrite are there, and no others.
    pub(crate) fn has_only(&mut self, ids: impl IntoIterator<Item = i64>) {
        self.ids.clear();
        self.has(ids);
    }

    /// Notes that the rows of one append are there.
    pub(crate) fn has(&mut self, ids: impl IntoIterator<Item = i64>) {
        self.ids.extend(ids);
        self.versions += 1;
    }

    /// Appends two rows and has them acknowledged.
    pub(crate) async fn insert(&mut self, client: &mut Client) {
        let (sql, ids) = self.next_insert();
        let rows = client
            .update(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows, 2, "rows of {sql}");
        self.has(ids);
    }

    /// Holds everything that can be asked against what must be there: the rows and nothing else, one commit a version,
    /// one leaf a commit, the files on disk, and both audits.
    pub(crate) async fn check(&self, server: &Server) {
        let mut client = server.connect().await;
        let ids = client
            .integers("SELECT id FROM t ORDER BY id")
            .await
            .expect("the table can be read");
        assert_eq!(
            ids,
            self.ids.iter().copied().collect::<Vec<_>>(),
            "rows lost, doubled or never acknowledged"
        );
        let sql = "SELECT version FROM dab.commits WHERE table_name = 't' ORDER BY version";
        let versions = client.integers(sql).await.expect("dab.commits can be read");
        assert_eq!(versions, (0..self.versions as i64).collect::<Vec<_>>(), "versions");
        let sql = "SELECT count(DISTINCT leaf_index) FROM dab.commits WHERE table_name = 't'";
        assert_eq!(
            client.integer(sql).await.expect("dab.commits can be read"),
            self.versions as i64,
            "leaves"
        );
        self.check_files(server);
    }

    /// The part of [`World::check`] that needs no answer of the node.
    pub(crate) fn check_files(&self, server: &Server) {
        let published = commit_files(server, "t");
        let due: Vec<String> = (0..self.versions)
            .map(|version| format!("{version:020}.json"))
            .collect();
        assert_eq!(published, due, "commit files");
        audit(server, "t");
    }
}

/// The names of a table's published commit files, in order.
pub(crate) fn commit_files(server: &Server, table: &str) -> Vec<String> {
    let folder = server.table(table).join("_delta_log");
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = listed.map(|entry| {
        entry
            .expect("a folder can be read")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    names
}

/// Audits a table, every data file too, and the ledger, from files alone.
pub(crate) fn audit(server: &Server, table: &str) {
    let (trust, public) = (server.data().join("trust"), server.data().join("public"));
    expect_valid(&audit_ledger_dir(&public, &trust, None));
    expect_valid(&audit_table_dir(&server.table(table), &trust, &public, None, true));
}

/// Fails with the whole report unless everything held.
pub(crate) fn expect_valid(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
}
