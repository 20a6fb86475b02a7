use super::*;
use crate::key::SigningKey;

fn vkey(name: &str, seed: u8) -> String {
    SigningKey::generate(name, &[seed; 32]).unwrap().verifier().to_string()
}

#[test]
fn globs_end_in_a_star_or_name_one_subject() {
    let file = format!(
        "# who may write\n\n\t{} table/a* catalog\n{} *\n",
        vkey("a", 1),
        vkey("b", 2)
    );
    let writers = Writers::parse(file.as_bytes()).unwrap();
    let allowed = |writer: usize, subject: &str| {
        writers
            .iter()
            .nth(writer)
            .unwrap()
            .allows(&subject.parse::<Subject>().unwrap())
    };
    assert!(allowed(0, "table/a") && allowed(0, "table/ab") && allowed(0, "catalog"));
    assert!(!allowed(0, "table/b") && !allowed(0, "catalog2") && !allowed(0, "access"));
    assert!(allowed(1, "access"));
    let globs: Vec<_> = writers.iter().map(Writer::globs).collect();
    assert_eq!(globs, [&["table/a*", "catalog"][..], &["*"]]);
}

#[test]
fn glob_is_as_long_as_a_subject_may_be_and_no_longer() {
    let read = |bytes: usize| Writers::parse(format!("{} {}\n", vkey("a", 1), "t".repeat(bytes)).as_bytes());
    assert!(read(SUBJECT_BYTES_MAX).is_ok());
    assert!(read(SUBJECT_BYTES_MAX + 1).is_err());
}

#[test]
fn files_that_could_be_read_in_two_ways_are_refused() {
    let (a, b) = (vkey("a", 1), vkey("b", 1));
    let cosigner = SigningKey::generate_cosigner("c", &[3; 32])
        .unwrap()
        .verifier()
        .to_string();
    for file in [
        format!("{a} *\n{a} *\n"),
        format!("{a} *\n{b} *\n"),
        format!("{a}\n"),
        format!("{a} *"),
        format!("{a} *\r\n"),
        format!("{a} table/*/x\n"),
        format!("{a} **\n"),
        format!("{a} é\n"),
        format!("{cosigner} *\n"),
        "x *\n".to_owned(),
        format!("revoked {a} *\n"),
        format!("revoked 07 {a} *\n"),
        format!("revoked -1 {a} *\n"),
        format!("revoked 18446744073709551616 {a} *\n"),
        format!("revoked 9223372036854775808 {a} *\n"),
        format!("revoked 7 8 {a} *\n"),
        format!("revoked 7 {a}\n"),
        format!("Revoked 7 {a} *\n"),
        format!("{a} *\nrevoked 7 {a} *\n"),
        format!("revoked 7 {a} *\nrevoked 8 {a} *\n"),
        "revoked\n".to_owned(),
        "revoked 7\n".to_owned(),
    ] {
        assert!(Writers::parse(file.as_bytes()).is_err(), "{file:?}");
    }
    assert_eq!(Writers::parse(b"").unwrap().iter().count(), 0);
}

#[test]
fn the_line_of_a_revoked_key_says_from_which_leaf_on() {
    let (a, b) = (vkey("a", 1), vkey("revoked", 2));
    let file = format!("revoked\t7  {a} table/* catalog\n{b} *\n");
    let writers = Writers::parse(file.as_bytes()).unwrap();
    let [revoked, other] = writers.iter().collect::<Vec<_>>()[..] else {
        panic!("two lines")
    };
    assert_eq!((revoked.name(), revoked.revoked_from()), ("a", Some(LeafIndex(7))));
    assert_eq!(revoked.globs(), ["table/*", "catalog"]);
    assert_eq!((other.name(), other.revoked_from()), ("revoked", None));
}

#[test]
fn keys_of_one_name_are_told_apart_by_their_ids() {
    // of the first 113,796 seeds these two are the first whose keys have one id under the name `a`
    let with_seed = |name: &str, seed: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        SigningKey::generate(name, &bytes).unwrap().verifier().clone()
    };
    let (first, same_id) = (with_seed("a", 25_666), with_seed("a", 113_795));
    assert_eq!(first.key_id(), same_id.key_id());
    let read = |other: &VerifierKey| Writers::parse(format!("{first} *\n{other} catalog\n").as_bytes());
    assert!(
        read(&same_id)
            .unwrap_err()
            .to_string()
            .contains("line 2 lists the key of a again")
    );
    let other = with_seed("a", 7);
    let writers = read(&other).unwrap();
    let found = |key: &VerifierKey| writers.find("a", key.key_id()).unwrap().globs().to_vec();
    assert_eq!(
        (found(&first), found(&other)),
        (vec!["*".to_owned()], vec!["catalog".to_owned()])
    );
}
