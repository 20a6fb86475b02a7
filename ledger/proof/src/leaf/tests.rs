//! The one text of a statement, and those that are refused.

use super::*;

fn leaf() -> Leaf {
    Leaf {
        origin: "dab/test".into(),
        subject: Subject::table("0f4c2a1e").unwrap(),
        sequence: 1,
        parent: Some(Hash::from_bytes([1; 32])),
        body: BodyDigest::of(b"body"),
        files: Some(FilesRoot {
            root: Hash::from_bytes([2; 32]),
            count: 3,
        }),
        operation: "CREATE TABLE".into(),
    }
}

#[test]
fn text_is_the_one_of_the_design() {
    // the digests of b"body" are those that b3sum and sha256sum print
    let text = "dab/leaf/v1\norigin dab/test\nsubject table/0f4c2a1e\nsequence 1\n\
        parent AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\
        body blake3:0be9c598ae63835518e7fb422dc3027f452d75f3dbdb94c90d843298b1180ad9 sha256:230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5 4\n\
        files rfc6962-sha256:0202020202020202020202020202020202020202020202020202020202020202 3\n\
        operation CREATE TABLE\n";
    let written = leaf().text();
    assert_eq!(written, text);
    assert_eq!(Leaf::parse(&written).unwrap(), leaf());
}

#[test]
fn first_leaf_without_files_uses_dashes() {
    let first = Leaf {
        sequence: 0,
        parent: None,
        files: None,
        ..leaf()
    };
    assert!(first.text().contains("\nparent -\n") && first.text().contains("\nfiles -\n"));
    assert_eq!(Leaf::parse(&first.text()).unwrap(), first);
}

#[test]
fn fields_that_do_not_fit_are_refused() {
    for wrong in [
        Leaf {
            origin: "two words".into(),
            ..leaf()
        },
        Leaf {
            origin: "a+b".into(),
            ..leaf()
        },
        Leaf {
            origin: String::new(),
            ..leaf()
        },
        Leaf { parent: None, ..leaf() },
        Leaf { sequence: 0, ..leaf() },
        Leaf {
            files: Some(FilesRoot {
                root: Hash::from_bytes([2; 32]),
                count: 0,
            }),
            ..leaf()
        },
        Leaf {
            operation: String::new(),
            ..leaf()
        },
        Leaf {
            operation: "A  B".into(),
            ..leaf()
        },
        Leaf {
            operation: " A".into(),
            ..leaf()
        },
        Leaf {
            operation: "A\nB".into(),
            ..leaf()
        },
        Leaf {
            operation: "É".into(),
            ..leaf()
        },
        Leaf {
            operation: "A".repeat(65),
            ..leaf()
        },
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
        assert!(Leaf::parse(&wrong.text()).is_err(), "{wrong:?}");
    }
    for subject in ["", "a b", "a\n", "é", &"x".repeat(256)] {
        assert!(subject.parse::<Subject>().is_err(), "{subject:?}");
    }
    assert!("x".repeat(255).parse::<Subject>().is_ok());
}

#[test]
fn other_spellings_of_a_statement_are_refused() {
    let text = leaf().text();
    for wrong in [
        text.replace("sequence 1", "sequence 01"),
        text.replace("sequence 1", "sequence  1"),
        text.replace("sequence 1", "sequence 1 "),
        text.replace("dab/leaf/v1", "dab/leaf/v2"),
        text.replace('\n', "\r\n"),
        text.replace("blake3:", "BLAKE3:"),
        text.replace("\nfiles ", "\nextra x\nfiles "),
        text.replace("origin dab/test\n", ""),
        text.clone() + "\n",
        text.clone() + "operation X\n",
        text.trim_end().to_owned(),
        text.to_uppercase(),
        String::new(),
    ] {
        assert!(Leaf::parse(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn digest_is_that_of_one_body() {
    let digest = leaf().body;
    assert!(digest.matches(b"body"));
    for other in [&b"bodx"[..], b"bod", b"body\0", b""] {
        assert!(!digest.matches(other), "{other:?}");
    }
}

#[test]
fn operation_is_as_long_as_it_may_be_and_no_longer() {
    let checked = |bytes: usize| {
        let operation = "X".repeat(bytes);
        Leaf { operation, ..leaf() }.check()
    };
    assert!(checked(OPERATION_BYTES_MAX).is_ok());
    assert!(checked(OPERATION_BYTES_MAX + 1).is_err());
}
