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
