//! `dab-verify follow`, as an auditor runs it who was given a ledger's first members.

use std::fs;

use dab_proof::epoch::{EPOCH_OPERATION, EpochChange, EpochNote, EpochText};
use dab_proof::leaf::Subject;
use dab_proof::note::{SignedNote, SigningKey};
use dab_proof::testing::TinyLedger;
use dab_proof::writers::revoke;

use crate::world::World;

/// The change of a ledger to the members of another one.
fn change(ledger: &mut TinyLedger, next: &TinyLedger) -> EpochChange {
    change_to(ledger, next, next.policy_text())
}

fn change_to(ledger: &mut TinyLedger, next: &TinyLedger, policy: String) -> EpochChange {
    let text = EpochText {
        origin: ledger.log.name().to_owned(),
        members: "1 n1 and what replicas know of it\n".repeat(next.cosigners.len()),
        policy,
        writers: next.writers_text(),
    };
    begin(ledger, &text)
}

/// The change that begins the epoch of `text`.
fn begin(ledger: &mut TinyLedger, text: &EpochText) -> EpochChange {
    let note = SignedNote::sign(&text.text(), &ledger.writer).unwrap();
    let epoch = EpochNote::try_from(note).unwrap();
    let index = ledger.append(&Subject::members(), &epoch.to_bytes(), None, EPOCH_OPERATION);
    let receipt = ledger.receipt(index);
    EpochChange { epoch, receipt }
}

/// A ledger of two cosigners that became one of three, and then of four; and a trust folder of the first ones.
fn changed() -> (World, [EpochChange; 2]) {
    let [mut two, mut three, four] = [2, 3, 4].map(TinyLedger::with_cosigners);
    let first = change(&mut two, &three);
    three.push(&first.receipt.leaf);
    let second = change(&mut three, &four);
    let world = World::new();
    world.write("trust/policy", two.policy_text().as_bytes());
    world.write("trust/writers", two.writers_text().as_bytes());
    let changes = [&first, &second].map(EpochChange::to_text).concat();
    world.write("changes", changes.as_bytes());
    (world, [first, second])
}

#[test]
fn a_trust_folder_follows_the_members_change_by_change() {
    let (world, [first, second]) = changed();
    let policy = || fs::read_to_string(world.path("trust/policy")).unwrap();
    let before = policy();
    let told = world.says("follow changes --trust trust", 0);
    assert!(
        told.starts_with("VALID changes of members and writers, changes changes followed 2 "),
        "{told}"
    );
    assert!(told.contains("writers now 1 may write, 0 may no more"), "{told}");
    assert!(
        told.contains("epoch 1, 3 members: signed by the log key and cosigned by"),
        "{told}"
    );
    assert!(told.contains("nothing was written"), "{told}");
    assert_eq!(policy(), before);
    world.write("first", first.to_text().as_bytes());
    world.run("follow first --trust trust --write", 0);
    assert_eq!(policy(), first.epoch.text().policy);
    // from the middle on
    let told = world.says("follow changes --trust trust --write", 0);
    assert!(
        told.contains("changes followed 1") && told.contains("epoch 2, 4 members"),
        "{told}"
    );
    assert_eq!(policy(), second.epoch.text().policy);
    let told = world.says("follow changes --trust trust --write", 0);
    assert!(told.contains("the file has no later epoch than"), "{told}");
    // nobody is led back
    world.says("follow first --trust trust --write", 0);
    assert_eq!(policy(), second.epoch.text().policy);
    assert_eq!(fs::read_to_string(world.path("trust/epoch")).unwrap(), "2\n");
}

#[test]
fn writers_who_may_write_and_who_may_no_more_are_counted() {
    let mut two = TinyLedger::with_cosigners(2);
    let next = SigningKey::generate("dab/test/next", &[7; 32]).unwrap();
    let writers = revoke(&two.writers_text(), two.writer.verifier()).unwrap();
    let text = EpochText {
        origin: two.log.name().to_owned(),
        members: "1 n1 and what replicas know of it\n".repeat(2),
        policy: two.policy_text(),
        writers: format!("{writers}{} *\n", next.verifier()),
    };
    let world = World::new();
    world.write("trust/policy", two.policy_text().as_bytes());
    world.write("trust/writers", two.writers_text().as_bytes());
    world.write("changes", begin(&mut two, &text).to_text().as_bytes());
    let told = world.says("follow changes --trust trust", 0);
    assert!(told.contains("writers now 1 may write, 1 may no more"), "{told}");
}

/// A quorum of the operators can send a witness outside away, or keep it for show. Whoever follows them is told.
#[test]
fn whoever_follows_is_told_what_becomes_of_the_witnesses_outside() {
    let [mut two, mut three] = [2, 3].map(TinyLedger::with_cosigners);
    let third = three.cosigners[2].verifier().to_string();
    let outside = three
        .policy_text()
        .replace(&third, &format!("{third} https://w3.example/"));
    let joins = change_to(&mut two, &three, outside.clone());
    three.push(&joins.receipt.leaf);
    // still listed, and asked for nothing
    let idles = change_to(
        &mut three,
        &TinyLedger::with_cosigners(3),
        outside.replace(" all ", " 2 "),
    );
    let leaves = change(&mut three, &two);
    let world = World::new();
    world.write("trust/policy", two.policy_text().as_bytes());
    world.write("trust/writers", two.writers_text().as_bytes());
    // the last epoch has the texts of the first
    world.write("trust/epoch", b"0\n");
    world.write(
        "changes",
        [&joins, &idles, &leaves].map(EpochChange::to_text).concat().as_bytes(),
    );
    let told = world.says("follow changes --trust trust", 0);
    for line in [
        "in epoch 1: now dab/test/w3 has to cosign; new dab/test/w3",
        "in epoch 2: now none has to cosign, dab/test/w3 may: whoever runs the replicas",
        "in epoch 3: now none: whoever runs the replicas certifies without",
        "witnesses outside now none: whoever runs",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn a_change_that_does_not_hold_changes_nothing() {
    let (world, [first, second]) = changed();
    let before = fs::read(world.path("trust/policy")).unwrap();
    let text = first.to_text();
    let other = text.replacen("1 n1", "2 n1", 1);
    for (name, bytes) in [
        ("a changed byte", other.as_bytes()),
        ("one is missing", second.to_text().as_bytes()),
        ("the first holds and more follows", format!("{text}x").as_bytes()),
        ("cut short", &text.as_bytes()[..text.len() - 1]),
        ("no changes", b"x"),
    ] {
        world.write("changes", bytes);
        let told = world.run("follow changes --trust trust --write", 1);
        assert!(told.starts_with("INVALID"), "{name}: {told}");
        assert_eq!(fs::read(world.path("trust/policy")).unwrap(), before, "{name}");
    }
    world.run("follow nowhere --trust trust", 2);
    world.run("follow changes --trust nowhere", 2);
    world.write("trust/policy", b"quorum nobody\n");
    world.run("follow changes --trust trust", 2);
    world.run("follow changes", 64);
}
