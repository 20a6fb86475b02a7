//! A data directory on disk, and the binary run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dab_proof::leaf::Subject;
use dab_proof::testing::{TinyLedger, TinyTable};
use dab_proof::tree::{LeafIndex, TreeSize};
use tempfile::TempDir;

/// A data directory with one table of two versions, receipts of the second and of the
/// catalog's record, head proofs of this table and of one that there is not, and an older checkpoint.
pub(crate) struct World {
    dir: TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        let dir = TempDir::new().unwrap();
        let mut ledger = TinyLedger::new();
        let mut table = TinyTable::new("t1");
        table.commit(&mut ledger, &[("a.parquet", b"aaaa")], &[]);
        table.commit(&mut ledger, &[("p=x%2520y/b.parquet", b"bbbb")], &[]);
        ledger.append(&Subject::catalog(), b"record", None, "CREATE TABLE");
        let world = World { dir };
        world.write("trust/policy", ledger.policy_text().as_bytes());
        world.write("trust/writers", ledger.writers_text().as_bytes());
        world.write("trust/ledger", b"../public\n");
        for (path, bytes) in ledger.public().files {
            world.write(&format!("public/{path}"), &bytes);
        }
        for (version, bytes) in &table.files.commits {
            world.write(&format!("tables/t/_delta_log/{version:020}.json"), bytes);
        }
        for (path, bytes) in &table.files.data {
            world.write(&format!("tables/t/{path}"), bytes);
        }
        world.write(
            "tables/t/_delta_log/_staged_commits/00000000000000000002.x.json",
            b"staged",
        );
        world.write("tables/t/_delta_log/00000000000000000001.crc", b"{}");
        world.write("b.tlog-proof", ledger.receipt(LeafIndex(1)).to_text().as_bytes());
        world.write("catalog.tlog-proof", ledger.receipt(LeafIndex(2)).to_text().as_bytes());
        world.write("old.checkpoint", &ledger.checkpoint_at(TreeSize(1)).to_bytes());
        // made later than the public files
        let heads = ledger.append_heads(TreeSize(3));
        for table in ["t1", "t2"] {
            let subject = Subject::table(table).unwrap();
            let proof = ledger.head_proof(&subject, TreeSize(3), heads).to_text();
            world.write(&format!("{table}.head-proof"), proof.as_bytes());
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs the binary in the data directory; expects the exit code and returns what it printed.
    pub(crate) fn run(&self, arguments: &str, code: i32) -> String {
        run_in(self.dir.path(), &arguments.split(' ').collect::<Vec<_>>(), code)
    }

    /// `run`, the text on one line, so that words can be looked for without regard to line breaks.
    pub(crate) fn says(&self, arguments: &str, code: i32) -> String {
        let text = self.run(arguments, code);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn run_in(dir: &Path, arguments: &[&str], code: i32) -> String {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_dab-verify"))
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The second version's commit file and its data file.
pub(crate) const COMMIT: &str = "tables/t/_delta_log/00000000000000000001.json";
pub(crate) const DATA: &str = "tables/t/p=x%20y/b.parquet";
