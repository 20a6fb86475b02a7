//! Data directories put together from two moments: what crashes leave, and what careless restores leave.
//!
//! Raft log, state, tiles and checkpoint are written at different moments. Each test takes copies of the directory at
//! two moments and composes what a crash at a named point leaves behind.

use std::fs;
use std::path::Path;

use dab_ledger::Error;
use dab_ledger::node::NodeLimits;
use dab_ledger::testing::{TestLedger, copy_dir};

use crate::world::{Acknowledged, acknowledge, check};

/// Replaces a file or directory of a stopped ledger by the one of another.
fn put(from: &TestLedger, to: &TestLedger, name: &str) {
    let (from, to) = (from.dir().join(name), to.dir().join(name));
    remove(&to);
    if from.is_dir() {
        copy_dir(&from, &to);
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

fn remove(path: &Path) {
    let _ = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
}

fn empty_files(dir: &Path) {
    for found in fs::read_dir(dir).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() {
            empty_files(&path)
        } else {
            fs::write(&path, b"").unwrap()
        }
    }
}

async fn grow(ledger: &TestLedger, acknowledged: &mut Vec<Acknowledged>, count: usize) {
    for _ in 0..count {
        let at = acknowledged.len();
        acknowledged.push(acknowledge(ledger, &format!("table/{}", at % 3), &format!("body {at}")).await);
    }
}

/// Two moments of one ledger, `earlier` and `later`, with what was acknowledged by the later one.
struct Moments {
    earlier: TestLedger,
    later: TestLedger,
    acknowledged: Vec<Acknowledged>,
}

async fn moments(limits: NodeLimits, before: usize, between: usize) -> Moments {
    let mut ledger = TestLedger::start_with(limits);
    let mut acknowledged = Vec::new();
    grow(&ledger, &mut acknowledged, before).await;
    ledger.crash();
    let earlier = ledger.copy();
    ledger.reopen().unwrap();
    grow(&ledger, &mut acknowledged, between).await;
    ledger.crash();
    Moments {
        earlier,
        later: ledger,
        acknowledged,
    }
}

fn never_flushes() -> NodeLimits {
    NodeLimits::default()
}

fn flushes_often() -> NodeLimits {
    NodeLimits {
        flush_entries_max: 8,
        segment_bytes: 8 << 10,
        ..NodeLimits::default()
    }
}

#[tokio::test]
async fn a_crash_after_the_raft_log_and_before_the_tiles_is_replayed() {
    for between in [1, 3, 300] {
        let Moments {
            earlier,
            mut later,
            acknowledged,
        } = moments(never_flushes(), 4, between).await;
        put(&earlier, &later, "public");
        later.reopen().unwrap();
        check(&later, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_crash_after_the_tiles_and_before_the_checkpoint_is_replayed() {
    let Moments {
        earlier,
        mut later,
        acknowledged,
    } = moments(never_flushes(), 4, 3).await;
    put(&earlier, &later, "public/checkpoint");
    later.reopen().unwrap();
    check(&later, &acknowledged).await;
}

#[tokio::test]
async fn unsynced_public_files_that_a_power_cut_lost_or_emptied_are_written_again() {
    for lose in [0, 1, 2] {
        let Moments {
            mut later,
            acknowledged,
            ..
        } = moments(never_flushes(), 4, 260).await;
        match lose {
            0 => remove(&later.dir().join("public")),
            1 => empty_files(&later.dir().join("public")),
            _ => {
                remove(&later.dir().join("public/tile/0"));
                fs::write(later.dir().join("public/checkpoint"), [0; 200]).unwrap();
            }
        }
        later.reopen().unwrap();
        check(&later, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_crash_inside_a_flush_before_the_state_is_replayed_from_the_flush_before() {
    // the later moment has flushed and removed partial tiles; its state database is put back to before
    for before in [20, 250, 256, 257] {
        let Moments {
            earlier,
            mut later,
            acknowledged,
        } = moments(flushes_often_keeping_the_log(), before, 12).await;
        put(&earlier, &later, "private/state.redb");
        later.reopen().unwrap();
        check(&later, &acknowledged).await;
    }
}

fn flushes_often_keeping_the_log() -> NodeLimits {
    NodeLimits {
        flush_entries_max: 8,
        ..NodeLimits::default()
    }
}

#[tokio::test]
async fn a_removed_state_is_rebuilt_from_a_log_that_is_whole() {
    let Moments {
        mut later,
        acknowledged,
        ..
    } = moments(flushes_often_keeping_the_log(), 30, 5).await;
    remove(&later.dir().join("private/state.redb"));
    later.reopen().unwrap();
    check(&later, &acknowledged).await;
    // state and tiles together, too
    later.crash();
    remove(&later.dir().join("private/state.redb"));
    remove(&later.dir().join("public"));
    later.reopen().unwrap();
    check(&later, &acknowledged).await;
}

#[tokio::test]
async fn flushing_and_compacting_all_the_time_loses_nothing() {
    let mut ledger = TestLedger::start_with(flushes_often());
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        grow(&ledger, &mut acknowledged, 15 + round).await;
        if round % 2 == 0 {
            ledger.crash()
        } else {
            ledger.stop().await
        }
        ledger.reopen().unwrap();
    }
    check(&ledger, &acknowledged).await;
    let segments = fs::read_dir(ledger.dir().join("private/raft")).unwrap().count();
    assert!(segments <= 4, "{segments} segments remain");
}

/// Starts a ledger that must refuse, and gives what it says.
fn refusal(ledger: &mut TestLedger) -> String {
    let error = ledger.reopen().expect_err("the node must refuse to start");
    assert!(
        matches!(
            error,
            Error::Inconsistent { .. } | Error::Corrupt { .. } | Error::Setting { .. }
        ),
        "{error:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn a_state_that_the_compacted_log_cannot_rebuild_is_missed_in_words() {
    let Moments { mut later, .. } = moments(flushes_often(), 40, 10).await;
    remove(&later.dir().join("private/state.redb"));
    let refusal = refusal(&mut later);
    assert!(
        refusal.contains("the state stands at raft index 0, but the raft log holds"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_raft_log_from_an_old_copy_is_refused_and_both_roots_are_named() {
    let Moments {
        earlier,
        mut later,
        acknowledged,
    } = moments(never_flushes(), 4, 3).await;
    put(&earlier, &later, "private/raft");
    let refusal = refusal(&mut later);
    let root = |at: usize| acknowledged[at].receipt.checkpoint.checkpoint().root.to_string();
    assert!(refusal.contains(&root(6)) && refusal.contains(&root(3)), "{refusal}");
    assert!(
        refusal.contains("has 7 leaves") && refusal.contains("replays to 4 leaves"),
        "{refusal}"
    );
    // and refusing has signed nothing
    let checkpoint = fs::read(later.dir().join("public/checkpoint")).unwrap();
    assert_eq!(checkpoint, acknowledged[6].receipt.checkpoint.to_bytes());
}

#[tokio::test]
async fn a_raft_log_older_than_the_state_is_refused() {
    let Moments { earlier, mut later, .. } = moments(flushes_often_keeping_the_log(), 4, 30).await;
    put(&earlier, &later, "private/raft");
    assert!(refusal(&mut later).contains("the state stands at raft index"));
}

#[tokio::test]
async fn the_whole_private_directory_from_an_old_copy_is_refused() {
    let Moments { earlier, mut later, .. } = moments(flushes_often_keeping_the_log(), 4, 30).await;
    put(&earlier, &later, "private");
    assert!(refusal(&mut later).contains("replays to 4 leaves"));
}

#[tokio::test]
async fn another_root_for_a_size_is_never_signed() {
    let mut one = TestLedger::start();
    acknowledge(&one, "table/t", "common").await;
    one.crash();
    let mut other = one.copy();
    one.reopen().unwrap();
    let mine = acknowledge(&one, "table/t", "mine").await;
    one.crash();
    other.reopen().unwrap();
    let theirs = acknowledge(&other, "table/t", "theirs").await;
    other.crash();
    // the fork's checkpoint beside this log: both sign two leaves
    put(&other, &one, "public/checkpoint");
    let refusal = refusal(&mut one);
    for receipt in [&mine.receipt, &theirs.receipt] {
        assert!(
            refusal.contains(&receipt.checkpoint.checkpoint().root.to_string()),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn public_files_older_than_the_state_are_refused() {
    let Moments { earlier, mut later, .. } = moments(flushes_often_keeping_the_log(), 4, 30).await;
    put(&earlier, &later, "public");
    let refusal = refusal(&mut later);
    assert!(refusal.contains("tile/"), "{refusal}");
}

#[tokio::test]
async fn tampered_tiles_at_the_right_edge_and_a_foreign_checkpoint_are_refused() {
    let mut ledger = TestLedger::start();
    let mut acknowledged = Vec::new();
    grow(&ledger, &mut acknowledged, 5).await;
    ledger.stop().await;
    let foreign = TestLedger::start();
    acknowledge(&foreign, "table/t", "foreign").await;
    for name in ["public/tile/0/000.p/5", "public/tile/entries/000.p/5"] {
        let mut copy = ledger.copy();
        let path = copy.dir().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        refusal(&mut copy);
    }
    let mut copy = ledger.copy();
    put(&foreign, &copy, "public/checkpoint");
    assert!(refusal(&mut copy).contains("not one that this ledger issued"));
    let mut copy = ledger.copy();
    fs::write(copy.dir().join("public/checkpoint"), "dab\n").unwrap();
    refusal(&mut copy);
    ledger.reopen().unwrap();
    check(&ledger, &acknowledged).await;
}
