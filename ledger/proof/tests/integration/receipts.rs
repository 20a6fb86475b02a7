//! Receipts and the artefacts checked with them.

use crate::one_line;
use dab_proof::commit_file::CommitFile;
use dab_proof::error::Error;
use dab_proof::leaf::{Leaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::receipt::Receipt;
use dab_proof::report::{Report, Verdict};
use dab_proof::source::OpenFile;
use dab_proof::testing::{TinyLedger, TinyTable};
use dab_proof::tree::{LeafIndex, PROOF_HASHES_MAX};
use dab_proof::trust::Trust;
use dab_proof::verify::{Artefacts, DataArtefact, verify};

/// A table with two versions on a ledger that others use too; the second version is leaf 3.
fn two_versions() -> (TinyLedger, TinyTable) {
    let mut ledger = TinyLedger::new();
    let mut table = TinyTable::new("t1");
    ledger.append(&Subject::catalog(), b"catalog", None, "CREATE");
    table.commit(&mut ledger, &[("part-0.parquet", b"zero")], &[]);
    ledger.append(&Subject::catalog(), b"catalog 2", None, "RENAME");
    let files: &[(&str, &[u8])] = &[("p=1/part-1.parquet", b"one"), ("p=2/part-1.parquet", b"two!")];
    assert_eq!(table.commit(&mut ledger, files, &[]), LeafIndex(3));
    (ledger, table)
}

fn check(ledger: &TinyLedger, commit: Option<&[u8]>, data: &[(&str, &[u8])]) -> Report {
    let receipt = ledger.receipt(LeafIndex(3)).to_text();
    let data = data.iter().map(|(path, bytes)| DataArtefact {
        path: (*path).to_owned(),
        file: (*bytes).into(),
    });
    verify(
        receipt.as_bytes(),
        &ledger.trust(),
        Artefacts {
            table_id: Some("t1"),
            body: commit.map(Into::into),
            data: data.collect(),
            ..Artefacts::default()
        },
    )
}

#[test]
fn receipt_with_commit_and_data_is_valid_and_says_what_was_checked() {
    let (ledger, table) = two_versions();
    let commit = table.files.commits[&1].as_slice();
    let data: &[(&str, &[u8])] = &[("/x/p=1/part-1.parquet", b"one"), ("p=2/part-1.parquet", b"two!")];
    let report = check(&ledger, Some(commit), data);
    let text = one_line(&report);
    assert_eq!(report.verdict(), Verdict::Valid, "{text}");
    for line in [
        "VALID receipt for version 1 of table t1",
        "3 of a tree of 4 leaves",
        "data file p=2/part-1.parquet: 4 bytes",
        "dab/test/writer (writer): leaf 3",
        "certifies alone: signed by the log key only, no independent cosigner",
        "what was notarized after this checkpoint",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("give --"), "{text}");
    assert!(
        text.lines()
            .all(|line| line.chars().count() <= 80 || line.contains("root")),
        "{text}"
    );
}

#[test]
fn receipt_alone_names_what_was_not_checked() {
    let (ledger, table) = two_versions();
    let report = check(&ledger, None, &[]);
    assert_eq!(report.verdict(), Verdict::Valid);
    assert!(one_line(&report).contains("give --commit"));
    let report = check(
        &ledger,
        Some(&table.files.commits[&1]),
        &[("p=1/part-1.parquet", b"one")],
    );
    assert!(
        one_line(&report).contains("1 of 2 data files that the commit adds: give --data"),
        "{report}"
    );
}

#[test]
fn receipt_of_a_subject_that_is_no_table_is_checked_with_its_body() {
    let (ledger, _) = two_versions();
    let receipt = ledger.receipt(LeafIndex(2)).to_text();
    let check = |body: &[u8]| {
        verify(
            receipt.as_bytes(),
            &ledger.trust(),
            Artefacts {
                body: Some(body.into()),
                ..Artefacts::default()
            },
        )
    };
    assert_eq!(check(b"catalog 2").verdict(), Verdict::Valid);
    assert_eq!(check(b"catalog 3").verdict(), Verdict::Invalid);
}

#[test]
fn forged_commit_and_data_are_named() {
    let (ledger, table) = two_versions();
    let genuine = String::from_utf8(table.files.commits[&1].clone()).unwrap();
    let forged = genuine.replace("\"size\":3", "\"size\":9");
    let report = check(&ledger, Some(forged.as_bytes()), &[]);
    assert_eq!(report.verdict(), Verdict::Invalid);
    let text = one_line(&report);
    assert!(
        text.contains("version 1, 00000000000000000001.json: the commit file is not the notarized"),
        "{text}"
    );
    assert!(
        text.contains("the list of added files is not the notarized one"),
        "{text}"
    );
    let report = check(&ledger, Some(genuine.as_bytes()), &[("p=2/part-1.parquet", b"two?")]);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert_eq!(report.failures[0].file.as_deref(), Some("p=2/part-1.parquet"));
    assert_eq!(report.failures[0].version, Some(1));
    for (path, bytes) in [("p=2/part-1.parquet", &b"two!!"[..]), ("p=1/part-1.parquet", b"two!")] {
        let report = check(&ledger, Some(genuine.as_bytes()), &[(path, bytes)]);
        assert_eq!(report.verdict(), Verdict::Invalid, "{path}");
    }
    let report = check(&ledger, Some(genuine.as_bytes()), &[("other", b"one")]);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert!(
        one_line(&report).contains("version 1, other: the commit adds no file of this name"),
        "{report}"
    );
}

/// Verifies `artefacts` with the receipt of leaf `index`.
fn verify_leaf(ledger: &TinyLedger, index: LeafIndex, artefacts: Artefacts<'_>) -> Report {
    verify(ledger.receipt(index).to_text().as_bytes(), &ledger.trust(), artefacts)
}

#[test]
fn data_file_that_cannot_be_read_leaves_it_undecided() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let (ledger, table) = two_versions();
    let file = OpenFile {
        size: 3,
        reader: Box::new(Broken),
    };
    let artefacts = Artefacts {
        body: Some(table.files.commits[&1].as_slice().into()),
        data: vec![DataArtefact {
            path: "p=1/part-1.parquet".to_owned(),
            file,
        }],
        ..Artefacts::default()
    };
    let report = verify_leaf(&ledger, LeafIndex(3), artefacts);
    assert_eq!(report.verdict(), Verdict::Undecided);
    let told = "version 1, p=1/part-1.parquet: it cannot be read: the disk is gone";
    assert!(one_line(&report).contains(told), "{report}");
}

#[test]
fn change_data_files_and_deletion_vectors_are_named_as_unchecked_where_there_are_any() {
    let (mut ledger, table) = two_versions();
    let plain = check(&ledger, Some(&table.files.commits[&1]), &[]);
    let words = ["1 change data file", "deletion vectors, which hide rows of data files"];
    assert!(words.iter().all(|words| !one_line(&plain).contains(words)), "{plain}");
    let body = format!(
        r#"{{"commitInfo":{{"operation":"DELETE"}}}}
{{"cdc":{{"path":"_change_data/c.parquet"}}}}
{{"add":{{"path":"z.parquet","size":1,"deletionVector":{{"storageType":"u"}},"tags":{{"dab.blake3":"{:064}"}}}}}}"#,
        0
    );
    let body = body.as_bytes();
    let files = CommitFile::parse(body).unwrap().files_root().unwrap();
    let index = ledger.append(&table.subject(), body, files, "DELETE");
    let body = Some(body.into());
    let report = verify_leaf(
        &ledger,
        index,
        Artefacts {
            body,
            ..Artefacts::default()
        },
    );
    assert!(words.iter().all(|words| one_line(&report).contains(words)), "{report}");
}

#[test]
fn receipt_of_foreign_data_says_whose_word_it_is() {
    let word = "no leaf names a user, nor where the bytes came from";
    for (subject, is_foreign) in [("digest/backup", true), ("digest/", false), ("catalog", false)] {
        let mut ledger = TinyLedger::new();
        let index = ledger.append(&subject.parse().unwrap(), b"bytes", None, "NOTARIZE");
        let report = verify_leaf(&ledger, index, Artefacts::default());
        assert_eq!(one_line(&report).contains(word), is_foreign, "{report}");
    }
}

#[test]
fn commit_of_another_version_is_refused() {
    let (ledger, table) = two_versions();
    let report = check(&ledger, Some(&table.files.commits[&0]), &[]);
    assert_eq!(report.verdict(), Verdict::Invalid);
}

#[test]
fn data_file_is_found_by_its_last_segment_even_when_two_partitions_share_it() {
    let (ledger, table) = two_versions();
    let commit = table.files.commits[&1].as_slice();
    for (bytes, verdict) in [
        (&b"one"[..], Verdict::Valid),
        (b"two!", Verdict::Valid),
        (b"three", Verdict::Invalid),
    ] {
        let report = check(&ledger, Some(commit), &[("part-1.parquet", bytes)]);
        assert_eq!(report.verdict(), verdict, "{report}");
    }
}

#[test]
fn data_without_commit_is_undecided() {
    let (ledger, _) = two_versions();
    assert_eq!(
        check(&ledger, None, &[("part-1.parquet", b"one")]).verdict(),
        Verdict::Undecided
    );
}

#[test]
fn receipt_of_a_foreign_writer_log_or_origin_is_refused() {
    let (mut ledger, _) = two_versions();
    let trust = ledger.trust();
    let refused = |receipt: &Receipt, trust: &Trust| receipt.verify(trust).unwrap_err();
    let genuine = ledger.receipt(LeafIndex(3));
    genuine.verify(&trust).unwrap();
    let no_writers = Trust::from_texts(ledger.policy_text(), "", None).unwrap();
    assert!(matches!(refused(&genuine, &no_writers), Error::WriterUnknown { .. }));
    let catalog_only = format!("{} catalog\n", ledger.writer.verifier());
    let catalog_only = Trust::from_texts(ledger.policy_text(), catalog_only, None).unwrap();
    assert!(matches!(
        refused(&genuine, &catalog_only),
        Error::WriterNotAllowed { .. }
    ));
    let stranger = SigningKey::generate("dab/test", &[77; 32]).unwrap();
    let other_log = format!("log {}\nquorum none\n", stranger.verifier());
    let other_log = Trust::from_texts(other_log, ledger.writers_text(), None).unwrap();
    assert!(matches!(refused(&genuine, &other_log), Error::NotSigned { .. }));
    // a leaf that was written for another ledger and taken over into this one
    let foreign = Leaf {
        origin: "dab/elsewhere".into(),
        ..genuine.leaf.leaf().clone()
    }
    .sign(&ledger.writer)
    .unwrap();
    let index = ledger.push(&foreign);
    assert!(matches!(
        refused(&ledger.receipt(index), &trust),
        Error::WrongOrigin { .. }
    ));
}

#[test]
fn quorum_is_asked_of_the_receipt() {
    let mut ledger = TinyLedger::with_cosigners(2);
    ledger.append(&Subject::catalog(), b"x", None, "CREATE");
    let receipt = ledger.receipt(LeafIndex(0));
    let verified = receipt.verify(&ledger.trust()).unwrap();
    assert!(!verified.certification.alone);
    assert_eq!(verified.certification.cosigners.len(), 2);
    let lonely = String::from_utf8(receipt.to_text().into_bytes()).unwrap();
    let (lonely, _) = lonely.rsplit_once("— ").unwrap();
    let lonely = Receipt::parse(lonely.as_bytes()).unwrap();
    assert!(matches!(
        lonely.verify(&ledger.trust()),
        Err(Error::QuorumNotMet { .. })
    ));
    let report = verify(receipt.to_text().as_bytes(), &ledger.trust(), Artefacts::default());
    assert!(
        one_line(&report).contains("at 2023-11-14 22:13:21 UTC by its own clock"),
        "{report}"
    );
}

#[test]
fn receipt_is_the_file_of_the_specification() {
    let (ledger, _) = two_versions();
    let receipt = ledger.receipt(LeafIndex(3));
    let text = receipt.to_text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert!(lines[1].starts_with("extra "));
    assert_eq!(lines[2], "index 3");
    assert_eq!((lines[5], lines[6], lines[7]), ("", "dab/test", "4"));
    assert_eq!(Receipt::parse(text.as_bytes()).unwrap(), receipt);
    for spoiled in [
        text.replace("index 3", "index 03"),
        text.replace("index 3", "index 2"),
        text.replace("index 3\n", ""),
        text.replace("@v1", "@v2"),
        text.replace("\nextra ", "\nxtra "),
        text.clone() + "\n",
        text.replace('\n', "\r\n"),
        text.replacen("\n\n", "\n", 1),
        text.replacen("\n\n", &format!("\n{}\n", format!("{}\n", lines[3]).repeat(62)), 1),
    ] {
        let accepted = Receipt::parse(spoiled.as_bytes()).is_ok_and(|receipt| receipt.verify(&ledger.trust()).is_ok());
        assert!(!accepted, "{spoiled}");
    }
}

#[test]
fn receipt_has_as_many_hashes_as_a_proof_may_and_no_more() {
    let (ledger, _) = two_versions();
    let honest = ledger.receipt(LeafIndex(3));
    let with_hashes = |count| Receipt {
        proof: vec![honest.leaf.hash(); count],
        ..honest.clone()
    };
    let longest = with_hashes(PROOF_HASHES_MAX);
    assert_eq!(Receipt::parse(longest.to_text().as_bytes()).as_ref(), Ok(&longest));
    assert!(longest.verify(&ledger.trust()).is_err());
    assert!(Receipt::parse(with_hashes(PROOF_HASHES_MAX + 1).to_text().as_bytes()).is_err());
}

#[test]
fn receipt_is_as_long_as_the_largest_note_and_16_kib_and_no_longer() {
    let largest = (1 << 20) + (16 << 10);
    let read = |bytes| Receipt::parse(&vec![b'a'; bytes]);
    assert!(matches!(read(largest), Err(Error::Malformed { .. })));
    assert!(matches!(read(largest + 1), Err(Error::TooLarge { .. })));
}
