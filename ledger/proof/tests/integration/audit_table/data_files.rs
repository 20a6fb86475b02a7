//! Data files that are changed, resized, missing or removed.

use super::{assert_one_failure, audit, example};
use crate::one_line;
use dab_proof::commit_file::CommitFile;
use dab_proof::report::Verdict;
use dab_proof::testing::{TinyLedger, TinyTable};

#[test]
fn every_changed_byte_of_a_data_file_is_caught_by_a_deep_audit() {
    let (ledger, table) = example();
    for (stored, path, version) in [
        ("a.parquet", "a.parquet", 0),
        ("p=x%20y/b.parquet", "p=x%2520y/b.parquet", 0),
        ("d.parquet", "d.parquet", 3),
    ] {
        for offset in 0..4 {
            let mut files = table.files.clone();
            files.data.get_mut(stored).unwrap()[offset] ^= 0x10;
            assert_one_failure(&audit(&ledger, &files, true), version, path, "its BLAKE3 is");
            let report = audit(&ledger, &files, false);
            assert_eq!(report.verdict(), Verdict::Valid, "sizes alone say nothing: {report}");
        }
    }
}

#[test]
fn missing_and_resized_data_files_are_named_with_the_version_that_added_them() {
    let (ledger, table) = example();
    for deep in [false, true] {
        let mut files = table.files.clone();
        files.data.remove("c.parquet");
        assert_one_failure(&audit(&ledger, &files, deep), 1, "c.parquet", "is missing");
        let mut files = table.files.clone();
        files.data.insert("c.parquet".into(), b"longer".to_vec());
        assert_one_failure(
            &audit(&ledger, &files, deep),
            1,
            "c.parquet",
            "it has 6 bytes instead of 4",
        );
    }
}

#[test]
fn removed_data_file_may_be_gone() {
    let (ledger, table) = example();
    let mut files = table.files.clone();
    files.data.remove("a.parquet");
    let report = audit(&ledger, &files, true);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert!(
        one_line(&report).contains("1 data file gone: removed by version 2"),
        "{report}"
    );
}

#[test]
fn versions_that_removed_what_is_gone_are_named_up_to_a_number_and_the_others_counted() {
    let mut ledger = TinyLedger::new();
    let mut table = TinyTable::new("t1");
    let paths: Vec<_> = (0..22).map(|number| format!("{number}.parquet")).collect();
    let adds: Vec<_> = paths.iter().map(|path| (path.as_str(), &b"x"[..])).collect();
    table.commit(&mut ledger, &adds, &[]);
    for (removed, path) in (1..).zip(&paths) {
        table.commit(&mut ledger, &[], &[path]);
        table.files.data.remove(path);
        let report = audit(&ledger, &table.files, true);
        let told = |words: &str| report.not_checked.iter().filter(|line| line.contains(words)).count();
        assert_eq!(
            told("1 data file gone: removed by version"),
            removed.min(20),
            "{report}"
        );
        assert_eq!(told(" more data file"), usize::from(removed > 20), "{report}");
        for (more, words) in [(1, "1 more data file gone"), (2, "2 more data files gone")] {
            assert_eq!(told(words), usize::from(removed == 20 + more), "{report}");
        }
    }
}

#[test]
fn an_audit_claims_no_more_than_it_checked() {
    let mut ledger = TinyLedger::new();
    let mut table = TinyTable::new("t1");
    table.commit(&mut ledger, &[("a.parquet", b"a")], &[]);
    let good = one_line(&audit(&ledger, &table.files, false));
    assert!(good.contains("presence and size of 1 current data file"), "{good}");
    assert!(!good.contains("that later versions removed"), "{good}");
    table.files.data.clear();
    let missing = one_line(&audit(&ledger, &table.files, false));
    assert!(!missing.contains("presence and size of"), "{missing}");
}

#[test]
fn rows_that_are_hidden_and_files_of_changes_are_counted_as_unchecked() {
    let (mut ledger, mut table) = example();
    let plain = one_line(&audit(&ledger, &table.files, false));
    assert!(
        !plain.contains("deletion vector") && !plain.contains("change data"),
        "{plain}"
    );
    let body =
        String::from_utf8(table.commit_json(&ledger, 4, &[("e.parquet", b"e"), ("f.parquet", b"f")], &[])).unwrap();
    let body = body.replace("\"add\":{", "\"add\":{\"deletionVector\":{\"storageType\":\"u\"},")
        + "\n{\"cdc\":{\"path\":\"_change_data/1\"}}\n{\"cdc\":{\"path\":\"_change_data/2\"}}";
    let files = CommitFile::parse(body.as_bytes()).unwrap().files_root().unwrap();
    ledger.append(&table.subject(), body.as_bytes(), files, "WRITE");
    table.files.commits.insert(4, body.into_bytes());
    for (path, bytes) in [("e.parquet", b"e"), ("f.parquet", b"f")] {
        table.files.data.insert(path.to_owned(), bytes.to_vec());
    }
    let report = audit(&ledger, &table.files, true);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let told = one_line(&report);
    assert!(told.contains("2 deletion vectors: rows that they hide"), "{told}");
    assert!(told.contains("2 change data files"), "{told}");
}
