//! Audits of good, damaged and forged ledgers.

use std::fs;

use crate::one_line;
use dab_proof::audit::audit_ledger;
use dab_proof::files::DirSource;
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::report::{Report, Verdict};
use dab_proof::source::Source;
use dab_proof::testing::{MemorySource, ORIGIN, TinyLedger};
use dab_proof::tree::TreeSize;

fn ledger_of(leaves: u64) -> TinyLedger {
    let mut ledger = TinyLedger::new();
    for leaf in 0..leaves {
        let subject = Subject::table(&format!("t{}", leaf % 3)).unwrap();
        ledger.append(&subject, &leaf.to_be_bytes(), None, "WRITE");
    }
    ledger
}

fn audit(ledger: &TinyLedger, source: &MemorySource) -> Report {
    audit_ledger(source, &ledger.trust(), None)
}

/// Expects a failure whose text has `words`.
fn assert_invalid(report: &Report, words: &str) {
    let text = one_line(report);
    assert_eq!(report.verdict(), Verdict::Invalid, "{text}");
    let messages: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert!(
        messages.iter().any(|message| message.contains(words)),
        "{words:?} not in {messages:?}"
    );
}

#[test]
fn good_ledgers_of_all_shapes_are_valid() {
    for leaves in [0, 1, 2, 3, 255, 256, 257, 600] {
        let ledger = ledger_of(leaves);
        let report = audit(&ledger, &ledger.public());
        assert_eq!(report.verdict(), Verdict::Valid, "{leaves}: {report}");
        assert!(one_line(&report).contains("certifies alone"), "{report}");
    }
    let report = audit(&ledger_of(600), &ledger_of(600).public());
    // 600 leaves: two full tiles and one partial one, and one partial tile above
    assert!(one_line(&report).contains("4 tiles of hashes"), "{report}");
    assert!(
        one_line(&report).contains("sequence and parent of every leaf, in 3 subjects"),
        "{report}"
    );
    assert!(
        one_line(&report).contains("dab/test/writer (writer): 600 leaves"),
        "{report}"
    );
}

#[test]
fn an_audit_says_which_witnesses_are_asked_and_how_often_that_may_have_changed() {
    let alone = ledger_of(3);
    let told = one_line(&audit(&alone, &alone.public()));
    assert!(
        !told.contains("witnesses outside") && !told.contains("of who certifies"),
        "{told}"
    );
    let mut ledger = TinyLedger::with_cosigners(2);
    ledger.append(&Subject::members(), b"first", None, "MEMBERS");
    ledger.append(&Subject::catalog(), b"body", None, "WRITE");
    let last = ledger.append(&Subject::members(), b"second", None, "MEMBERS");
    let report = audit(&ledger, &ledger.public());
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let told = one_line(&report);
    assert!(
        told.contains("witnesses outside none: whoever runs the replicas"),
        "{told}"
    );
    let changes = format!("which witness is asked says (2 leaves, the last is {last}): dab-verify follow");
    assert!(told.contains(&changes), "{told}");
}

#[test]
fn partial_files_that_gave_way_to_full_ones_are_not_missed() {
    // the checkpoint was read at 255 leaves; since then the ledger has grown and removed the partial files
    let ledger = ledger_of(300);
    let mut source = ledger.public();
    source
        .files
        .insert("checkpoint".into(), ledger.checkpoint_at(TreeSize(255)).to_bytes());
    let report = audit(&ledger, &source);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
}

#[test]
fn a_folder_that_grew_beyond_its_checkpoint_is_read_from_the_wider_files() {
    // the partial files of sizes 40 and 290 are gone, as after a copy that took the checkpoint first
    for (size, grown) in [(40, 41), (40, 100), (40, 256), (40, 300), (290, 300)] {
        let ledger = ledger_of(grown);
        let dir = tempfile::tempdir().unwrap();
        let mut files = ledger.public().files;
        files.insert("checkpoint".into(), ledger.checkpoint_at(TreeSize(size)).to_bytes());
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let source = DirSource::new(dir.path());
        let report = audit_ledger(&source, &ledger.trust(), None);
        assert_eq!(report.verdict(), Verdict::Valid, "{size} of {grown}: {report}");
        assert_eq!(source.read("tile/entries/002.p/1").unwrap(), None);
        // a wider file is believed no more than one of the right width
        let path = dir.path().join(if grown < 256 {
            format!("tile/0/000.p/{grown}")
        } else {
            "tile/0/000".into()
        });
        let honest = fs::read(&path).unwrap();
        fs::write(&path, [&[honest[0] ^ 1], &honest[1..]].concat()).unwrap();
        assert_invalid(&audit_ledger(&source, &ledger.trust(), None), "hash of this leaf");
        // nor one that is torn
        fs::write(&path, &honest[..32]).unwrap();
        assert_eq!(audit_ledger(&source, &ledger.trust(), None).verdict(), Verdict::Invalid);
    }
}

#[test]
fn every_changed_byte_of_every_public_file_is_caught() {
    let ledger = ledger_of(4);
    let source = ledger.public();
    assert_eq!(source.files.len(), 3);
    for (path, file) in &source.files {
        for offset in 0..file.len() {
            let mut spoiled = source.clone();
            spoiled.files.get_mut(path).unwrap()[offset] ^= 1 << (offset % 8);
            let report = audit(&ledger, &spoiled);
            assert_eq!(report.verdict(), Verdict::Invalid, "byte {offset} of {path}");
        }
    }
}

#[test]
fn missing_and_unreadable_files_are_told_apart() {
    let ledger = ledger_of(300);
    for path in [
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ] {
        let mut source = ledger.public();
        assert!(source.files.remove(path).is_some(), "{path}");
        assert_invalid(&audit(&ledger, &source), &format!("{path}: it is missing"));
        let source = MemorySource {
            unreadable: Some(path.into()),
            ..ledger.public()
        };
        let report = audit(&ledger, &source);
        assert_eq!(report.verdict(), Verdict::Undecided, "{report}");
        assert!(one_line(&report).contains(path), "{report}");
    }
    let unreadable = MemorySource {
        unreadable: Some("checkpoint".into()),
        ..ledger.public()
    };
    assert_eq!(audit(&ledger, &unreadable).verdict(), Verdict::Undecided);
    assert_eq!(audit(&ledger, &MemorySource::default()).verdict(), Verdict::Undecided);
}

#[test]
fn tile_that_fails_is_not_among_those_that_were_checked() {
    // four tiles of hashes; each in turn is missing, unreadable or changed
    let ledger = ledger_of(600);
    let whole = ledger.public();
    for path in whole
        .files
        .keys()
        .filter(|path| path.starts_with("tile/") && !path.contains("entries"))
    {
        let unreadable = MemorySource {
            unreadable: Some(path.clone()),
            ..whole.clone()
        };
        let (mut missing, mut changed) = (whole.clone(), whole.clone());
        missing.files.remove(path);
        changed.files.get_mut(path).unwrap()[0] ^= 1;
        for source in [missing, changed, unreadable] {
            let report = audit(&ledger, &source);
            assert_ne!(report.verdict(), Verdict::Valid);
            let checked = report.checked.join("\n");
            assert!(checked.contains("3 of 4 tiles of hashes"), "{path}: {report}");
            // the leaves hold whatever becomes of the tiles
            assert!(
                checked.contains("signature and writer of every leaf"),
                "{path}: {report}"
            );
        }
    }
    let mut none = whole;
    none.files
        .retain(|path, _| !path.starts_with("tile/") || path.contains("entries"));
    let report = audit(&ledger, &none);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert!(!report.checked.join("\n").contains("tiles of hashes"), "{report}");
}

#[test]
fn changed_tile_names_the_leaf() {
    let ledger = ledger_of(300);
    let mut source = ledger.public();
    source.files.get_mut("tile/0/000").unwrap()[32 * 77] ^= 1;
    source.files.get_mut("tile/0/001.p/44").unwrap()[32 * 9] ^= 1;
    let report = audit(&ledger, &source);
    assert_invalid(&report, "the tile does not have the hash of this leaf");
    let leaves: Vec<_> = report.failures.iter().map(|failure| failure.leaf_index).collect();
    assert_eq!(leaves, [Some(77), Some(256 + 9)]);
    let mut source = ledger.public();
    source.files.get_mut("tile/1/000.p/1").unwrap()[0] ^= 1;
    assert_invalid(
        &audit(&ledger, &source),
        "the tile has a wrong hash for node 0 of its level",
    );
}

#[test]
fn checkpoint_of_another_key_or_an_older_one_is_not_taken_for_this_ledgers() {
    let ledger = ledger_of(5);
    let stranger = SigningKey::generate(ORIGIN, &[55; 32]).unwrap();
    let mut source = ledger.public();
    let forged = ledger.checkpoint().checkpoint().sign(&stranger).unwrap();
    source.files.insert("checkpoint".into(), forged.to_bytes());
    assert_invalid(&audit(&ledger, &source), "not signed by a log of the policy");
}

#[test]
fn quorum_is_asked_of_the_checkpoint() {
    let mut ledger = TinyLedger::with_cosigners(3);
    ledger.append(&Subject::catalog(), b"x", None, "CREATE");
    let report = audit(&ledger, &ledger.public());
    assert_eq!(report.verdict(), Verdict::Valid);
    assert!(one_line(&report).contains("cosigned by w1, w2, w3"), "{report}");
    let mut source = ledger.public();
    let alone = ledger.checkpoint().checkpoint().sign(&ledger.log).unwrap();
    source.files.insert("checkpoint".into(), alone.to_bytes());
    assert_invalid(&audit(&ledger, &source), "quorum witnesses (3 of w1 w2 w3) is not met");
}

type Spoil = fn(Leaf) -> Leaf;

/// A well-formed next leaf of subject `x`, to be spoiled.
fn next(ledger: &TinyLedger) -> Leaf {
    let subject: Subject = "x".parse().unwrap();
    let head = ledger.head(&subject);
    Leaf {
        origin: ORIGIN.into(),
        sequence: head.map_or(0, |(sequence, _)| sequence + 1),
        parent: head.map(|(_, hash)| hash),
        subject,
        body: BodyDigest::of(b"body"),
        files: None,
        operation: "WRITE".into(),
    }
}

#[test]
fn leaves_that_break_the_rule_are_named() {
    let cases: [(&str, Spoil); 6] = [
        ("has sequence 3 here, 2 is due", |leaf| Leaf { sequence: 3, ..leaf }),
        ("has sequence 1 here, 2 is due", |leaf| Leaf { sequence: 1, ..leaf }),
        ("has sequence 0 here, 2 is due", |leaf| Leaf {
            sequence: 0,
            parent: None,
            ..leaf
        }),
        ("its parent is not the previous leaf", |leaf| Leaf {
            parent: Some(dab_proof::hash::leaf_hash(b"other")),
            ..leaf
        }),
        ("it is meant for ledger dab/elsewhere", |leaf| Leaf {
            origin: "dab/elsewhere".into(),
            ..leaf
        }),
        ("has sequence 2 here, 0 is due", |leaf| Leaf {
            subject: "y".parse().unwrap(),
            ..leaf
        }),
    ];
    for (words, spoil) in cases {
        let mut ledger = TinyLedger::new();
        for _ in 0..2 {
            let leaf = next(&ledger).sign(&ledger.writer).unwrap();
            ledger.push(&leaf);
        }
        assert_eq!(audit(&ledger, &ledger.public()).verdict(), Verdict::Valid);
        let leaf = spoil(next(&ledger)).sign(&ledger.writer).unwrap();
        ledger.push(&leaf);
        let report = audit(&ledger, &ledger.public());
        assert_invalid(&report, words);
        assert_eq!(report.failures[0].leaf_index, Some(2));
    }
}

#[test]
fn leaf_of_an_unlisted_writer_and_entry_that_is_no_leaf_are_named() {
    let mut ledger = TinyLedger::new();
    let stranger = SigningKey::generate("dab/stranger", &[56; 32]).unwrap();
    let leaf = next(&ledger).sign(&stranger).unwrap();
    ledger.push(&leaf);
    ledger.push_entry(b"not a leaf");
    let report = audit(&ledger, &ledger.public());
    assert_invalid(&report, "leaf 0: leaf is signed by dab/stranger");
    assert_invalid(&report, "leaf 1: ");
}

#[test]
fn older_checkpoint_proves_append_only() {
    let ledger = ledger_of(300);
    for size in [0, 1, 255, 256, 299, 300] {
        let since = ledger.checkpoint_at(TreeSize(size)).to_bytes();
        let report = audit_ledger(&ledger.public(), &ledger.trust(), Some(&since));
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
        assert!(
            report
                .checked
                .iter()
                .any(|line| line.contains(&format!("from size {size} to 300"))),
            "{report}"
        );
    }
}

#[test]
fn rewritten_or_shrunken_history_is_noticed_by_an_older_checkpoint() {
    let before = ledger_of(5);
    let mut after = TinyLedger::new();
    for leaf in 0..7_u64 {
        after.append(&Subject::catalog(), &leaf.to_be_bytes(), None, "WRITE");
    }
    let since = before.checkpoint().to_bytes();
    assert_eq!(
        audit(&after, &after.public()).verdict(),
        Verdict::Valid,
        "consistent in itself"
    );
    assert_invalid(
        &audit_ledger(&after.public(), &after.trust(), Some(&since)),
        "history was rewritten",
    );
    let shrunk = ledger_of(4);
    assert_invalid(
        &audit_ledger(&shrunk.public(), &shrunk.trust(), Some(&since)),
        "the ledger shrank",
    );
    // an older checkpoint that does not hold itself proves nothing either way
    let spoiled = [&since[..since.len() - 10], b"AAAAAAAAA\n"].concat();
    let report = audit_ledger(&before.public(), &before.trust(), Some(&spoiled));
    assert_eq!(report.verdict(), Verdict::Undecided, "{report}");
}

#[test]
fn an_audit_does_not_say_that_every_leaf_holds_where_one_does_not_or_is_not_there() {
    let claim = "form, origin, signature and writer of every leaf";
    let mut ledger = ledger_of(300);
    let told = one_line(&audit(&ledger, &ledger.public()));
    assert!(told.contains(claim) && !told.contains("the head map in"), "{told}");
    let mut source = ledger.public();
    source.files.remove("tile/entries/001.p/44");
    let report = audit(&ledger, &source);
    assert_invalid(&report, "missing");
    assert!(!one_line(&report).contains(claim), "{report}");
    // good leaves before and after a bad one do not make up for it
    ledger.push_entry(b"no leaf at all");
    ledger.append(&Subject::catalog(), b"record", None, "CREATE TABLE");
    let report = audit(&ledger, &ledger.public());
    assert_invalid(&report, "leaf 300");
    assert!(!one_line(&report).contains(claim), "{report}");
}
