//! Audits of good, damaged and forged tables.

mod data_files;
mod unreadable;

use crate::one_line;
use dab_proof::audit::{audit_table, audit_table_expecting};
use dab_proof::leaf::Subject;
use dab_proof::report::{Report, Verdict};
use dab_proof::testing::{MemoryTable, TinyLedger, TinyTable};
use dab_proof::tree::LeafIndex;

/// Four versions: two files added, one more, one removed, one more. Other subjects write in between.
fn example() -> (TinyLedger, TinyTable) {
    let mut ledger = TinyLedger::new();
    let mut table = TinyTable::new("t1");
    let mut other = TinyTable::new("t2");
    ledger.append(&Subject::catalog(), b"catalog", None, "CREATE");
    table.commit(
        &mut ledger,
        &[("a.parquet", b"aaaa"), ("p=x%2520y/b.parquet", b"bbbb")],
        &[],
    );
    other.commit(&mut ledger, &[("z.parquet", b"z")], &[]);
    table.commit(&mut ledger, &[("c.parquet", b"cccc")], &[]);
    table.commit(&mut ledger, &[], &["a.parquet"]);
    other.commit(&mut ledger, &[("y.parquet", b"y")], &[]);
    table.commit(&mut ledger, &[("d.parquet", b"dddd")], &[]);
    (ledger, table)
}

fn audit(ledger: &TinyLedger, table: &MemoryTable, deep: bool) -> Report {
    audit_table(&ledger.public(), &ledger.trust(), table, deep)
}

/// Expects exactly one failure, of this version and file, whose text has `words`.
fn assert_one_failure(report: &Report, version: u64, file: &str, words: &str) {
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert_eq!(report.failures.len(), 1, "{report}");
    let failure = &report.failures[0];
    assert_eq!(
        (failure.version, failure.file.as_deref()),
        (Some(version), Some(file)),
        "{report}"
    );
    assert!(failure.message.contains(words), "{report}");
}

fn name(version: u64) -> String {
    format!("{version:020}.json")
}

#[test]
fn good_table_is_valid_and_the_report_says_what_was_left_out() {
    let (ledger, mut table) = example();
    table.files.other = vec!["00000000000000000002.crc".into()];
    let report = audit(&ledger, &table.files, false);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert!(report.facts.contains(&("version", "3".to_owned())), "{report}");
    let text = one_line(&report);
    for words in [
        "4 of 4 commit files: byte for byte as notarized",
        "no commit file beyond version 3",
        "presence and size of 3 current data files",
        "contents of the data files: give --deep",
        "1 data file that later versions removed: give --deep",
        "_delta_log/00000000000000000002.crc: nothing in the ledger binds it",
        "dab/test/writer (writer): 4 leaves of the table",
        "certifies alone",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    let report = audit(&ledger, &table.files, true);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert!(
        one_line(&report).contains("contents of 4 data files, 16 bytes"),
        "{report}"
    );
}

#[test]
fn state_that_delta_readers_believe_instead_of_commits_is_a_forgery() {
    for name in [
        "_last_checkpoint",
        "00000000000000000002.checkpoint.parquet",
        "00000000000000000000.00000000000000000003.compacted.json",
        "_sidecars",
    ] {
        let (ledger, mut table) = example();
        table.files.other = vec![name.into()];
        let report = audit(&ledger, &table.files, false);
        assert_eq!(report.verdict(), Verdict::Invalid, "{name}: {report}");
        assert!(one_line(&report).contains(name), "{report}");
    }
}

#[test]
fn removed_commit_is_missed_even_the_last_one() {
    let (ledger, table) = example();
    for version in 1..4 {
        let mut files = table.files.clone();
        files.commits.remove(&version);
        let report = audit(&ledger, &files, true);
        let missing = |failure: &&dab_proof::report::Finding| failure.version == Some(version);
        let failure = report.failures.iter().find(missing).unwrap();
        assert!(
            failure
                .message
                .contains("the commit file of a notarized version is missing"),
            "{report}"
        );
        assert_eq!(failure.file.as_deref(), Some(name(version).as_str()));
        let may_come = failure.message.contains("certified a moment ago and not published yet");
        assert_eq!(may_come, version == 3, "{report}");
    }
    // together with its data, as somebody would who wants the last write undone
    let mut files = table.files.clone();
    files.commits.remove(&3);
    files.data.remove("d.parquet");
    assert_one_failure(&audit(&ledger, &files, true), 3, &name(3), "removed");
    // without version 0 another commit still tells the table's id
    let mut files = table.files.clone();
    files.commits.remove(&0);
    assert_eq!(audit(&ledger, &files, false).failures[0].version, Some(0));
}

#[test]
fn swapped_and_rolled_back_versions_are_noticed() {
    let (ledger, table) = example();
    let mut files = table.files.clone();
    let (one, three) = (files.commits[&1].clone(), files.commits[&3].clone());
    files.commits.extend([(1, three), (3, one)]);
    let versions: Vec<_> = audit(&ledger, &files, false)
        .failures
        .iter()
        .map(|failure| failure.version)
        .collect();
    assert!(
        versions.contains(&Some(1)) && versions.contains(&Some(3)),
        "{versions:?}"
    );
    // an older copy of the table beside the ledger of today
    let mut files = table.files.clone();
    files.commits.retain(|version, _| *version < 2);
    let report = audit(&ledger, &files, true);
    assert_eq!(
        report
            .failures
            .iter()
            .map(|failure| failure.version)
            .collect::<Vec<_>>(),
        [Some(2), Some(3)]
    );
}

#[test]
fn table_without_commits_is_undecided() {
    let (ledger, table) = example();
    let files = MemoryTable {
        commits: Default::default(),
        ..table.files
    };
    let report = audit(&ledger, &files, true);
    assert_eq!(report.verdict(), Verdict::Undecided, "{report}");
    assert!(
        one_line(&report).contains("no commit file in _delta_log: this is no Delta table"),
        "{report}"
    );
}

#[test]
fn every_changed_byte_of_every_commit_file_is_caught_and_named() {
    let (ledger, table) = example();
    for (version, commit) in &table.files.commits {
        for offset in 0..commit.len() {
            let mut files = table.files.clone();
            files.commits.get_mut(version).unwrap()[offset] ^= 1 << (offset % 8);
            let report = audit(&ledger, &files, false);
            assert_ne!(report.verdict(), Verdict::Valid, "byte {offset} of version {version}");
            // a spoiled table id in version 0 leads to no leaf at all; everything else is named
            if *version > 0 {
                let named = report.failures.iter().any(|failure| failure.version == Some(*version));
                assert!(named, "byte {offset} of version {version}: {report}");
            }
        }
    }
}

#[test]
fn insider_who_corrects_the_commit_file_is_named_with_version_and_file() {
    let (ledger, table) = example();
    let mut files = table.files.clone();
    // another amount, the size and digest in the commit corrected
    files.data.insert("c.parquet".into(), b"cheat!".to_vec());
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let commit = String::from_utf8(files.commits[&1].clone()).unwrap();
    let corrected = commit
        .replace("\"size\":4", "\"size\":6")
        .replace(&digest(b"cccc"), &digest(b"cheat!"));
    files.commits.insert(1, corrected.into_bytes());
    let report = audit(&ledger, &files, true);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert!(
        report.failures.iter().all(|failure| failure.version == Some(1)),
        "{report}"
    );
    let text = one_line(&report);
    assert!(text.contains("the commit file is not the notarized one"), "{text}");
    assert!(
        text.contains("the list of added files is not the notarized one"),
        "{text}"
    );
    // one who forgets the digest is named with the data file as well
    let forgetful = commit.replace("\"size\":4", "\"size\":6");
    files.commits.insert(1, forgetful.into_bytes());
    let report = audit(&ledger, &files, true);
    let data = report
        .failures
        .iter()
        .find(|failure| failure.file.as_deref() == Some("c.parquet"))
        .unwrap();
    assert_eq!(data.version, Some(1));
}

#[test]
fn foreign_commits_are_named() {
    let (ledger, table) = example();
    for version in [4, 9, i64::MAX as u64] {
        let mut files = table.files.clone();
        let commit = table.commit_json(&ledger, version, &[("evil.parquet", b"evil")], &[]);
        files.commits.insert(version, commit);
        assert_one_failure(
            &audit(&ledger, &files, true),
            version,
            &name(version),
            "the ledger does not know",
        );
    }
}

#[test]
fn table_that_was_never_notarized_is_invalid() {
    let (mut ledger, _) = example();
    let mut scratch = TinyLedger::new();
    let mut stranger = TinyTable::new("t3");
    stranger.commit(&mut scratch, &[("a.parquet", b"a")], &[]);
    let report = audit(&ledger, &stranger.files, false);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert!(
        one_line(&report).contains("the ledger has no leaf for table/t3"),
        "{report}"
    );
    // a commit without DAB's part names no table at all
    let mut files = stranger.files.clone();
    files
        .commits
        .insert(0, br#"{"commitInfo":{"operation":"WRITE"}}"#.to_vec());
    assert_eq!(audit(&ledger, &files, false).verdict(), Verdict::Undecided);
    // one table's files under the id of another
    let (_, table) = example();
    let swapped = String::from_utf8(table.files.commits[&0].clone())
        .unwrap()
        .replace("\"t1\"", "\"t2\"");
    let mut files = table.files.clone();
    files.commits.insert(0, swapped.into_bytes());
    assert_eq!(audit(&ledger, &files, false).verdict(), Verdict::Invalid);
    ledger.append(&Subject::catalog(), b"more", None, "CREATE");
    assert_eq!(audit(&ledger, &table.files, true).verdict(), Verdict::Valid);
}

#[test]
fn an_audit_says_of_the_tables_leaves_that_they_hold_only_where_there_are_any_and_all_do() {
    let claim = "signature, writer, sequence and parent of";
    let (mut ledger, table) = example();
    let good = one_line(&audit(&ledger, &table.files, false));
    assert!(good.contains(&format!("{claim} 4 leaves of the table")), "{good}");
    let none = audit(&TinyLedger::new(), &table.files, false);
    assert_eq!(none.verdict(), Verdict::Invalid, "{none}");
    assert!(!one_line(&none).contains(claim), "{none}");
    // a leaf of another ledger, with this one's writer's signature
    let mut leaf = ledger.receipt(LeafIndex(1)).leaf.leaf().clone();
    leaf.origin = "dab/elsewhere".into();
    let foreign = leaf.sign(&ledger.writer).unwrap();
    ledger.push(&foreign);
    let bad = audit(&ledger, &table.files, false);
    assert_eq!(bad.verdict(), Verdict::Invalid, "{bad}");
    assert!(!one_line(&bad).contains(claim), "{bad}");
    // nor of commit files, with all of them gone
    let (ledger, _) = example();
    let empty = MemoryTable::default();
    let gone = audit_table_expecting(&ledger.public(), &ledger.trust(), &empty, Some("t1"), false);
    assert_eq!(gone.verdict(), Verdict::Invalid, "{gone}");
    assert!(!one_line(&gone).contains("byte for byte as notarized"), "{gone}");
}

#[test]
fn commit_that_sets_the_id_of_another_table_is_invalid_though_it_is_notarized() {
    let table = TinyTable::new("t1");
    let body = String::from_utf8(table.commit_json(&TinyLedger::new(), 0, &[], &[])).unwrap();
    for (id, verdict) in [("t1", Verdict::Valid), ("t2", Verdict::Invalid)] {
        let stated = body.replace("\"dab.tableId\":\"t1\"", &format!("\"dab.tableId\":\"{id}\""));
        assert_eq!(stated == body, id == "t1");
        let mut ledger = TinyLedger::new();
        ledger.append(&table.subject(), stated.as_bytes(), None, "CREATE TABLE");
        let mut files = MemoryTable::default();
        files.commits.insert(0, stated.into_bytes());
        let report = audit(&ledger, &files, false);
        assert_eq!(report.verdict(), verdict, "{report}");
        let words = "the table property dab.tableId is \"t2\", not the notarized table id";
        assert_eq!(one_line(&report).contains(words), id == "t2", "{report}");
    }
}

#[test]
fn commit_that_contradicts_its_own_leaf_is_named() {
    // a writer that notarizes a commit which names another version, or a files root that is not the commit's
    let mut ledger = TinyLedger::new();
    let table = TinyTable::new("t1");
    let body = table.commit_json(&ledger, 7, &[("a.parquet", b"a")], &[]);
    let mut files = MemoryTable::default();
    files.commits.insert(0, body.clone());
    files.data.insert("a.parquet".into(), b"a".to_vec());
    ledger.append(&table.subject(), &body, None, "WRITE");
    let report = audit(&ledger, &files, true);
    let text = one_line(&report);
    assert!(
        text.contains("commitInfo.dab names another table, version or previous leaf"),
        "{text}"
    );
    assert!(
        text.contains("the list of added files is not the notarized one"),
        "{text}"
    );
}
