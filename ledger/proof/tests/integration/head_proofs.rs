//! Head proofs: what honest ones show, and what no tampered one shows.

use dab_proof::Error;
use dab_proof::audit::audit_ledger;
use dab_proof::head_map::{MAP_PATH_STEPS_MAX, MapEntry, MapKey, Step};
use dab_proof::head_proof::{Found, HeadProof, verify_head};
use dab_proof::heads_leaf::{HeadsBody, MAP_WINDOW_LEAVES};
use dab_proof::leaf::Subject;
use dab_proof::report::{Report, Verdict};
use dab_proof::testing::TinyLedger;
use dab_proof::tree::{LeafIndex, TreeSize};

/// Thirty leaves on seven tables and the catalog, under the heads leaf 30, which covers them all; then two leaves more.
fn ledger(cosigners: u8) -> TinyLedger {
    let mut ledger = TinyLedger::with_cosigners(cosigners);
    for at in 0..30_u32 {
        let subject = match at % 8 {
            7 => Subject::catalog(),
            table => self::table(table),
        };
        ledger.append(&subject, &at.to_be_bytes(), None, "WRITE");
    }
    ledger.append_heads(TreeSize(30));
    ledger.append(&table(1), b"later", None, "WRITE");
    ledger.append(&table(70), b"later", None, "WRITE");
    ledger
}

fn table(number: u32) -> Subject {
    Subject::table(&number.to_string()).unwrap()
}

fn proof(ledger: &TinyLedger, subject: &Subject) -> HeadProof {
    ledger.head_proof(subject, TreeSize(30), LeafIndex(30))
}

#[test]
fn proof_shows_the_last_leaf_and_survives_its_text() {
    for cosigners in [0, 3] {
        let ledger = ledger(cosigners);
        for (subject, index, sequence) in [(table(1), 25, 3), (table(6), 22, 2), (Subject::catalog(), 23, 2)] {
            let proof = proof(&ledger, &subject);
            assert_eq!(HeadProof::parse(proof.to_text().as_bytes()).unwrap(), proof);
            let verified = proof.verify(&ledger.trust()).unwrap();
            let head = verified.head.unwrap();
            assert_eq!((head.index, head.leaf.leaf().sequence), (LeafIndex(index), sequence));
            assert_eq!((verified.size, verified.subjects), (TreeSize(30), 8));
            assert_eq!(
                verified.heads_leaf.certification.cosigners.len(),
                usize::from(cosigners)
            );
        }
    }
}

#[test]
fn proof_shows_that_a_subject_has_no_leaf() {
    let mut ledger = ledger(0);
    // also of one that came later: the proof speaks about the first 30 leaves
    for subject in [table(70), table(71), "digest/x".parse().unwrap()] {
        let proof = proof(&ledger, &subject);
        assert_eq!(HeadProof::parse(proof.to_text().as_bytes()).unwrap(), proof);
        assert_eq!(proof.verify(&ledger.trust()).unwrap().head, None);
    }
    let later = ledger.append_heads(TreeSize(33));
    let proof = ledger.head_proof(&table(70), TreeSize(33), later);
    assert_eq!(
        proof.verify(&ledger.trust()).unwrap().head.unwrap().index,
        LeafIndex(32)
    );
    let mut empty = TinyLedger::new();
    let heads = empty.append_heads(TreeSize(0));
    let proof = empty.head_proof(&table(1), TreeSize(0), heads);
    assert_eq!(proof.found, Found::Nothing);
    assert_eq!(HeadProof::parse(proof.to_text().as_bytes()).unwrap(), proof);
    assert_eq!(proof.verify(&empty.trust()).unwrap().head, None);
}

/// One path may show of several subjects that they have no leaf: about another such subject the proof is as true.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let ledger = ledger(1);
    let (trust, map) = (ledger.trust(), ledger.head_map(TreeSize(30)));
    for subject in [table(1), table(71)] {
        let file = proof(&ledger, &subject).to_text().into_bytes();
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 1 << (at % 8);
            if let Ok(shown) = HeadProof::parse(&other).and_then(|proof| proof.verify(&trust)) {
                let key = MapKey::of(&shown.subject);
                let has_leaf = map.map.find(&map, &key).unwrap().entry_of(&key).is_some();
                let true_of_another = shown.subject != subject && shown.head.is_none() && !has_leaf;
                assert!(true_of_another, "bit {} of byte {at} of {}", at % 8, file.len());
            }
        }
        for end in 0..file.len() {
            assert!(
                HeadProof::parse(&file[..end])
                    .and_then(|proof| proof.verify(&trust))
                    .is_err()
            );
        }
    }
}

#[test]
fn an_older_leaf_another_map_and_another_binding_are_refused() {
    let mut ledger = ledger(0);
    let trust = ledger.trust();
    let refused = |what: &str, proof: HeadProof| {
        let read = HeadProof::parse(proof.to_text().as_bytes()).unwrap();
        let error = read.verify(&trust).expect_err(what);
        assert!(matches!(error, Error::ProofRejected { .. }), "{what}: {error}");
    };
    let honest = proof(&ledger, &table(1));
    let older = Found::Head {
        index: LeafIndex(17),
        leaf: Box::new(ledger.receipt(LeafIndex(17)).leaf),
    };
    refused(
        "the leaf before the last",
        HeadProof {
            found: older,
            ..honest.clone()
        },
    );
    let newer = Found::Head {
        index: LeafIndex(31),
        leaf: Box::new(ledger.receipt(LeafIndex(31)).leaf),
    };
    refused(
        "a leaf behind the map",
        HeadProof {
            found: newer,
            ..honest.clone()
        },
    );
    let other = proof(&ledger, &table(2));
    refused(
        "another's leaf",
        HeadProof {
            found: other.found.clone(),
            ..honest.clone()
        },
    );
    refused(
        "another's path",
        HeadProof {
            steps: other.steps.clone(),
            ..honest.clone()
        },
    );
    refused(
        "another's proof",
        HeadProof {
            subject: table(2),
            ..honest.clone()
        },
    );
    refused(
        "a larger map",
        HeadProof {
            size: TreeSize(31),
            ..honest.clone()
        },
    );
    refused(
        "one subject more",
        HeadProof {
            subjects: 9,
            ..honest.clone()
        },
    );
    refused(
        "no leaf",
        HeadProof {
            found: Found::Nothing,
            ..honest.clone()
        },
    );
    let nothing = HeadProof {
        found: Found::Nothing,
        steps: vec![],
        ..honest.clone()
    };
    refused("no map", nothing);
    let last = ledger.receipt(LeafIndex(25)).leaf;
    let own = MapEntry {
        key: MapKey::of(&table(1)),
        sequence: last.leaf().sequence,
        leaf_index: LeafIndex(25),
        leaf_hash: last.hash(),
    };
    let denied = HeadProof {
        found: Found::Other(own),
        ..honest.clone()
    };
    refused("its own entry as another's, which would say that it has none", denied);
    refused(
        "the heads themselves",
        HeadProof {
            subject: Subject::heads(),
            ..proof(&ledger, &table(71))
        },
    );
    let bound = HeadProof {
        receipt: ledger.receipt(LeafIndex(29)),
        ..honest.clone()
    };
    refused("bound by no heads leaf", bound);
    // the owner of the ledger cannot have two maps of one size either, once replicas compute them: here nobody does
    let lie = ledger.append(&Subject::heads(), b"dab/head-map/v1\n", None, "HEADS");
    refused(
        "bound by another heads leaf",
        HeadProof {
            receipt: ledger.receipt(lie),
            ..honest.clone()
        },
    );
    let body = ledger.heads_body(TreeSize(30)).text();
    let wrong = ledger.append(&Subject::heads(), body.as_bytes(), None, "WRITE");
    refused(
        "bound by another operation",
        HeadProof {
            receipt: ledger.receipt(wrong),
            ..honest.clone()
        },
    );
    let moved = ledger.append(&table(99), body.as_bytes(), None, "HEADS");
    refused(
        "bound by another subject",
        HeadProof {
            receipt: ledger.receipt(moved),
            ..honest.clone()
        },
    );
}

#[test]
fn a_map_that_covers_more_than_came_before_its_leaf_is_refused() {
    // a ledger that takes anything: the text is right, but for leaves that are not there yet
    let mut ledger = TinyLedger::new();
    ledger.append(&table(1), b"0", None, "WRITE");
    let mut ahead = TinyLedger::new();
    ahead.append(&table(1), b"0", None, "WRITE");
    ahead.append(&table(1), b"1", None, "WRITE");
    ahead.append(&table(1), b"2", None, "WRITE");
    let body = ahead.heads_body(TreeSize(3));
    let heads = ledger.append(&Subject::heads(), body.text().as_bytes(), None, "HEADS");
    let ahead_heads = ahead.append_heads(TreeSize(3));
    let proof = HeadProof {
        receipt: ledger.receipt(heads),
        ..ahead.head_proof(&table(1), TreeSize(3), ahead_heads)
    };
    let error = proof.verify(&ledger.trust()).unwrap_err().to_string();
    assert!(
        error.contains("leaf 1 cannot speak about the first 3 leaves"),
        "{error}"
    );
}

#[test]
fn a_head_behind_the_leaves_that_are_covered_is_refused() {
    let mut ledger = TinyLedger::new();
    for body in 0..3_u8 {
        ledger.append(&table(1), &[body], None, "WRITE");
    }
    let size = TreeSize(2);
    let body = HeadsBody {
        size,
        ..ledger.heads_body(TreeSize(3))
    };
    let heads = ledger.append(&Subject::heads(), body.text().as_bytes(), None, "HEADS");
    let proof = HeadProof {
        size,
        ..ledger.head_proof(&table(1), TreeSize(3), heads)
    };
    let error = proof.verify(&ledger.trust()).unwrap_err().to_string();
    assert!(error.contains("leaf 2 is not among the first 2"), "{error}");
}

#[test]
fn what_is_too_long_is_refused_unread() {
    let ledger = ledger(0);
    let honest = proof(&ledger, &table(1));
    let step = Step {
        bit: 0,
        sibling: ledger.checkpoint().checkpoint().root,
    };
    let with_steps = |count| HeadProof {
        steps: vec![step; count],
        ..honest.clone()
    };
    let longest = with_steps(MAP_PATH_STEPS_MAX);
    assert_eq!(HeadProof::parse(longest.to_text().as_bytes()), Ok(longest));
    assert!(matches!(
        HeadProof::parse(with_steps(MAP_PATH_STEPS_MAX + 1).to_text().as_bytes()),
        Err(Error::Malformed { .. })
    ));
    // a receipt of a MiB and 16 KiB, two leaves of 4 KiB and 256 steps of 64 bytes
    let largest = (1 << 20) + (16 << 10) + 2 * 4096 + 256 * 64;
    let read = |bytes| HeadProof::parse(&vec![b'a'; bytes]);
    assert!(matches!(read(largest), Err(Error::Malformed { .. })));
    assert!(matches!(read(largest + 1), Err(Error::TooLarge { .. })));
    for (old, new) in [
        ("head-proof/v1", "head-proof/v2"),
        ("\nsize 30", "\nsize 030"),
        ("\nsubjects 8", "\nsubjects +8"),
        ("\nhead 25 ", "\nhead  25 "),
        ("\nhead 25 ", "\nhead 025 "),
        ("\nhead ", "\nheads "),
        ("\nsubject table/1\n", "\nsubject table/1\nsubject table/1\n"),
    ] {
        let text = honest.to_text();
        assert!(text.contains(old), "{old:?}");
        let other = text.replacen(old, new, 1);
        assert!(HeadProof::parse(other.as_bytes()).is_err(), "{new:?}");
    }
}

#[test]
fn report_says_what_was_covered_and_holds_the_table_against_the_one_asked_for() {
    let ledger = ledger(2);
    let trust = ledger.trust();
    let file = proof(&ledger, &table(1)).to_text();
    let report = verify_head(file.as_bytes(), &trust, Some("1"));
    assert_eq!(report.verdict(), Verdict::Valid);
    assert_eq!(report.title, "table 1: version 3 is its last of 30 leaves");
    let text = report.to_string();
    assert!(text.contains("the checkpoint has 3 more"), "{text}");
    assert!(text.contains("quorum witnesses"), "{text}");
    let other = verify_head(file.as_bytes(), &trust, Some("2"));
    assert_eq!(other.verdict(), Verdict::Invalid);
    let absent = proof(&ledger, &table(71)).to_text();
    let report = verify_head(absent.as_bytes(), &trust, None);
    assert_eq!(
        report.title,
        "table 71: there is no leaf of it among the first 30 leaves"
    );
    let fewer = TinyLedger::with_cosigners(3).trust();
    assert_eq!(verify_head(file.as_bytes(), &fewer, None).verdict(), Verdict::Invalid);
}

fn audit(ledger: &TinyLedger) -> Report {
    audit_ledger(&ledger.public(), &ledger.trust(), None)
}

#[test]
fn an_audit_of_the_ledger_derives_the_map_of_each_heads_leaf() {
    let mut ledger = ledger(1);
    ledger.append_heads(TreeSize(32));
    ledger.append_heads(TreeSize(34));
    // as late as may be
    let late = ledger.heads_body(TreeSize(35));
    (0..MAP_WINDOW_LEAVES - 1).for_each(|at| _ = ledger.append(&table(5), &at.to_be_bytes(), None, "WRITE"));
    ledger.append(&Subject::heads(), late.text().as_bytes(), None, "HEADS");
    let report = audit(&ledger);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let checked = "the head map in 4 heads leaves, derived from the leaves before it";
    assert!(report.checked.iter().any(|what| what == checked), "{report}");
}

#[test]
fn an_audit_of_the_ledger_finds_a_heads_leaf_that_lies_goes_back_or_comes_too_late() {
    type Lie = fn(&mut TinyLedger) -> Vec<u8>;
    let lies: [(&str, Lie); 5] = [
        ("another root", |ledger| {
            let root = ledger.checkpoint().checkpoint().root;
            HeadsBody {
                root,
                ..ledger.heads_body(TreeSize(33))
            }
            .text()
            .into()
        }),
        ("a subject forgotten", |ledger| {
            let map = ledger.heads_body(TreeSize(20));
            HeadsBody {
                size: TreeSize(33),
                ..map
            }
            .text()
            .into()
        }),
        ("going back", |ledger| ledger.heads_body(TreeSize(30)).text().into()),
        ("too late", |ledger| {
            let body = ledger.heads_body(TreeSize(33));
            (0..MAP_WINDOW_LEAVES).for_each(|at| _ = ledger.append(&table(5), &at.to_be_bytes(), None, "WRITE"));
            body.text().into()
        }),
        ("no text of a map", |_| b"nothing".to_vec()),
    ];
    for (name, lie) in lies {
        let mut ledger = ledger(0);
        let body = lie(&mut ledger);
        let index = ledger.append(&Subject::heads(), &body, None, "HEADS");
        let report = audit(&ledger);
        assert_eq!(report.verdict(), Verdict::Invalid, "{name}");
        assert_eq!(report.failures[0].leaf_index, Some(index.0), "{name}: {report}");
        assert_eq!(report.failures.len(), 1, "{name}: {report}");
    }
}
