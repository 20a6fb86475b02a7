//! The raft log against a model, and under cuts, flipped bits, torn pages and failing disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use raft::eraftpb::{Entry, HardState};
use tempfile::TempDir;

use super::{Batch, LogStorage, Position};
use crate::Error;
use crate::disk::LocalDisk;
use crate::testing::copy_dir;

const SMALL_SEGMENT_BYTES: u32 = 600;

fn entry(index: u64, term: u64, bytes: usize) -> Entry {
    let data = (0..bytes).map(|at| (index as usize + at) as u8).collect();
    Entry {
        index,
        term,
        data,
        context: vec![term as u8; 3],
        ..Entry::default()
    }
}

fn hard_state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: 1, commit }
}

fn append(log: &mut LogStorage, entries: &[Entry], hard_state: Option<&HardState>, sync: bool) -> Result<(), Error> {
    log.append(Batch {
        entries,
        hard_state,
        sync,
    })
}

/// Everything that a log says, to be compared.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    base: Position,
    entries: Vec<Entry>,
    hard_state: HardState,
}

fn said(log: &LogStorage) -> Said {
    let entries = (log.base().index + 1..=log.last().index).map(|index| log.entry(index).unwrap().unwrap());
    let said = Said {
        base: log.base(),
        entries: entries.collect(),
        hard_state: log.hard_state().clone(),
    };
    assert!(log.entry(log.last().index + 1).unwrap().is_none());
    for entry in &said.entries {
        assert_eq!(log.term_at(entry.index), Some(entry.term));
    }
    said
}

fn last_segment(dir: &Path) -> PathBuf {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|found| found.unwrap().path()).collect();
    paths.sort();
    paths.pop().unwrap()
}

fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir, copy.path());
    copy
}

/// A log of one segment as a lone node writes it, and what it said at each length of the file that a batch ended at.
fn written_log(dir: &Path, rounds: u64) -> Vec<(u64, Said)> {
    let mut log = LogStorage::open(Arc::new(LocalDisk), dir, 1 << 20).unwrap();
    let path = last_segment(dir);
    let mut history = vec![(fs::metadata(&path).unwrap().len(), said(&log))];
    let mut note = |log: &LogStorage| history.push((fs::metadata(&path).unwrap().len(), said(log)));
    for index in 1..=rounds {
        append(
            &mut log,
            &[entry(index, 2, 40)],
            (index == 1).then_some(&hard_state(2, 0)),
            true,
        )
        .unwrap();
        note(&log);
        append(&mut log, &[], Some(&hard_state(2, index)), false).unwrap();
        note(&log);
    }
    history
}

#[derive(Clone, Debug)]
enum Step {
    /// Entries that begin this far before the end of what is not committed.
    Append {
        back: u64,
        count: u64,
        bytes: usize,
        commit: u64,
    },
    Commit {
        ahead: u64,
    },
    Compact {
        behind: u64,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u64, 1..5u64, 0..150usize, 0..3u64)
            .prop_map(|(back, count, bytes, commit)| Step::Append { back, count, bytes, commit }),
        2 => (0..4u64).prop_map(|ahead| Step::Commit { ahead }),
        1 => (0..3u64).prop_map(|behind| Step::Compact { behind }),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_says_what_a_list_of_entries_says(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), SMALL_SEGMENT_BYTES).unwrap();
        let mut entries: Vec<Entry> = Vec::new();
        let (mut state, mut compacted) = (HardState::default(), 0);
        for step in steps {
            match step {
                Step::Append { back, count, bytes, commit } => {
                    state.term += u64::from(back > 0);
                    let first = (entries.len() as u64 + 1 - back.min(entries.len() as u64)).max(state.commit + 1);
                    let new: Vec<_> = (first..first + count).map(|index| entry(index, state.term, bytes)).collect();
                    entries.truncate(first as usize - 1);
                    entries.extend(new.iter().cloned());
                    state.commit = (state.commit + commit).min(entries.len() as u64);
                    append(&mut log, &new, Some(&state), true).unwrap();
                }
                Step::Commit { ahead } => {
                    state.commit = (state.commit + ahead).min(entries.len() as u64);
                    append(&mut log, &[], Some(&state), false).unwrap();
                }
                Step::Compact { behind } => {
                    compacted = compacted.max(state.commit.saturating_sub(behind));
                    log.compact(compacted).unwrap();
                }
                Step::Reopen => {
                    drop(log);
                    log = LogStorage::open(Arc::new(LocalDisk), dir.path(), SMALL_SEGMENT_BYTES).unwrap();
                }
            }
            let said = said(&log);
            let base = said.base.index as usize;
            prop_assert!(base as u64 <= compacted);
            prop_assert_eq!(&said.entries[..], &entries[base..]);
            prop_assert_eq!(&said.hard_state, &state);
            if base > 0 {
                prop_assert_eq!(said.base.term, entries[base - 1].term);
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_of_the_tail_leaves_the_last_whole_batch() {
    let dir = tempfile::tempdir().unwrap();
    let history = written_log(dir.path(), 3);
    for length in history[0].0..=history.last().unwrap().0 {
        let copy = copied(dir.path());
        let file = fs::OpenOptions::new()
            .write(true)
            .open(last_segment(copy.path()))
            .unwrap();
        file.set_len(length).unwrap();
        let expected = &history.iter().rfind(|(end, _)| *end <= length).unwrap().1;
        let mut log = LogStorage::open(Arc::new(LocalDisk), copy.path(), 1 << 20).unwrap();
        assert_eq!(&said(&log), expected, "cut at {length}");
        // and the log goes on from there
        let next = log.last().index + 1;
        append(&mut log, &[entry(next, 9, 10)], Some(&hard_state(9, next)), true).unwrap();
        drop(log);
        assert_eq!(
            LogStorage::open(Arc::new(LocalDisk), copy.path(), 1 << 20)
                .unwrap()
                .last(),
            Position { index: next, term: 9 }
        );
    }
}

#[test]
fn a_segment_cut_before_its_first_batch_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let history = written_log(dir.path(), 1);
    for length in 0..history[0].0 {
        let copy = copied(dir.path());
        let path = last_segment(copy.path());
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length)
            .unwrap();
        let error = LogStorage::open(Arc::new(LocalDisk), copy.path(), 1 << 20).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt { path: named, .. } if *named == path),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_flipped_bit_in_durable_bytes_is_named_and_one_behind_them_is_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let history = written_log(dir.path(), 3);
    // the last record, which moves the commit index, knows of everything before it
    let durable = history[history.len() - 2].0;
    let bytes = fs::read(last_segment(dir.path())).unwrap();
    for at in 0..bytes.len() {
        let copy = copied(dir.path());
        let path = last_segment(copy.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, flipped).unwrap();
        match LogStorage::open(Arc::new(LocalDisk), copy.path(), 1 << 20) {
            Ok(log) => {
                assert!(at as u64 >= durable, "byte {at} was flipped without a word");
                assert_eq!(said(&log), history[history.len() - 2].1);
            }
            Err(Error::Corrupt {
                path: named, offset, ..
            }) => {
                assert_eq!(named, path);
                assert!(
                    offset <= at as u64,
                    "the error points at {offset}, behind the flipped byte {at}"
                );
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn corruption_in_an_earlier_segment_is_never_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), SMALL_SEGMENT_BYTES).unwrap();
    for index in 1..=20 {
        append(&mut log, &[entry(index, 1, 60)], Some(&hard_state(1, index)), true).unwrap();
    }
    drop(log);
    let first = dir.path().join("00000000000000000001.segment");
    let bytes = fs::read(&first).unwrap();
    assert_ne!(first, last_segment(dir.path()));
    for at in [40, bytes.len() / 2, bytes.len() - 1] {
        let copy = copied(dir.path());
        let path = copy.path().join("00000000000000000001.segment");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        let error = LogStorage::open(Arc::new(LocalDisk), copy.path(), SMALL_SEGMENT_BYTES).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt { path: named, .. } if *named == path),
            "{error}"
        );
        fs::write(&path, &bytes[..at]).unwrap();
        assert!(matches!(
            LogStorage::open(Arc::new(LocalDisk), copy.path(), SMALL_SEGMENT_BYTES),
            Err(Error::Corrupt { .. })
        ));
        fs::remove_file(&path).unwrap();
        let error = LogStorage::open(Arc::new(LocalDisk), copy.path(), SMALL_SEGMENT_BYTES).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}

/// A disk may persist the pages of one unsynced write in any order: what lies behind a hole is no proof of corruption.
#[test]
fn a_hole_in_the_batch_that_was_being_written_is_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap();
    append(&mut log, &[entry(1, 1, 50)], Some(&hard_state(1, 1)), true).unwrap();
    let (before, start) = (
        said(&log),
        fs::metadata(last_segment(dir.path())).unwrap().len() as usize,
    );
    append(
        &mut log,
        &[entry(2, 1, 5000), entry(3, 1, 5000), entry(4, 1, 5000)],
        None,
        true,
    )
    .unwrap();
    drop(log);
    let bytes = fs::read(last_segment(dir.path())).unwrap();
    for hole in [
        start..start + 512,
        start + 4096..start + 8192,
        bytes.len() - 600..bytes.len() - 100,
    ] {
        let copy = copied(dir.path());
        let mut torn = bytes.clone();
        torn[hole].fill(0);
        fs::write(last_segment(copy.path()), torn).unwrap();
        assert_eq!(
            said(&LogStorage::open(Arc::new(LocalDisk), copy.path(), 1 << 20).unwrap()),
            before
        );
    }
}

#[test]
fn bytes_that_a_client_chose_do_not_pass_for_a_record_behind_a_torn_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap();
    append(&mut log, &[entry(1, 1, 50)], Some(&hard_state(1, 1)), true).unwrap();
    let before = said(&log);
    // a whole record of another log, which claims that everything before it was durable
    let mut forged = Vec::new();
    let record = crate::raft::record::Record {
        kind: crate::raft::record::Kind::HardState,
        last_of_batch: true,
        synced: 400,
        term: 1,
        index: 1,
        payload: &[0; 8],
    };
    record.encode(b"guessed!", &mut forged);
    let data = [vec![7; 300], forged, vec![7; 300]].concat();
    append(
        &mut log,
        &[Entry {
            index: 2,
            term: 1,
            data,
            ..Entry::default()
        }],
        None,
        true,
    )
    .unwrap();
    drop(log);
    let path = last_segment(dir.path());
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    assert_eq!(
        said(&LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap()),
        before
    );
}

#[test]
fn a_failed_write_or_sync_poisons_the_log_until_it_is_opened_anew() {
    for fail_sync in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap();
        append(&mut log, &[entry(1, 1, 50)], Some(&hard_state(1, 1)), true).unwrap();
        log.faults.sync = fail_sync;
        log.faults.write = !fail_sync;
        assert!(matches!(
            append(&mut log, &[entry(2, 1, 50)], None, true),
            Err(Error::Io { .. })
        ));
        log.faults = super::Faults::default();
        // the disk works again, but nobody knows what it holds
        let refused = append(&mut log, &[entry(2, 1, 50)], None, true).unwrap_err();
        assert!(
            matches!(&refused, Error::Stopped { reason } if reason.contains("planted")),
            "{refused}"
        );
        assert!(matches!(log.compact(1), Err(Error::Stopped { .. })));
        assert!(matches!(log.sync_or_poison(), Err(Error::Stopped { .. })));
        drop(log);
        let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap();
        assert!(log.last().index >= 1);
        append(&mut log, &[entry(2, 1, 50)], None, true).unwrap();
    }
}

#[test]
fn a_crash_while_compacting_leaves_a_log_that_opens_and_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogStorage::open(Arc::new(LocalDisk), dir.path(), SMALL_SEGMENT_BYTES).unwrap();
    for index in 1..=30 {
        append(&mut log, &[entry(index, 1, 60)], Some(&hard_state(1, index)), true).unwrap();
    }
    let before = copied(dir.path());
    log.compact(25).unwrap();
    let after = said(&log);
    drop(log);
    assert!(after.base.index > 10);
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|found| found.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let removed: Vec<_> = names(before.path())
        .into_iter()
        .filter(|name| !dir.path().join(name).exists())
        .collect();
    assert!(removed.len() > 2);
    // segments go oldest first, so a crash leaves the later ones of those to be removed
    for kept in 0..=removed.len() {
        let copy = copied(dir.path());
        for name in &removed[removed.len() - kept..] {
            fs::copy(before.path().join(name), copy.path().join(name)).unwrap();
        }
        assert_eq!(
            said(&LogStorage::open(Arc::new(LocalDisk), copy.path(), SMALL_SEGMENT_BYTES).unwrap()),
            after
        );
        assert_eq!(names(copy.path()), names(dir.path()));
    }
}

#[test]
fn a_segment_that_was_never_finished_is_removed_and_a_foreign_file_refused() {
    let dir = tempfile::tempdir().unwrap();
    written_log(dir.path(), 2);
    fs::write(dir.path().join("new.segment"), b"half a head").unwrap();
    let log = LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20).unwrap();
    assert_eq!(log.last().index, 2);
    drop(log);
    assert!(!dir.path().join("new.segment").exists());
    fs::write(dir.path().join("1.segment"), b"").unwrap();
    assert!(matches!(
        LogStorage::open(Arc::new(LocalDisk), dir.path(), 1 << 20),
        Err(Error::Corrupt { .. })
    ));
}
