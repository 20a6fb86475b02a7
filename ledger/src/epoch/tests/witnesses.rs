//! Witnesses outside that come and go.

use super::*;

fn witness(n: u8) -> WitnessAt {
    let key = SigningKey::generate_cosigner(&format!("w{n}.example"), &[n + 200; 32]).unwrap();
    WitnessAt {
        key: key.verifier().clone(),
        url: format!("https://w{n}.example/"),
    }
}

fn engage(witness: WitnessAt) -> Change {
    Change {
        engages: Some(witness),
        ..Change::default()
    }
}

fn dismiss(witness: &WitnessAt) -> Change {
    Change {
        dismisses: Some(witness.key.clone()),
        ..Change::default()
    }
}

fn names(epoch: &Epoch) -> Vec<String> {
    let witnesses = epoch.witnesses();
    witnesses.iter().map(|witness| witness.key.name().to_owned()).collect()
}

#[test]
fn a_witness_comes_goes_or_takes_anothers_place_and_the_policy_is_made_anew() {
    let one = next(&four(), &engage(witness(1)), 3);
    assert!(
        one.text.policy.contains("group outside any outside.1\n"),
        "{}",
        one.text.policy
    );
    let needs = |epoch: &Epoch| !epoch.policy().is_met_by(|witness| witness.url.is_none());
    assert!(needs(&one) && !needs(&four()));
    assert_eq!(one.text.writers, four().text.writers);
    let two = next(&one, &engage(witness(2)), 5);
    let replaced = Change {
        dismisses: Some(witness(1).key),
        ..engage(witness(3))
    };
    let three = next(&two, &replaced, 7);
    assert_eq!(names(&three), ["w3.example", "w2.example"]);
    // together with whatever else changes, and through it
    let both = Change {
        leaves: Some(ReplicaId(4)),
        ..dismiss(&witness(3))
    };
    let left = next(&next(&three, &join(5), 9), &both, 11);
    assert_eq!(names(&left), ["w2.example"]);
    let none = next(&left, &dismiss(&witness(2)), 13);
    assert!(
        !needs(&none) && none.text.policy.ends_with("quorum replicas\n"),
        "{}",
        none.text.policy
    );
    // another URL is the same witness elsewhere
    let elsewhere = WitnessAt {
        url: "https://elsewhere.example/".to_owned(),
        ..witness(2)
    };
    let moved = Change {
        dismisses: Some(witness(2).key),
        ..engage(elsewhere.clone())
    };
    assert_eq!(next(&left, &moved, 13).witnesses(), [elsewhere]);
}

#[test]
fn a_witness_that_could_not_be_asked_or_told_apart_is_not_engaged() {
    let now = next(&four(), &engage(witness(1)), 3);
    refused(
        &alone(),
        &engage(witness(1)),
        "certifies alone: its operator writes whom it asks",
    );
    refused(&alone(), &dismiss(&witness(1)), "certifies alone");
    refused(
        &now,
        &dismiss(&witness(2)),
        "w2.example is no witness outside of this ledger",
    );
    refused(&now, &engage(witness(1)), "there is a witness w1.example already");
    let same = Change {
        dismisses: Some(witness(1).key),
        ..engage(witness(1))
    };
    let unchanged = now.after(&same).unwrap();
    assert!(
        now.change_to(&unchanged)
            .unwrap_err()
            .to_string()
            .contains("it changes nothing")
    );
    let named = |name: &str, seed| WitnessAt {
        key: SigningKey::generate_cosigner(name, &[seed; 32])
            .unwrap()
            .verifier()
            .clone(),
        ..witness(9)
    };
    for (new, reason) in [
        (named("w1.example", 77), "there is a witness w1.example already"),
        (named("dab/test", 77), "would look like one of the ledger's own keys"),
        (named("dab/test/n9", 77), "would look like one of the ledger's own keys"),
        (named("wеb", 77), "visible ASCII"),
        // the same key has another role: a member's, another witness's, a writer's
        (named("w9.example", 101), "has the same public key as"),
        (named("w9.example", 201), "has the same public key as"),
        (named("w9.example", 1), "has the same public key as"),
        (
            WitnessAt {
                key: key("w9.example", 77).verifier().clone(),
                ..witness(9)
            },
            "w9.example",
        ),
    ] {
        refused(&now, &engage(new), reason);
    }
    for url in [
        "",
        "w9",
        "ftp://w9/",
        "https://",
        "https:///x",
        "https://:80",
        "https://w9:99999/",
        "https://w9:0/",
        "https://w9:x/",
        "https://w9/ x",
        "https://w9/\nquorum none",
        "https://w9/#x",
        "https://w9/?x",
        "https://é/",
        &format!("https://{}", "w".repeat(WITNESS_URL_BYTES_MAX)),
    ] {
        let url = url.to_owned();
        refused(&now, &engage(WitnessAt { url, ..witness(9) }), "is no URL of a witness");
    }
    let url = "https://ann:secret@w9.example/".to_owned();
    let told = now
        .after(&engage(WitnessAt { url, ..witness(9) }))
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("a user or a password") && !told.contains("secret"),
        "{told}"
    );
    let mut full = four();
    for n in 0..WITNESSES_MAX {
        full = next(&full, &engage(witness(n.try_into().unwrap())), 3 + n as u64);
    }
    refused(&full, &engage(witness(40)), "has at most 16 witnesses outside");
    let replaced = Change {
        dismisses: Some(witness(3).key),
        ..engage(witness(40))
    };
    next(&full, &replaced, 30);
}

#[test]
fn a_policy_that_asks_less_of_the_witnesses_than_the_rule_is_refused() {
    let now = next(&next(&four(), &engage(witness(1)), 3), &engage(witness(2)), 5);
    let honest = now.after(&engage(witness(3))).unwrap();
    let edit = |from: &str, to: &str| {
        assert!(honest.policy.contains(from), "{from}");
        EpochText {
            policy: honest.policy.replace(from, to),
            ..honest.clone()
        }
    };
    let second = witness(2).key.to_string();
    for wrong in [
        edit("quorum both", "quorum replicas"),
        edit("group both all", "group both any"),
        edit("outside.1 outside.2 outside.3\n", "outside.3\n"),
        edit("https://w1.example/", "https://elsewhere.example/"),
        edit(&second, &witness(4).key.to_string()),
        edit(&format!("{second} https://w2.example/"), &second),
    ] {
        assert!(now.change_to(&wrong).is_err(), "{wrong:?}");
    }
    now.change_to(&honest).unwrap();
}

#[test]
fn witnesses_leave_the_room_in_which_keys_are_revoked() {
    let mut now = four();
    // as many members as there can be, and as many keys as can be registered beside them
    for n in 5..=31 {
        now = next(&now, &join(n), 3);
    }
    let globs = ["x", "y"].map(|letter| format!("digest/{}", letter.repeat(240)));
    let mut keys = Vec::new();
    for n in 0..67 {
        let new = key(&format!("k{n}"), n + 33);
        match now.after(&register(&new, &[&globs[0], &globs[1]])) {
            Ok(text) => now = Epoch::begun(&text, ANY_LEAF).unwrap(),
            Err(_) => break,
        }
        keys.push(new);
    }
    let mut engaged = 0;
    let told = loop {
        let url = format!("https://w.example/{}", "x".repeat(490));
        match now.after(&engage(WitnessAt {
            url,
            ..witness(engaged)
        })) {
            Ok(text) => now = Epoch::begun(&text, ANY_LEAF).unwrap(),
            Err(error) => break error.to_string(),
        }
        engaged += 1;
    };
    assert!(told.contains("an epoch's text has at most"), "after {engaged}: {told}");
    for key in &keys {
        now = next(&now, &revoke(key), TREE_SIZE_MAX - 2);
    }
}
