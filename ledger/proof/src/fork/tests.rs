use super::*;
use crate::leaf::Subject;
use crate::report::{Report, Verdict};
use crate::testing::TinyLedger;
use crate::trust::Trust;

/// A ledger of `size` leaves, the last `own` of which no other has.
fn ledger(size: u64, own: u64, body: &str) -> TinyLedger {
    let mut ledger = TinyLedger::with_cosigners(1);
    for leaf in 0..size {
        let body = if leaf + own < size {
            format!("{leaf}")
        } else {
            format!("{body} {leaf}")
        };
        ledger.append(&Subject::catalog(), body.as_bytes(), None, "WRITE");
    }
    ledger
}

fn check(first: &TinyLedger, second: &TinyLedger, further: Further<'_>) -> Report {
    check_fork(
        &first.checkpoint().to_bytes(),
        &second.checkpoint().to_bytes(),
        &first.trust(),
        further,
    )
}

fn words(report: &Report) -> String {
    report.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn two_roots_of_one_size_name_the_guilty_keys() {
    let (honest, forged) = (ledger(5, 0, ""), ledger(5, 2, "forged"));
    let report = check(&honest, &forged, Further::Nothing);
    assert_eq!(report.verdict(), Verdict::Invalid);
    let found = words(&report);
    assert!(found.contains("for size 5 both root"), "{found}");
    assert!(
        found.contains("log dab/test (key id") && found.contains("cosigner dab/test/w1 (key id"),
        "{found}"
    );
    assert_eq!(check(&honest, &honest, Further::Nothing).verdict(), Verdict::Valid);
    // by whom each was signed, and when
    let certified = |ledger: &TinyLedger| honest.trust().policy.verify(&ledger.checkpoint()).unwrap();
    let times = [&honest, &forged].map(|ledger| Some(certified(ledger).cosigners[0].time_unix_s));
    let shown: Vec<_> = report.signatures.iter().map(|signed| signed.time_unix_s).collect();
    assert_eq!(shown, [None, times[0], None, times[1]]);
}

#[test]
fn two_sizes_need_tiles_or_a_proof() {
    for old in 1..12 {
        for new in old + 1..14 {
            let (honest, forged) = (ledger(old, 0, ""), ledger(new, new, "forged"));
            let undecided = check(&honest, &forged, Further::Nothing);
            assert_eq!(undecided.verdict(), Verdict::Undecided);
            assert!(
                words(&undecided).contains("or the tiles of the larger tree"),
                "{undecided}"
            );
            let tiles = forged.public();
            for (first, second) in [(&honest, &forged), (&forged, &honest)] {
                assert_eq!(check(first, second, Further::Tiles(&tiles)).verdict(), Verdict::Invalid);
            }
            let relation = compare(
                honest.checkpoint().checkpoint(),
                forged.checkpoint().checkpoint(),
                &tiles,
            );
            let Ok(Relation::Contradictory(Some(proof))) = relation else {
                panic!("{relation:?}")
            };
            let text = proof.to_text();
            assert_eq!(ForkProof::parse(text.as_bytes()).unwrap(), proof);
            assert_eq!(
                check(&honest, &forged, Further::Proof(text.as_bytes())).verdict(),
                Verdict::Invalid
            );
            let honest = ledger(new, 0, "");
            let older = honest.checkpoint_at(TreeSize(old)).to_bytes();
            let grown =
                |further| check_fork(&older, &honest.checkpoint().to_bytes(), &honest.trust(), further).verdict();
            let tiles = honest.public();
            assert_eq!(grown(Further::Tiles(&tiles)), Verdict::Valid);
            assert_eq!(
                grown(Further::Proof(text.as_bytes())),
                Verdict::Undecided,
                "a proof for another tree"
            );
        }
    }
}

#[test]
fn a_consistency_proof_of_a_fork_shows_the_root_that_it_grew_from() {
    let (honest, forged) = (ledger(7, 0, ""), ledger(12, 12, "forged"));
    let newer = forged.checkpoint();
    for size in 1..12 {
        let hashes = forged.consistency(TreeSize(size), TreeSize(12));
        let shown = ForkProof::from_consistency(TreeSize(size), newer.checkpoint(), &hashes);
        assert_eq!(shown.is_none(), size.is_power_of_two());
        if let Some(proof) = shown {
            proof.verify(newer.checkpoint()).unwrap();
            assert_eq!(proof.root, forged.checkpoint_at(TreeSize(size)).checkpoint().root);
        }
    }
    let hashes = forged.consistency(TreeSize(7), TreeSize(12));
    assert!(ForkProof::from_consistency(TreeSize(7), honest.checkpoint().checkpoint(), &hashes).is_none());
}

#[test]
fn notes_that_no_log_of_the_policy_signed_prove_nothing() {
    let (honest, forged) = (ledger(5, 0, ""), ledger(5, 2, "forged"));
    let mut stranger = ledger(5, 2, "forged");
    stranger.log = crate::note::SigningKey::generate("dab/test", &[77; 32]).unwrap();
    let report = check(&honest, &stranger, Further::Nothing);
    assert_eq!(report.verdict(), Verdict::Undecided, "{report}");
    // a spoiled line of a cosigner does not save the log
    let text = String::from_utf8(forged.checkpoint().to_bytes()).unwrap();
    let spoiled = text.replace("w1 ", "w1 AAAA");
    let report = check_fork(
        &honest.checkpoint().to_bytes(),
        spoiled.as_bytes(),
        &honest.trust(),
        Further::Nothing,
    );
    assert_eq!(report.verdict(), Verdict::Invalid);
    let other = Trust::from_texts("quorum none\n", "", None).unwrap();
    let report = check_fork(
        &honest.checkpoint().to_bytes(),
        &forged.checkpoint().to_bytes(),
        &other,
        Further::Nothing,
    );
    assert_eq!(report.verdict(), Verdict::Undecided);
}

#[test]
fn what_is_no_fork_proof_is_refused() {
    let tiles = ledger(5, 0, "");
    let good = ForkProof::from_tiles(TreeSize(3), tiles.checkpoint().checkpoint(), &tiles.public()).unwrap();
    let text = good.to_text();
    for spoiled in [
        String::new(),
        text.trim_end().to_owned(),
        text.replace("v1", "v2"),
        text.replace("size 3", "size 03"),
        text.replace("root ", "root  "),
        text.clone() + "\n",
        text.clone() + &format!("{}\n", good.root).repeat(64),
    ] {
        assert!(ForkProof::parse(spoiled.as_bytes()).is_err(), "{spoiled:?}");
    }
    let longest = ForkProof {
        hashes: vec![good.root; PROOF_HASHES_MAX],
        ..good
    };
    assert_eq!(ForkProof::parse(longest.to_text().as_bytes()), Ok(longest));
}
