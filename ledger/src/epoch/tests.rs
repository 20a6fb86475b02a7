//! What may become of an epoch, and what may not.

mod witnesses;

use dab_proof::epoch::EpochNote;
use dab_proof::note::{SignedNote, SigningKey};

use super::*;
use crate::members::Candidate;
use crate::peer::PeerKey;

const ORIGIN: &str = "dab/test";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::generate(name, &[seed; 32]).unwrap()
}

fn log() -> SigningKey {
    key(ORIGIN, 255)
}

fn member_key(n: u8) -> SigningKey {
    key(&member_writer_name(ORIGIN, &format!("n{n}")), n)
}

fn candidate(n: u8) -> Candidate {
    let (name, seed) = (format!("n{n}"), [n + 100; 32]);
    let cosigner = SigningKey::generate_cosigner(&cosigner_name(ORIGIN, &name), &seed).unwrap();
    Candidate {
        name,
        address: format!("127.0.0.1:{}", 4000 + u16::from(n)),
        peer_key: PeerKey::of(&[n]),
        cosigner: cosigner.verifier().clone(),
        writer: member_key(n).verifier().clone(),
    }
}

/// Four members, `n1` to `n4`.
fn four() -> Epoch {
    let members = Members::of_founders((1..=4).map(candidate).collect()).unwrap();
    Epoch::first(log().verifier(), &members, &[]).unwrap()
}

fn own() -> SigningKey {
    key(&writer_name(ORIGIN), 50)
}

/// A node that certifies alone.
fn alone() -> Epoch {
    let policy = format!("log {}\nquorum none\n", log().verifier());
    Epoch::alone(ORIGIN, &policy, &writers_text([own().verifier()])).unwrap()
}

fn register(key: &SigningKey, globs: &[&str]) -> Change {
    Change {
        registers: Some(NewWriter {
            key: key.verifier().clone(),
            globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
        }),
        ..Change::default()
    }
}

fn revoke(key: &SigningKey) -> Change {
    Change {
        revokes: Some(key.verifier().clone()),
        ..Change::default()
    }
}

fn leave(id: u64) -> Change {
    Change {
        leaves: Some(ReplicaId(id)),
        ..Change::default()
    }
}

fn join(n: u8) -> Change {
    Change {
        joins: Some(candidate(n)),
        ..Change::default()
    }
}

/// The epoch after a change, which is the leaf at `index`; the text alone has to tell the change.
fn next(now: &Epoch, change: &Change, index: u64) -> Epoch {
    let text = now.after(change).unwrap_or_else(|error| panic!("{change:?}: {error}"));
    assert_eq!(now.change_to(&text).as_ref(), Ok(change));
    Epoch::begun(&text, LeafIndex(index)).unwrap()
}

#[track_caller]
fn refused(now: &Epoch, change: &Change, reason: &str) {
    let told = now.after(change).unwrap_err().to_string();
    assert!(told.contains(reason), "{told:?} does not say {reason:?}");
}

fn revoked_from(epoch: &Epoch, key: &SigningKey) -> Option<Option<LeafIndex>> {
    let writer = epoch.writers().find(key.name(), key.verifier().key_id());
    writer.map(Writer::revoked_from)
}

#[test]
fn a_key_is_registered_for_some_subjects_and_revoked_once_and_its_line_stays() {
    let backup = key("backup", 60);
    for now in [alone(), four()] {
        let with = next(&now, &register(&backup, &["digest/backup/*", "digest/x"]), 7);
        assert_eq!(
            (with.members.count(), &with.text.policy),
            (now.members.count(), &now.text.policy)
        );
        assert!(with.text.writers.starts_with(&now.text.writers));
        let without = next(&with, &revoke(&backup), 9);
        assert_eq!(revoked_from(&without, &backup), Some(Some(LeafIndex(10))));
        refused(&without, &revoke(&backup), "backup is no key that may write now");
        refused(
            &without,
            &register(&backup, &["digest/x"]),
            "is revoked from leaf 10 on, for ever: make another",
        );
        // another key of that name may come when the first one has gone, also in the same change
        let second = key("backup", 61);
        for other in [&second, &key("Backup", 62)] {
            refused(
                &with,
                &register(other, &["digest/x"]),
                "already: give the new key another",
            );
        }
        next(&without, &register(&second, &["digest/x"]), 12);
        let both = Change {
            revokes: Some(backup.verifier().clone()),
            ..register(&second, &["digest/x"])
        };
        next(&with, &both, 12);
    }
}

#[test]
fn a_key_that_could_pass_for_the_ledgers_own_or_write_its_subjects_is_not_registered() {
    for now in [alone(), four()] {
        for globs in [&["*"][..], &["members"], &["heads"], &["digest/x", "he*"], &["m*"]] {
            refused(
                &now,
                &register(&key("x", 60), globs),
                "which only the ledger's own keys write",
            );
        }
        for globs in [&[][..], &["a b"], &["x\ny"], &["d*x"], &["é"], &["digest/x\n# "]] {
            assert!(now.after(&register(&key("x", 60), globs)).is_err(), "{globs:?}");
        }
        for name in [
            "dab/test",
            "dab/test/writer",
            "dab/test/n9/writer",
            "dab/test/n1",
            "dab/test/backup",
            "Dab/test/writer",
            "DAB/TEST",
        ] {
            refused(
                &now,
                &register(&key(name, 60), &["digest/x"]),
                "would look like one of the ledger's own keys",
            );
        }
        refused(&now, &register(&key("bаckup", 60), &["digest/x"]), "visible ASCII");
        for name in ["dab/tests", "dab", "n1", "members"] {
            next(&now, &register(&key(name, 60), &["table/*", "catalog", "digest/*"]), 3);
        }
        let cosigner = SigningKey::generate_cosigner("x", &[60; 32]).unwrap();
        assert!(now.after(&register(&cosigner, &["digest/x"])).is_err());
        // the same key has another role
        refused(
            &now,
            &register(&key("x", 255), &["digest/x"]),
            "has the same public key as dab/test",
        );
    }
}

#[test]
fn whoever_leaves_writes_no_more_and_ids_are_given_once_whatever_keys_are_registered() {
    let backup = key("backup", 60);
    let with = next(&four(), &register(&backup, &["digest/x"]), 4);
    let five = next(&with, &join(5), 6);
    assert_eq!(five.members.iter().last().map(|member| member.id.0), Some(5));
    let gone = next(&five, &leave(5), 8);
    assert_eq!(revoked_from(&gone, &member_key(5)), Some(Some(LeafIndex(9))));
    assert_eq!(revoked_from(&gone, &member_key(4)), Some(None));
    let replaced = Change {
        joins: Some(candidate(6)),
        ..leave(2)
    };
    let six = next(&gone, &replaced, 10);
    let ids: Vec<u64> = six.members.iter().map(|member| member.id.0).collect();
    assert_eq!(ids, [1, 3, 4, 6]);
    assert_eq!(revoked_from(&six, &member_key(2)), Some(Some(LeafIndex(11))));
    // with the old keys nobody comes back
    refused(&six, &join(5), "again");
    refused(&six, &revoke(&member_key(1)), "dab node remove n1");
    // one who is a member no more is revoked already
    refused(&six, &revoke(&member_key(2)), "is no key that may write now");
}

#[test]
fn a_node_that_is_alone_has_no_members_and_keeps_its_own_key() {
    let now = alone();
    refused(&now, &join(5), "certifies alone, and has no members");
    refused(&now, &leave(1), "certifies alone, and has no members");
    refused(&now, &revoke(&own()), "is the node's own key");
    refused(&now, &revoke(&key("x", 60)), "x is no key that may write now");
    refused(&now, &Change::default(), "no key is registered or revoked");
    // a second key of its own, as an operator may have written, makes the first one dispensable
    let second = key(own().name(), 51);
    let (policy, writers) = (&now.text.policy, &now.text.writers);
    let two = Epoch::alone(ORIGIN, policy, &format!("{writers}{} *\n", second.verifier())).unwrap();
    next(&two, &revoke(&own()), 3);
    let useless = format!("{writers}{} table/*\n", second.verifier());
    refused(
        &Epoch::alone(ORIGIN, policy, &useless).unwrap(),
        &revoke(&own()),
        "is the node's own key",
    );
}

#[test]
fn a_change_takes_the_approval_of_a_quorum_of_the_members_or_of_the_one_node() {
    let backup = key("backup", 60);
    let approved = |now: &Epoch, change: &Change, signers: &[SigningKey]| {
        let text = now.after(change).unwrap().text();
        let mut note = SignedNote::sign(&text, &signers[0]).unwrap();
        for signer in &signers[1..] {
            for line in SignedNote::sign(&text, signer).unwrap().signatures() {
                note.add(line.clone()).unwrap();
            }
        }
        now.check_approved(&EpochNote::try_from(note).unwrap())
            .map_err(|error| error.to_string())
    };
    let registers = register(&backup, &["digest/x"]);
    let four = four();
    approved(&four, &registers, &[1, 2, 4].map(member_key)).unwrap();
    let few = approved(&four, &registers, &[member_key(1), member_key(3), backup.clone()]).unwrap_err();
    assert!(
        few.contains("3 of 4 members have to approve, and these do: n1, n3"),
        "{few}"
    );
    approved(&alone(), &registers, &[own()]).unwrap();
    let padded = approved(
        &four,
        &registers,
        &[member_key(1), member_key(2), member_key(3), key("x", 63)],
    )
    .unwrap_err();
    assert!(
        padded.contains("signed by others than those who may approve"),
        "{padded}"
    );
    // a stolen key registers no other, and neither does a log's
    let with = next(&alone(), &registers, 3);
    for signer in [backup, log(), member_key(1)] {
        let told = approved(&with, &register(&key("y", 61), &["digest/y"]), &[signer]).unwrap_err();
        assert!(told.contains("the node's own key has to approve"), "{told}");
    }
    // one who was revoked approves of nothing
    let gone = next(&four, &leave(4), 5);
    let few = approved(&gone, &register(&key("y", 61), &["digest/y"]), &[1, 4].map(member_key)).unwrap_err();
    assert!(
        few.contains("2 of 3 members have to approve, and these do: n1"),
        "{few}"
    );
}

#[test]
fn a_text_that_does_not_follow_or_follows_no_more_is_refused() {
    let (backup, other) = (key("backup", 60), key("other", 61));
    let now = next(&four(), &register(&backup, &["digest/x"]), 4);
    let gone = next(&now, &leave(4), 6);
    for epoch in [&now, &gone] {
        // what was approved once cannot be applied again
        for text in [
            four().after(&register(&backup, &["digest/x"])).unwrap(),
            epoch.text.clone(),
        ] {
            assert!(epoch.change_to(&text).is_err());
        }
    }
    assert!(gone.change_to(&now.after(&leave(4)).unwrap()).is_err());
    let honest = gone.after(&register(&other, &["digest/y"])).unwrap();
    let vkey = |key: &SigningKey| key.verifier().to_string();
    let edit = |from: &str, to: &str| {
        assert!(honest.writers.contains(from), "{from}");
        EpochText {
            writers: honest.writers.replace(from, to),
            ..honest.clone()
        }
    };
    for wrong in [
        // a key comes back, or was revoked at another time; another one is narrowed, widened, hidden
        edit("revoked 7 ", ""),
        edit("revoked 7 ", "revoked 8 "),
        edit("revoked 7 ", "revoked "),
        edit("digest/x", "digest/xy"),
        edit("digest/x", "*"),
        edit(&vkey(&backup), &format!("# {}", vkey(&backup))),
        // more than was asked for
        edit("digest/y\n", &format!("digest/y\n{} digest/z\n", vkey(&key("z", 62)))),
        edit(&vkey(&backup), &format!("revoked 1 {}", vkey(&backup))),
        edit(&vkey(&other), &format!("revoked {}", vkey(&other))),
        edit(&vkey(&member_key(1)), &format!("revoked {}", vkey(&member_key(1)))),
        // whose globs cover what only members write
        edit("digest/y", "*"),
        EpochText {
            origin: "dab/other".to_owned(),
            ..honest.clone()
        },
        EpochText {
            members: String::new(),
            ..honest.clone()
        },
        EpochText {
            policy: honest.policy.replace("replicas 2", "replicas 1"),
            ..honest.clone()
        },
    ] {
        assert!(gone.change_to(&wrong).is_err(), "{wrong:?}");
    }
    gone.change_to(&honest).unwrap();
}

#[test]
fn the_list_of_writers_has_an_end_that_is_named_and_leaves_room_to_revoke_them_all() {
    let mut now = alone();
    let long = "x".repeat(250);
    let mut count = 0;
    let told = loop {
        let new = key(&format!("{count}"), u8::try_from(100 + count).unwrap());
        match now.after(&register(&new, &[&format!("digest/{}", &long[..240]), "digest/x"])) {
            Ok(text) => now = Epoch::begun(&text, LeafIndex(TREE_SIZE_MAX - 2)).unwrap(),
            Err(error) => break error.to_string(),
        }
        count += 1;
    };
    assert!(
        told.contains(&format!("the limit is {REGISTRATION_BYTES_MAX}")),
        "{told}"
    );
    assert!(count > 90, "{count}");
    for n in 0..count {
        let key = key(&format!("{n}"), u8::try_from(100 + n).unwrap());
        now = next(&now, &revoke(&key), TREE_SIZE_MAX - 2);
    }
    assert!(now.text.writers.len() <= REGISTRATION_BYTES_MAX);
}
