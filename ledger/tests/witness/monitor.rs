//! A monitor's directory: what was accepted last is there after a restart, and an alarm's evidence too.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dab_ledger::Error;
use dab_ledger::monitor::{LastSign, MonitorState};
use dab_ledger::testing::TestLedger;
use dab_proof::files::DirSource;
use dab_proof::monitor::{Alarm, AlarmKind, Expected, Known, Pending, Seen, look};
use dab_proof::policy::Policy;
use dab_proof::testing::{TIME_UNIX_S, TinyLedger};
use dab_proof::tree::TreeSize;
use dab_proof::trust::Trust;

use crate::world::{assert_closed, ledger};

fn see(ledger: &TinyLedger, known: Option<&Known>) -> Seen {
    let trust = ledger.trust();
    let expected = Expected {
        trust: &trust,
        writers: None,
    };
    look(&ledger.public(), expected, known, &mut Pending::default()).unwrap()
}

fn keep(state: &MonitorState, before: Option<&Known>, seen: &Seen, ledger: &TinyLedger) {
    let text = ledger.policy_text();
    let stored = state.store(before, seen, &ledger.trust().policy, text.as_bytes());
    stored.unwrap();
}

#[test]
fn what_was_accepted_is_there_after_a_restart_as_a_plain_file() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (ledger(5, "leaf"), ledger(300, "leaf"));
    let policy = small.trust().policy;
    let state = MonitorState::open(dir.path()).unwrap();
    assert!(matches!(MonitorState::open(dir.path()), Err(Error::Locked { .. })));
    assert!(state.load(&policy).unwrap().is_none());
    let seen = see(&small, None);
    keep(&state, None, &seen, &small);
    assert_eq!(
        fs::read(dir.path().join("checkpoint")).unwrap(),
        small.checkpoint().to_bytes()
    );
    drop(state);
    let state = MonitorState::open(dir.path()).unwrap();
    let known = state.load(&policy).unwrap().unwrap();
    assert_eq!((&known.signed, known.heads.as_ref()), (&seen.signed, Some(&seen.heads)));
    let seen = see(&large, Some(&known));
    assert_eq!(seen.leaves, 295);
    keep(&state, Some(&known), &seen, &large);
    assert_eq!(state.load(&policy).unwrap().unwrap().signed, large.checkpoint());
}

#[tokio::test]
async fn a_node_is_followed_through_its_growth_and_its_restarts() {
    let mut node = TestLedger::start();
    let dir = tempfile::tempdir().unwrap();
    let state = MonitorState::open(dir.path()).unwrap();
    let mut leaves = 0;
    for round in 0..24 {
        for leaf in 0..round {
            node.notarize(&format!("table/{}", leaf % 7), "body").await;
        }
        if round == 0 {
            continue;
        }
        if round % 8 == 0 {
            node.crash_and_reopen();
        }
        let trust = Trust::clone(&node.node().trust());
        let known = state.load(&trust.policy).unwrap();
        let expected = Expected {
            trust: &trust,
            writers: None,
        };
        let source = DirSource::new(node.node().public_dir());
        let seen = look(&source, expected, known.as_ref(), &mut Pending::default()).unwrap();
        assert_eq!(seen.leaves, round);
        leaves += round;
        assert_eq!(seen.signed.checkpoint().size.0, leaves);
        let text = fs::read(node.dir().join("trust/policy")).unwrap();
        state.store(known.as_ref(), &seen, &trust.policy, &text).unwrap();
    }
}

#[test]
fn a_crash_between_heads_and_checkpoint_costs_a_second_reading_and_no_check() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (ledger(5, "leaf"), ledger(300, "leaf"));
    let policy = small.trust().policy;
    let state = MonitorState::open(dir.path()).unwrap();
    keep(&state, None, &see(&small, None), &small);
    let old = fs::read(dir.path().join("checkpoint")).unwrap();
    let known = state.load(&policy).unwrap().unwrap();
    keep(&state, Some(&known), &see(&large, Some(&known)), &large);
    // the crash: the heads are the new tree's, the checkpoint is the old one's
    fs::write(dir.path().join("checkpoint"), &old).unwrap();
    let known = state.load(&policy).unwrap().unwrap();
    assert_eq!(known.heads, None);
    let seen = see(&large, Some(&known));
    assert_eq!(seen.heads, see(&large, None).heads);
    keep(&state, Some(&known), &seen, &large);
    assert!(state.load(&policy).unwrap().unwrap().heads.is_some());
}

#[test]
fn a_stored_checkpoint_of_another_policy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(5, "leaf");
    let state = MonitorState::open(dir.path()).unwrap();
    keep(&state, None, &see(&ledger, None), &ledger);
    let other = Policy::parse("quorum none\n").unwrap();
    let error = state.load(&other).unwrap_err().to_string();
    assert!(
        error.contains("checkpoint") && error.contains("does not count under this policy"),
        "{error}"
    );
}

/// Otherwise every change of who certifies would end a monitor for good.
#[test]
fn a_checkpoint_of_the_policy_before_is_gone_on_from_where_the_ledger_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [mut two, mut three] = [2, 3].map(TinyLedger::with_cosigners);
    for ledger in [&mut two, &mut three] {
        ledger.append(&dab_proof::leaf::Subject::catalog(), b"body", None, "WRITE");
    }
    let (before, now) = (two.trust().policy, three.trust().policy);
    let state = MonitorState::open(dir.path()).unwrap();
    assert!(state.policy_before().unwrap().is_none());
    keep(&state, None, &see(&two, None), &two);
    state.store_pending(&Pending::new([two.checkpoint()])).unwrap();
    let known = state.load(&now).unwrap().unwrap();
    assert_eq!(known.signed, two.checkpoint());
    assert_eq!(state.load_pending(&now).unwrap().shown(), [two.checkpoint()]);
    assert_eq!(
        state.last_sign(&known, &now).unwrap(),
        state.last_sign(&known, &before).unwrap()
    );
    // another ledger's policy, or that of the same name with another key, changes nothing
    let other = Policy::parse("quorum none\n").unwrap();
    assert!(state.load(&other).is_err() && state.load_pending(&other).is_err());
    // two policies later, and whether or not its operator has been told of the first
    state.keep_policy(three.policy_text().as_bytes()).unwrap();
    assert!(state.load(&now).unwrap().is_some());
    // a crash behind the policy, and before the checkpoint that was accepted under it
    fs::write(dir.path().join("accepted-under"), three.policy_text()).unwrap();
    assert!(state.load(&now).is_err(), "nobody knows what it was accepted under");
    state.keep_policy(two.policy_text().as_bytes()).unwrap();
    assert!(state.load(&now).unwrap().is_some());
}

#[test]
fn with_cosigners_the_quorum_s_time_counts_and_without_only_growth() {
    let dir = tempfile::tempdir().unwrap();
    let mut cosigned = TinyLedger::with_cosigners(2);
    cosigned.append(&dab_proof::leaf::Subject::catalog(), b"body", None, "WRITE");
    let policy = cosigned.trust().policy;
    let state = MonitorState::open(dir.path()).unwrap();
    keep(&state, None, &see(&cosigned, None), &cosigned);
    let known = state.load(&policy).unwrap().unwrap();
    let last = state.last_sign(&known, &policy).unwrap();
    assert_eq!(last, LastSign::Cosigned(TIME_UNIX_S + 1));
    assert_eq!(last.stalled(&known, TIME_UNIX_S + 61, 60, None), None);
    assert_eq!(last.stalled(&known, TIME_UNIX_S + 1 - 600, 60, None), None);
    let future = last.stalled(&known, TIME_UNIX_S - 600, 60, None).unwrap();
    assert!(future.reason.contains("601 s in the future"), "{future:?}");
    let alarm = last.stalled(&known, TIME_UNIX_S + 62, 60, Some("it is gone")).unwrap();
    assert_eq!(alarm.kind, AlarmKind::Stalled);
    assert!(
        alarm
            .reason
            .contains("61 s, 60 are allowed; it could not be read: it is gone"),
        "{alarm:?}"
    );

    let dir = tempfile::tempdir().unwrap();
    let alone = ledger(5, "leaf");
    let policy = alone.trust().policy;
    let state = MonitorState::open(dir.path()).unwrap();
    keep(&state, None, &see(&alone, None), &alone);
    let known = state.load(&policy).unwrap().unwrap();
    let grown = state.last_sign(&known, &policy).unwrap();
    // seeing the same again is no growth: the file is not touched
    let file = fs::File::options()
        .write(true)
        .open(dir.path().join("checkpoint"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000))
        .unwrap();
    keep(&state, Some(&known), &see(&alone, Some(&known)), &alone);
    let again = state.last_sign(&known, &policy).unwrap();
    assert_eq!(again, LastSign::Grown(1_000_000));
    assert_ne!(grown, again);
    let alarm = again.stalled(&known, 1_000_061, 60, None).unwrap();
    assert!(alarm.reason.contains("has not grown for 61 s"), "{alarm:?}");
}

#[test]
fn evidence_is_kept_by_kind() {
    let dir = tempfile::tempdir().unwrap();
    let state = MonitorState::open(dir.path()).unwrap();
    let alarm = Alarm::new(AlarmKind::Fork, "reason")
        .file("first", b"a".to_vec())
        .file("second", b"b".to_vec());
    let folder = state.keep(&alarm).unwrap().unwrap();
    assert!(folder.starts_with(dir.path().join("evidence")));
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("fork-"));
    assert_eq!(fs::read(folder.join("second")).unwrap(), b"b");
    assert_eq!(state.keep(&alarm).unwrap().unwrap(), folder);
    assert_eq!(state.keep(&Alarm::new(AlarmKind::Stalled, "reason")).unwrap(), None);
}

#[test]
fn what_was_shown_and_not_followed_to_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let whole = ledger(12, "leaf");
    let policy = whole.trust().policy;
    let shown = |sizes: std::ops::Range<u64>| Pending::new(sizes.map(|size| whole.checkpoint_at(TreeSize(size))));
    let state = MonitorState::open(dir.path()).unwrap();
    for pending in [shown(1..4), shown(1..12), shown(2..4), Pending::default(), shown(5..6)] {
        state.store_pending(&pending).unwrap();
        assert_eq!(state.load_pending(&policy).unwrap(), pending);
    }
    fs::write(dir.path().join("pending/0"), "rubbish").unwrap();
    let error = state.load_pending(&policy).unwrap_err().to_string();
    assert!(
        error.contains("pending/0") && error.contains("does not count"),
        "{error}"
    );
}

/// What a server answers ends up here, and the monitor may reach servers that others may not.
#[test]
fn nobody_else_reads_what_a_monitor_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    // as an earlier release left it
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let whole = ledger(5, "leaf");
    let kept = MonitorState::open(&state).unwrap();
    kept.store(
        None,
        &see(&whole, None),
        &whole.trust().policy,
        whole.policy_text().as_bytes(),
    )
    .unwrap();
    kept.store_pending(&Pending::new([whole.checkpoint()])).unwrap();
    kept.keep_policy(whole.policy_text().as_bytes()).unwrap();
    kept.keep(&Alarm::new(AlarmKind::Bad, "reason").file("checkpoint", b"a".to_vec()))
        .unwrap();
    assert_closed(&state);
}
