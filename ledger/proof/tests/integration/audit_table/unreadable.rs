//! Ledgers and tables that cannot be read: the question stays open.

use super::example;
use dab_proof::audit::{OpenFile, TableFiles, audit_table};
use dab_proof::error::Error;
use dab_proof::report::Verdict;
use dab_proof::testing::{MemorySource, MemoryTable};

#[test]
fn without_a_readable_ledger_nothing_is_valid() {
    let (ledger, table) = example();
    let audit = |source: &MemorySource| audit_table(source, &ledger.trust(), &table.files, true);
    assert_eq!(audit(&MemorySource::default()).verdict(), Verdict::Undecided);
    for path in ["checkpoint", "tile/entries/000.p/7"] {
        let source = MemorySource {
            unreadable: Some(path.into()),
            ..ledger.public()
        };
        assert_eq!(audit(&source).verdict(), Verdict::Undecided, "{path}");
    }
    let mut source = ledger.public();
    source.files.get_mut("tile/entries/000.p/7").unwrap()[100] ^= 1;
    assert_eq!(audit(&source).verdict(), Verdict::Invalid);
}

/// A table whose disk fails in one place.
struct Failing {
    files: MemoryTable,
    commit: Option<u64>,
    data: Option<&'static str>,
    list: bool,
}

fn failed<T>() -> Result<T, Error> {
    Err(Error::Unavailable {
        path: "disk".into(),
        reason: "made to fail".into(),
    })
}

impl TableFiles for Failing {
    fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        if self.list {
            failed()
        } else {
            self.files.list_log(visit)
        }
    }

    fn commit(&self, version: u64) -> Result<Option<OpenFile<'_>>, Error> {
        if self.commit == Some(version) {
            failed()
        } else {
            self.files.commit(version)
        }
    }

    fn data_file(&self, path: &str) -> Result<Option<OpenFile<'_>>, Error> {
        if self.data == Some(path) {
            failed()
        } else {
            self.files.data_file(path)
        }
    }
}

#[test]
fn files_that_cannot_be_read_leave_the_question_open() {
    let (ledger, table) = example();
    let whole = || Failing {
        files: table.files.clone(),
        commit: None,
        data: None,
        list: false,
    };
    let audit = |table: Failing| audit_table(&ledger.public(), &ledger.trust(), &table, true);
    assert_eq!(audit(whole()).verdict(), Verdict::Valid);
    assert_eq!(audit(Failing { list: true, ..whole() }).verdict(), Verdict::Undecided);
    assert_eq!(
        audit(Failing {
            commit: Some(3),
            ..whole()
        })
        .verdict(),
        Verdict::Undecided
    );
    assert_eq!(
        audit(Failing {
            data: Some("c.parquet"),
            ..whole()
        })
        .verdict(),
        Verdict::Undecided
    );
    let mut forged = Failing {
        data: Some("c.parquet"),
        ..whole()
    };
    forged.files.data.insert("d.parquet".into(), b"DDDD".to_vec());
    assert_eq!(
        audit(forged).verdict(),
        Verdict::Invalid,
        "a failure outweighs what could not be read"
    );
}

#[test]
fn data_file_that_breaks_off_while_it_is_hashed_is_named_and_leaves_the_question_open() {
    struct Broken(MemoryTable);
    impl std::io::Read for &Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    impl TableFiles for Broken {
        fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
            self.0.list_log(visit)
        }

        fn commit(&self, version: u64) -> Result<Option<OpenFile<'_>>, Error> {
            self.0.commit(version)
        }

        fn data_file(&self, path: &str) -> Result<Option<OpenFile<'_>>, Error> {
            let file = self.0.data_file(path)?;
            Ok(file.map(|file| match path {
                "c.parquet" => OpenFile {
                    size: file.size,
                    reader: Box::new(self),
                },
                _ => file,
            }))
        }
    }
    let (ledger, table) = example();
    let report = audit_table(&ledger.public(), &ledger.trust(), &Broken(table.files), true);
    assert_eq!(report.verdict(), Verdict::Undecided, "{report}");
    let told = "version 1, c.parquet: it cannot be read: the disk is gone";
    assert!(crate::one_line(&report).contains(told), "{report}");
}
