//! Data files that are changed, resized, missing or removed.

use super::{assert_one_failure, audit, example};
use crate::one_line;
use dab_proof::report::Verdict;

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
