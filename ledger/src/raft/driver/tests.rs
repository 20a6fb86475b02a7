//! The order in which things happen, seen from the application.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft::eraftpb::{ConfChangeType, MessageType};

use super::*;
use crate::disk::LocalDisk;
use crate::raft::SEGMENT_BYTES;

/// Notes what the driver says, and how many syncs there had been when it said it.
#[derive(Default)]
struct Notes {
    syncs: Arc<AtomicU64>,
    applied: Vec<(Position, Vec<u8>, u64)>,
    conf_state: Option<ConfState>,
    at: Position,
    reads: Vec<(u64, Vec<u8>)>,
    sent: usize,
}

impl Application for Notes {
    fn apply(&mut self, at: Position, data: &[u8]) -> Result<(), Error> {
        assert_eq!(at.index, self.at.index + 1, "an entry was skipped or applied twice");
        self.at = at;
        self.applied
            .push((at, data.to_vec(), self.syncs.load(Ordering::Relaxed)));
        Ok(())
    }

    fn admits(&mut self, _change: &ConfChange) -> Result<bool, Error> {
        Ok(true)
    }

    fn apply_conf_state(&mut self, at: Position, conf_state: &ConfState) -> Result<(), Error> {
        self.at = at;
        self.conf_state = Some(conf_state.clone());
        Ok(())
    }

    fn install(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let metadata = snapshot.get_metadata();
        self.at = Position {
            index: metadata.index,
            term: metadata.term,
        };
        Ok(())
    }

    fn applied(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn read_ready(&mut self, raft_index: u64, context: &[u8]) {
        self.reads.push((raft_index, context.to_vec()));
    }

    fn send(&mut self, messages: Vec<Message>) {
        self.sent += messages.len();
    }
}

fn open(dir: &std::path::Path, applied: Position, conf_state: ConfState) -> (Driver, Notes) {
    let raft_log = LogStorage::open(Arc::new(LocalDisk), dir, SEGMENT_BYTES).unwrap();
    let notes = Notes {
        syncs: raft_log.sync_counter(),
        at: applied,
        ..Notes::default()
    };
    (
        Driver::new(1, raft_log, applied, conf_state, &RaftLimits::default(), 7).unwrap(),
        notes,
    )
}

fn alone() -> ConfState {
    ConfState {
        voters: vec![1],
        ..ConfState::default()
    }
}

#[test]
fn a_lone_voter_leads_at_once_and_applies_only_what_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (mut driver, mut notes) = open(dir.path(), Position::default(), alone());
    assert!(matches!(driver.propose(vec![1]), Err(Error::NoLeader)));
    assert!(matches!(driver.read_index(vec![1]), Err(Error::NoLeader)));
    driver.campaign().unwrap();
    driver.pump(&mut notes).unwrap();
    assert!(driver.leads());
    for at in 0..3u8 {
        let before = notes.syncs.load(Ordering::Relaxed);
        driver.propose(vec![100 + at]).unwrap();
        driver.pump(&mut notes).unwrap();
        let (_, said, syncs) = notes.applied.last().unwrap();
        assert_eq!(said, &[100 + at]);
        assert_eq!(*syncs, before + 1, "applied before the one sync of its entry");
        assert_eq!(notes.syncs.load(Ordering::Relaxed), before + 1);
    }
    driver.read_index(vec![9]).unwrap();
    driver.pump(&mut notes).unwrap();
    assert_eq!(notes.reads, [(4, vec![9])]);
    assert_eq!(notes.sent, 0);
}

#[test]
fn a_restart_applies_everything_behind_the_state_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut driver, mut notes) = open(dir.path(), Position::default(), alone());
    driver.campaign().unwrap();
    for at in 0..10u8 {
        driver.pump(&mut notes).unwrap();
        driver.propose(vec![at]).unwrap();
    }
    driver.pump(&mut notes).unwrap();
    let all = notes.applied;
    drop(driver);
    for from in [0, 4, all.len()] {
        let applied = from.checked_sub(1).map_or(Position::default(), |last| all[last].0);
        let (mut driver, mut notes) = open(dir.path(), applied, alone());
        driver.campaign().unwrap();
        driver.pump(&mut notes).unwrap();
        let said =
            |entries: &[(Position, Vec<u8>, u64)]| entries.iter().map(|e| (e.0, e.1.clone())).collect::<Vec<_>>();
        let replayed = said(&notes.applied);
        assert_eq!(replayed[..all.len() - from], said(&all)[from..]);
        // and behind them the entries with which later leaders began, this one's last
        assert_eq!(replayed.last().unwrap().0.term, driver.term());
    }
}

#[test]
fn a_state_that_does_not_fit_the_log_is_refused_before_raft_panics() {
    let dir = tempfile::tempdir().unwrap();
    let (mut driver, mut notes) = open(dir.path(), Position::default(), alone());
    driver.campaign().unwrap();
    driver.pump(&mut notes).unwrap();
    drop(driver);
    for applied in [Position { index: 2, term: 1 }, Position { index: 1, term: 7 }] {
        let raft_log = LogStorage::open(Arc::new(LocalDisk), dir.path(), SEGMENT_BYTES).unwrap();
        let error = Driver::new(1, raft_log, applied, alone(), &RaftLimits::default(), 7).unwrap_err();
        assert!(matches!(error, Error::Inconsistent { .. }), "{error}");
    }
}

#[test]
fn a_membership_change_reaches_the_application_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut driver, mut notes) = open(dir.path(), Position::default(), alone());
    driver.campaign().unwrap();
    driver.pump(&mut notes).unwrap();
    let mut change = ConfChange {
        node_id: 2,
        ..ConfChange::default()
    };
    change.set_change_type(ConfChangeType::AddLearnerNode);
    driver.node.propose_conf_change(vec![], change).unwrap();
    driver.pump(&mut notes).unwrap();
    let conf_state = notes.conf_state.clone().unwrap();
    assert_eq!(
        (conf_state.voters.as_slice(), conf_state.learners.as_slice()),
        (&[1][..], &[2][..])
    );
    assert!(notes.sent > 0, "a learner is told");
    drop(driver);
    let (mut driver, mut notes) = open(dir.path(), notes.at, conf_state);
    driver.campaign().unwrap();
    driver.pump(&mut notes).unwrap();
    assert!(driver.leads(), "a learner has no vote");
}

/// A leader that made up settings could bring in writers of its own, or lock the others out.
#[test]
fn settings_that_the_founding_does_not_have_come_in_from_nobody() {
    use crate::state_machine::LedgerEntry;

    let dir = tempfile::tempdir().unwrap();
    let settings = |writers: &str| Settings {
        origin: "dab/test".to_owned(),
        writers: writers.to_owned(),
        members: String::new(),
        changes_bytes: 0,
    };
    let append = |settings: Settings| {
        let mut message = Message {
            from: 2,
            to: 1,
            term: 1,
            entries: vec![Entry {
                index: 1,
                term: 1,
                data: LedgerEntry::settings(settings).to_bytes(),
                ..Entry::default()
            }],
            ..Message::default()
        };
        message.set_msg_type(raft::eraftpb::MessageType::MsgAppend);
        message
    };
    let voters = ConfState {
        voters: vec![1, 2, 3],
        ..ConfState::default()
    };
    let (mut driver, _) = open(dir.path(), Position::default(), voters);
    driver.agree_on(settings("agreed"));
    assert!(matches!(
        driver.receive(2, append(settings("forged"))),
        Err(Refusal::Entries)
    ));
    driver.receive(2, append(settings("agreed"))).unwrap();
}

fn message(from: u64, term: u64, kind: MessageType) -> Message {
    let mut message = Message {
        from,
        to: 1,
        term,
        ..Message::default()
    };
    message.set_msg_type(kind);
    message
}

/// raft-rs would follow the second one, and hold another entry for the same index and term than the first one's followers.
#[test]
fn a_second_leader_of_a_term_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let voters = ConfState {
        voters: vec![1, 2, 3],
        ..ConfState::default()
    };
    let (mut driver, _) = open(dir.path(), Position::default(), voters);
    let leading = [MessageType::MsgHeartbeat, MessageType::MsgAppend];
    driver.receive(2, message(2, 1, MessageType::MsgHeartbeat)).unwrap();
    for kind in leading {
        assert!(matches!(driver.receive(3, message(3, 1, kind)), Err(Refusal::Leader)));
        driver.receive(2, message(2, 1, kind)).unwrap();
    }
    assert_eq!(driver.leader(), Some(2));
    // the next term may be another's
    driver.receive(3, message(3, 2, MessageType::MsgHeartbeat)).unwrap();
    assert_eq!(driver.leader(), Some(3));
}

/// It has heard of no leader of the term, as when it has just asked for votes: it follows none yet, and accuses none.
#[test]
fn who_speaks_as_the_leader_of_a_term_that_has_none_yet_is_no_liar() {
    let dir = tempfile::tempdir().unwrap();
    let voters = ConfState {
        voters: vec![1, 2, 3],
        ..ConfState::default()
    };
    let (mut driver, _) = open(dir.path(), Position::default(), voters);
    driver.receive(3, message(3, 1, MessageType::MsgRequestVote)).unwrap();
    assert_eq!((driver.leader(), driver.term()), (None, 1));
    let mut read = message(2, 1, MessageType::MsgReadIndexResp);
    read.entries = vec![Entry::default()];
    assert!(matches!(driver.receive(2, read.clone()), Err(Refusal::Unled)));
    let raft_snapshot = message(2, 1, MessageType::MsgSnapshot);
    assert!(matches!(driver.admit_snapshot(2, &raft_snapshot), Err(Refusal::Unled)));
    // held on the way since a former term
    let held = message(2, 0, MessageType::MsgSnapshot);
    assert!(matches!(driver.admit_snapshot(2, &held), Err(Refusal::Unled)));
    driver.receive(2, message(2, 1, MessageType::MsgHeartbeat)).unwrap();
    driver.receive(2, read.clone()).unwrap();
    read.from = 3;
    assert!(matches!(driver.receive(3, read), Err(Refusal::Leader)));
}
