//! One flipped bit in each kind of file that a replica keeps: it names the file, or nothing changes.

use dab_ledger::testing::rot::FileKind;
use dab_simulation::Rotten;
use dab_simulation::script::Script;

/// Statements on one subject, and as many raft entries: several segments and flushes.
const STATEMENTS: usize = 24;

/// Replica 1 of a group that has certified some leaves, its power cut.
fn down() -> Script {
    let mut script = Script::flushing(1, 5);
    let mut last = None;
    for _ in 0..STATEMENTS {
        let statement = script.statement("table/t", last.as_ref());
        let mut answer = script.propose(1, &statement);
        script.answered(&mut answer).expect("an outcome");
        last = Some(statement);
    }
    script.cut_power(1);
    script
}

/// Flips `count` bits of a kind, one at a time; gives how many were harmless and how many named.
fn flip(kind: FileKind, count: usize) -> (usize, usize) {
    let script = down();
    let (mut harmless, mut named) = (0, 0);
    let mut state = 1_u64;
    let mut draw = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..count {
        match script.start_rotten(1, kind, &mut draw).expect("such a file") {
            Rotten::Harmless => harmless += 1,
            Rotten::Named => named += 1,
            Rotten::Broken(what) => panic!("{kind:?}: {what}"),
        }
    }
    println!("{kind:?}: {harmless} harmless, {named} named");
    (harmless, named)
}

#[test]
fn every_bit_of_the_raft_log_that_was_durable_for_sure_is_missed() {
    let (harmless, named) = flip(FileKind::RaftLog, 600);
    assert_eq!((harmless, named), (0, 600));
}

#[test]
fn the_state_database_is_checked_as_a_whole() {
    let (_, named) = flip(FileKind::State, 400);
    // most pages of so small a database are free
    assert!(named > 10, "{named}");
}

#[test]
fn the_tiles_at_the_right_edge_are_held_against_the_state() {
    let (_, named) = flip(FileKind::Tiles, 400);
    assert!(named > 100, "{named}");
}

#[test]
fn a_checkpoint_is_verified_or_passed_over_as_torn() {
    let (_, named) = flip(FileKind::Checkpoint, 400);
    assert!(named > 100, "{named}");
}
