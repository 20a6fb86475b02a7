//! A node with one small table, for tests of a single verb.

use std::fs;
use std::path::PathBuf;

use dab_tests::command::Output;
use dab_tests::server::Server;
use tempfile::TempDir;

/// Exit statuses.
pub(crate) const FAILED: i32 = 1;
pub(crate) const USAGE: i32 = 64;
pub(crate) const UNDECIDED: i32 = 2;

/// A node with a table `t` of two rows, and a folder for files.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
        let server = Server::start(folder.path().join("data"));
        server
            .dab(&[
                "sql",
                "-c",
                "CREATE TABLE t AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS rows(id, note)",
            ])
            .expect_code(0);
        Self { folder, server }
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("the folder takes files");
        path
    }

    /// Runs a verb that must fail, say these words, and change nothing.
    pub(crate) fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.server.dab(arguments);
        assert_eq!(output.code, Some(FAILED), "dab {arguments:?}\n{}", output.words());
        expect_complaint(&output, words);
        let rows = self
            .server
            .dab(&["sql", "--format", "csv", "-c", "SELECT count(*) AS n FROM t"])
            .expect_code(0);
        assert_eq!(rows.stdout, "n\n2\n", "dab {arguments:?} changed the table");
    }
}

/// The complaint is on standard error, names what it is about, and is no internal matter.
pub(crate) fn expect_complaint(output: &Output, words: &[&str]) {
    let complaint = output.stderr.to_lowercase();
    for word in words {
        assert!(
            complaint.contains(&word.to_lowercase()),
            "no word of {word:?}: {}",
            output.stderr
        );
    }
    for internal in ["panicked", "backtrace", "internal error", "unwrap"] {
        assert!(!complaint.contains(internal), "{}", output.stderr);
    }
}
