//! Keys that come and go by the ledger's own leaves, and what a leader could make of the order of an entry.

use dab_proof::epoch::EPOCH_OPERATION;
use dab_proof::leaf::{BodyDigest, Leaf};
use dab_proof::note::SignedNote;

use super::*;
use crate::epoch::{Change, Epoch, NewWriter};
use crate::state_machine::members::{CHANGES_BYTES_MAX, CHANGES_RESERVED_BYTES};

/// A node that is alone, its key allowed everything.
fn world() -> World {
    let mut world = World::new();
    let settings = world.settings.as_mut().unwrap();
    settings.writers = format!("{} *\n", world.writer.verifier());
    world
}

fn backup() -> SigningKey {
    SigningKey::generate("backup", &[60; 32]).unwrap()
}

fn registers(globs: &str) -> Change {
    Change {
        registers: Some(NewWriter {
            key: backup().verifier().clone(),
            globs: vec![globs.to_owned()],
        }),
        ..Change::default()
    }
}

fn revokes() -> Change {
    Change {
        revokes: Some(backup().verifier().clone()),
        ..Change::default()
    }
}

impl World {
    /// The leaf of a change, which the node's key approves of.
    fn change(&self, change: &Change) -> Statement {
        let settings = self.settings.clone().unwrap();
        let log = SigningKey::generate(ORIGIN, &[9; 32]).unwrap();
        let policy = format!("log {}\nquorum none\n", log.verifier());
        let now = Epoch::alone(ORIGIN, &policy, &settings.writers).unwrap();
        let body = SignedNote::sign(&now.after(change).unwrap().text(), &self.writer).unwrap();
        let (body, subject) = (body.to_bytes(), Subject::members());
        let head = self.heads.get(subject.as_str());
        let leaf = Leaf {
            origin: ORIGIN.to_owned(),
            sequence: head.map_or(0, |head| head.sequence + 1),
            parent: head.map(|head| head.leaf_hash),
            subject,
            body: BodyDigest::of(&body),
            files: None,
            operation: EPOCH_OPERATION.to_owned(),
        };
        Statement {
            leaf: leaf.sign(&self.writer).unwrap(),
            body: Some(body.into()),
        }
    }

    fn by_backup(&self, subject: &str) -> Statement {
        statement(ORIGIN, &backup(), subject, 0, None, subject)
    }
}

#[test]
fn a_key_writes_from_behind_its_registration_up_to_the_entry_that_revokes_it() {
    let mut world = world();
    assert!(refused(world.propose_one(vec![world.by_backup("digest/a")])).contains("does not list"));
    let registration = world.change(&registers("digest/*"));
    assert_eq!(accepted(world.propose_one(vec![registration])), [0]);
    assert_eq!(accepted(world.propose_one(vec![world.by_backup("digest/a")])), [1]);
    assert!(refused(world.propose_one(vec![world.by_backup("table/a")])).contains("may not write"));
    // what shares the entry of the revocation comes before it
    let entry = vec![vec![world.by_backup("digest/b")], vec![world.change(&revokes())]];
    let verdicts = world.propose(entry).into_iter().map(accepted);
    assert_eq!(verdicts.collect::<Vec<_>>(), [[2], [3]]);
    assert!(world.settings.as_ref().unwrap().writers.contains("\nrevoked 4 backup+"));
    let late = world.by_backup("digest/c");
    assert!(refused(world.propose_one(vec![late])).contains("revoked from leaf 4 on"));
    assert_eq!(world.size, 4);
}

/// Otherwise a leader that holds a stolen key could bring its leaves in behind the leaf that revokes it.
#[test]
fn nothing_comes_behind_a_change_in_its_entry_nor_beside_it() {
    let mut world = world();
    assert_eq!(
        accepted(world.propose_one(vec![world.change(&registers("digest/*"))])),
        [0]
    );
    let (revocation, late) = (world.change(&revokes()), world.by_backup("digest/a"));
    let mut verdicts = world
        .propose(vec![vec![revocation.clone()], vec![late.clone()]])
        .into_iter();
    assert!(refused(verdicts.next().unwrap()).contains("the last of its entry"));
    assert_eq!(accepted(verdicts.next().unwrap()), [1]);
    let beside = vec![late, revocation];
    assert!(refused(world.propose_one(beside)).contains("proposed alone"));
    // two changes: the second does not follow
    let (second, other) = (world.change(&revokes()), world.change(&revokes()));
    let mut verdicts = world.propose(vec![vec![second], vec![other]]).into_iter();
    assert!(refused(verdicts.next().unwrap()).contains("the last of its entry"));
    assert_eq!(accepted(verdicts.next().unwrap()), [2]);
}

/// A file that was edited by hand, or a leader with settings of its own, brings no key back.
#[test]
fn settings_do_not_undo_what_the_ledger_has_changed() {
    let mut world = world();
    let first = world.settings.clone().unwrap();
    accepted(world.propose_one(vec![world.change(&registers("digest/*"))]));
    accepted(world.propose_one(vec![world.change(&revokes())]));
    let now = world.settings.clone().unwrap();
    let writers = format!("{}{} *\n", first.writers, backup().verifier());
    for settings in [first.clone(), Settings { writers, ..first }] {
        world.take(Content::Settings(settings));
        assert_eq!(world.settings, Some(now.clone()));
    }
}

/// Whoever begins to follow the ledger reads all changes, and a replica that catches up is told all of them at once.
#[test]
fn changes_end_where_nobody_could_read_them_any_more_and_taking_away_ends_last() {
    let mut world = world();
    accepted(world.propose_one(vec![world.change(&registers("digest/*"))]));
    let first = world.settings.as_ref().unwrap().changes_bytes;
    let text = world.settings.as_ref().unwrap().members.len() as u64;
    assert!(
        first > text && first < text + (4 << 10),
        "{first} for a text of {text} bytes"
    );
    let nearly = CHANGES_BYTES_MAX - CHANGES_RESERVED_BYTES;
    world.settings.as_mut().unwrap().changes_bytes = nearly;
    let another = Change {
        registers: Some(NewWriter {
            key: SigningKey::generate("another", &[61; 32]).unwrap().verifier().clone(),
            globs: vec!["digest/*".to_owned()],
        }),
        ..Change::default()
    };
    let registration = world.change(&another);
    assert!(refused(world.propose_one(vec![registration])).contains("for members and witnesses who leave"));
    accepted(world.propose_one(vec![world.change(&revokes())]));
    assert!(world.settings.as_ref().unwrap().changes_bytes > nearly);
}
