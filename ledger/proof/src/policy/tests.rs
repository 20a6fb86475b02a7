//! What policies accept and refuse.

use super::*;
use crate::checkpoint::Checkpoint;
use crate::hash::leaf_hash;
use crate::key::SigningKey;
use crate::tree::TreeSize;

fn log() -> SigningKey {
    SigningKey::generate("dab/test", &[100; 32]).unwrap()
}

fn witness(seed: u8) -> SigningKey {
    SigningKey::generate_cosigner(&format!("dab/w{seed}"), &[seed; 32]).unwrap()
}

/// Six witnesses, named and grouped as in the specification's example.
fn definitions() -> String {
    let mut file = format!("log {}\n", log().verifier());
    for (seed, name) in (1..).zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"]) {
        file += &format!("witness {name} {} https://{name}.example\n", witness(seed).verifier());
    }
    file
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "dab/test".into(),
        size: TreeSize(3),
        root: leaf_hash(b"root"),
    }
}

fn cosigned_by(seeds: &[u8]) -> SignedCheckpoint {
    let mut signed = checkpoint().sign(&log()).unwrap();
    for seed in seeds {
        signed
            .add(checkpoint().cosign(&witness(*seed), 1000 + *seed as u64).unwrap())
            .unwrap();
    }
    signed
}

#[test]
fn nested_groups_of_the_specification_are_counted() {
    let groups = "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
        group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
    let policy = Policy::parse(definitions() + groups).unwrap();
    for enough in [&[1, 2, 4][..], &[1, 3, 6], &[2, 3, 5], &[1, 2, 3, 4, 5, 6]] {
        let certification = policy.verify(&cosigned_by(enough)).unwrap();
        assert_eq!(certification.cosigners.len(), enough.len());
        assert!(!certification.alone);
        assert_eq!(certification.quorum, "X-and-Y (2 of X-witnesses Y-witnesses)");
    }
    for few in [&[][..], &[1, 2, 3], &[4, 5, 6], &[1, 4]] {
        assert!(
            matches!(policy.verify(&cosigned_by(few)), Err(Error::QuorumNotMet { .. })),
            "{few:?}"
        );
    }
}

#[test]
fn quorum_none_certifies_alone_and_says_so() {
    let policy = Policy::parse(definitions() + "quorum none\n").unwrap();
    let certification = policy.verify(&cosigned_by(&[])).unwrap();
    assert!(certification.alone && policy.needs_no_cosigner());
    let words = "certifies alone: signed by the log key only, no independent cosigner";
    assert_eq!(certification.to_string(), words);
}

#[test]
fn time_of_the_quorum_is_when_enough_had_cosigned() {
    // a witness's time here is 1000 and its number
    let time = |rule: &str, seeds: &[u8]| {
        let policy = Policy::parse(definitions() + rule).unwrap();
        let certification = policy.verify(&cosigned_by(seeds)).unwrap();
        policy.quorum_time_unix_s(&certification)
    };
    let nested = "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup both all X Y\nquorum both\n";
    assert_eq!(time(nested, &[1, 2, 6]), Some(1001));
    assert_eq!(time(nested, &[1, 2, 3, 6]), Some(1002), "the two latest of X, and Y");
    assert_eq!(
        time("quorum X3\n", &[3, 6]),
        Some(1003),
        "the others' times do not count"
    );
    assert_eq!(time("quorum none\n", &[3, 6]), None);
}

#[test]
fn cosigner_beyond_the_demand_is_named_with_its_time() {
    let policy = Policy::parse(definitions() + "quorum none\n").unwrap();
    let certification = policy.verify(&cosigned_by(&[2])).unwrap();
    assert!(!certification.alone);
    let cosigner = Cosigner {
        name: "X2".into(),
        key_name: "dab/w2".into(),
        time_unix_s: 1002,
    };
    assert_eq!(certification.cosigners, [cosigner]);
}

#[test]
fn single_witness_can_be_the_quorum() {
    let policy = Policy::parse(definitions() + "group g any X1 X2\nquorum X1\n").unwrap();
    assert!(policy.verify(&cosigned_by(&[1])).is_ok());
    assert!(policy.verify(&cosigned_by(&[2])).is_err());
}

#[test]
fn wrong_signature_of_a_listed_key_refuses_the_checkpoint() {
    let policy = Policy::parse(definitions() + "quorum X1\n").unwrap();
    let mut signed = cosigned_by(&[1]);
    let mut wrong = checkpoint().cosign(&witness(2), 1).unwrap();
    wrong.signature[20] ^= 1;
    signed.add(wrong).unwrap();
    assert!(matches!(policy.verify(&signed), Err(Error::BadSignature { .. })));
}

#[test]
fn signature_of_an_unlisted_key_is_ignored() {
    let policy = Policy::parse(definitions() + "quorum X1\n").unwrap();
    let mut signed = cosigned_by(&[1, 50]);
    assert_eq!(policy.verify(&signed).unwrap().cosigners.len(), 1);
    let mut wrong = checkpoint().cosign(&witness(51), 1).unwrap();
    wrong.signature[20] ^= 1;
    signed.add(wrong).unwrap();
    assert!(policy.verify(&signed).is_ok());
}

#[test]
fn checkpoint_of_another_log_is_refused() {
    let policy = Policy::parse(definitions() + "quorum none\n").unwrap();
    let stranger = SigningKey::generate("dab/test", &[101; 32]).unwrap();
    assert!(matches!(
        policy.verify(&checkpoint().sign(&stranger).unwrap()),
        Err(Error::NotSigned { .. })
    ));
    let other = SigningKey::generate("dab/other", &[101; 32]).unwrap();
    let elsewhere = Checkpoint {
        origin: "dab/other".into(),
        ..checkpoint()
    }
    .sign(&other)
    .unwrap();
    assert!(matches!(policy.verify(&elsewhere), Err(Error::NotSigned { .. })));
    // a listed log cannot speak for another origin, though its signature is good
    let line = crate::note::SignedNote::sign(elsewhere.note().text(), &log())
        .unwrap()
        .signatures()[0]
        .clone();
    let mut smuggled = elsewhere;
    smuggled.add(line).unwrap();
    assert!(matches!(policy.verify(&smuggled), Err(Error::NotSigned { .. })));
}

#[test]
fn policy_without_logs_accepts_nothing() {
    let policy = Policy::parse("quorum none\n").unwrap();
    assert!(matches!(policy.verify(&cosigned_by(&[])), Err(Error::NotSigned { .. })));
}

#[test]
fn spaces_tabs_comments_and_foreign_octets_are_allowed() {
    let mut file = definitions().replace(' ', " \t ").into_bytes();
    file.extend(b"\t# Gr\xfc\xdfe\n\n  group \xc3\xa9 any X1\t\n quorum\t\xc3\xa9\n");
    assert!(Policy::parse(file).unwrap().verify(&cosigned_by(&[1])).is_ok());
}

#[test]
fn policies_that_do_not_follow_the_specification_are_refused() {
    let w1 = witness(1).verifier().to_string();
    let definitions = definitions();
    for tail in [
        "",
        "quorum none\nquorum none\n",
        "quorum X9\n",
        "quorum none",
        "quorum none\r\n",
        "quorum\n",
        "quorum none extra\n",
        "Quorum none\n",
        "group g 2 X1 X2\ngroup h any X1\nquorum g\n",
        "group g all X1 X1\nquorum g\n",
        "group g 3 X1 X2\nquorum g\n",
        "group g 0 X1 X2\nquorum g\n",
        "group g 01 X1 X2\nquorum g\n",
        "group g most X1 X2\nquorum g\n",
        "group g any\nquorum g\n",
        "group g any g\nquorum g\n",
        "group g any none\nquorum g\n",
        "group none any X1\nquorum none\n",
        "group X1 any X2\nquorum X1\n",
        "quorum g\ngroup g any X1\n",
        "unknown line\nquorum none\n",
        &format!("witness again {w1}\nquorum none\n"),
        &format!("log {w1}\nquorum none\n"),
        &format!("witness other {}\nquorum none\n", log().verifier()),
        &format!("log {}\nquorum none\n", log().verifier()),
        &format!(
            "log {} url extra\nquorum none\n",
            SigningKey::generate("x", &[9; 32]).unwrap().verifier()
        ),
        // the log's key again as a witness, so that the log would cosign itself
        &format!(
            "witness self {}\nquorum self\n",
            SigningKey::generate_cosigner("dab/test", &[100; 32])
                .unwrap()
                .verifier()
        ),
    ] {
        assert!(Policy::parse(definitions.clone() + tail).is_err(), "{tail:?}");
    }
    assert!(Policy::parse(vec![b'#'; POLICY_BYTES_MAX + 1]).is_err());
}

#[test]
fn deep_nesting_is_refused_before_it_exhausts_the_stack() {
    let mut file = definitions() + "group g0 any X1\n";
    for depth in 1..100 {
        file += &format!("group g{depth} any g{}\n", depth - 1);
    }
    assert!(Policy::parse(file + "quorum g99\n").is_err());
    let nested = |depth: usize| {
        let groups: String = (1..depth).map(|at| format!("group g{at} any g{}\n", at - 1)).collect();
        Policy::parse(definitions() + "group g0 any X1\n" + &groups + "quorum none\n")
    };
    assert!(nested(32).is_ok());
    assert!(nested(33).is_err());
}

#[test]
fn policy_defines_so_many_logs_witnesses_and_groups_and_no_more() {
    let seed = |number: usize| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
        seed
    };
    let logs = |count| -> String {
        let key = |number| SigningKey::generate("dab/test", &seed(number)).unwrap();
        (0..count)
            .map(|number| format!("log {}\n", key(number).verifier()))
            .collect()
    };
    let witnesses = |count| -> String {
        let key = |number| SigningKey::generate_cosigner("dab/w", &seed(number)).unwrap();
        (0..count)
            .map(|number| format!("witness w{number} {}\n", key(number).verifier()))
            .collect()
    };
    // the first half have a witness each, the others one of these groups
    let half = POLICY_DEFINITIONS_MAX / 2 + 1;
    let few = witnesses(half);
    let groups = |count| -> String {
        let group = |number| match number < half {
            true => format!("group g{number} any w{number}\n"),
            false => format!("group g{number} any g{}\n", number - half),
        };
        few.clone() + &(0..count).map(group).collect::<String>()
    };
    for (kind, define) in [
        ("logs", &logs as &dyn Fn(usize) -> String),
        ("witnesses", &witnesses),
        ("groups", &groups),
    ] {
        let read = |count| Policy::parse(define(count) + "quorum none\n");
        read(POLICY_DEFINITIONS_MAX).unwrap();
        let refused = read(POLICY_DEFINITIONS_MAX + 1).unwrap_err().to_string();
        assert!(refused.contains(&format!("more than 1024 {kind}")), "{refused}");
    }
}

#[test]
fn collector_of_cosignatures_learns_whose_a_line_claims_to_be_and_when_there_are_enough() {
    let policy = Policy::parse(definitions() + "group two 2 X1 X2 X3\nquorum two\n").unwrap();
    let line = |seed| checkpoint().cosign(&witness(seed), 1000).unwrap();
    let claimed = |line: &NoteSignature| policy.witness_of(line).map(|witness| witness.name.clone());
    assert_eq!(claimed(&line(2)).as_deref(), Some("X2"));
    assert_eq!(claimed(&line(7)), None);
    let (mut renamed, mut another) = (line(2), line(2));
    renamed.name = "dab/w1".to_owned();
    another.key_id ^= 1;
    assert_eq!((claimed(&renamed), claimed(&another)), (None, None));
    for (names, enough) in [(&["X1", "X3"][..], true), (&["X1", "Y1"], false), (&[], false)] {
        let met = policy.is_met_by(|witness| names.contains(&witness.name.as_str()));
        assert_eq!(met, enough, "{names:?}");
    }
    assert!(!policy.needs_no_cosigner());
    assert!(Policy::parse("quorum none\n").unwrap().needs_no_cosigner());
}
