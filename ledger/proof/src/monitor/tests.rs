use std::cell::Cell;

use super::*;
use crate::leaf::Subject;
use crate::note::SigningKey;
use crate::testing::{MemorySource, TinyLedger};

fn grow(ledger: &mut TinyLedger, leaves: u64, body: &str) {
    for leaf in 0..leaves {
        let subject = Subject::table(&format!("t{}", leaf % 3)).unwrap();
        ledger.append(&subject, format!("{body} {leaf}").as_bytes(), None, "WRITE");
    }
}

fn see(ledger: &TinyLedger, source: &MemorySource, known: Option<&Known>) -> Result<Seen, Trouble> {
    see_with(ledger, source, known, &mut Pending::default())
}

fn see_with(
    ledger: &TinyLedger,
    source: &MemorySource,
    known: Option<&Known>,
    pending: &mut Pending,
) -> Result<Seen, Trouble> {
    let trust = ledger.trust();
    let expected = Expected {
        trust: &trust,
        writers: None,
    };
    look(source, expected, known, pending)
}

#[track_caller]
fn alarmed(found: Result<Seen, Trouble>, kind: AlarmKind) -> Alarm {
    match found {
        Err(Trouble::Alarm(alarm)) if alarm.kind == kind => *alarm,
        other => panic!("{other:?}"),
    }
}

/// A ledger of `leaves` leaves that was seen, and grew since.
fn grown(leaves: u64, more: u64) -> (TinyLedger, Known) {
    let mut ledger = TinyLedger::new();
    grow(&mut ledger, leaves, "first");
    let known = see(&ledger, &ledger.public(), None).unwrap().into_known();
    grow(&mut ledger, more, "second");
    (ledger, known)
}

#[test]
fn leaves_that_change_who_certifies_are_named_and_a_quorum_that_is_not_met_says_what_to_do() {
    let (mut ledger, known) = grown(3, 2);
    let index = ledger.append(&Subject::members(), b"a change", None, "MEMBERS");
    grow(&mut ledger, 1, "third");
    let seen = see(&ledger, &ledger.public(), Some(&known)).unwrap();
    assert_eq!((seen.leaves, seen.changes), (4, vec![index]));
    let [two, three] = [2, 3].map(TinyLedger::with_cosigners);
    let alarm = alarmed(see(&three, &two.public(), None), AlarmKind::Bad);
    assert!(alarm.reason.contains("follow the ledger's changes first"), "{alarm:?}");
}

#[test]
fn honest_growth_is_followed_from_any_size_to_any_other() {
    for (leaves, more) in [
        (1, 0),
        (1, 1),
        (3, 4),
        (255, 1),
        (255, 2),
        (256, 1),
        (256, 300),
        (300, 300),
        (513, 700),
    ] {
        let (ledger, known) = grown(leaves, more);
        let seen = see(&ledger, &ledger.public(), Some(&known)).unwrap();
        assert_eq!(seen.leaves, more);
        assert_eq!(seen.written.values().sum::<u64>(), more);
        let root = seen.signed.checkpoint().root;
        assert_eq!(root, ledger.checkpoint().checkpoint().root);
        let read = Heads::parse(seen.heads.to_text(&root).as_bytes(), &root)
            .unwrap()
            .unwrap();
        assert_eq!(read, seen.heads);
        assert_eq!(
            read,
            see(&ledger, &ledger.public(), None).unwrap().heads,
            "as from leaf zero"
        );
        let lost = Known { heads: None, ..known };
        assert_eq!(see(&ledger, &ledger.public(), Some(&lost)).unwrap().heads, read);
    }
}

#[test]
fn a_look_reads_what_is_new_and_not_the_whole() {
    let (ledger, known) = grown(900, 5);
    let mut public = ledger.public();
    // full bundles before the last look are not needed any more
    for bundle in ["tile/entries/000", "tile/entries/001", "tile/entries/002"] {
        public.files.remove(bundle).unwrap();
    }
    assert_eq!(see(&ledger, &public, Some(&known)).unwrap().leaves, 5);
    alarmed(see(&ledger, &public, None), AlarmKind::Bad);
}

#[test]
fn a_fork_is_told_with_evidence_that_the_verifier_accepts() {
    for (leaves, more) in [(5, 0), (5, 3), (8, 1), (300, 300)] {
        let (honest, known) = grown(leaves, more);
        let mut forged = TinyLedger::new();
        grow(&mut forged, leaves + more, "forged");
        let alarm = alarmed(see(&honest, &forged.public(), Some(&known)), AlarmKind::Fork);
        let file = |name| {
            alarm
                .files
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, bytes)| bytes.as_slice())
        };
        let further = file("proof").map_or(crate::fork::Further::Nothing, crate::fork::Further::Proof);
        assert_eq!(file("proof").is_some(), more > 0);
        let (first, second) = (file("first").unwrap(), file("second").unwrap());
        let report = crate::fork::check_fork(first, second, &honest.trust(), further);
        assert_eq!(report.exit_code(), 1, "{report}");
    }
}

#[test]
fn a_smaller_tree_is_an_alarm_and_a_fork_where_the_tiles_show_it() {
    let (ledger, known) = grown(20, 0);
    let mut public = ledger.public();
    public
        .files
        .insert("checkpoint".into(), ledger.checkpoint_at(TreeSize(7)).to_bytes());
    alarmed(see(&ledger, &public, Some(&known)), AlarmKind::Shrunk);
    let mut forged = TinyLedger::new();
    grow(&mut forged, 7, "forged");
    public.files.insert("checkpoint".into(), forged.checkpoint().to_bytes());
    alarmed(see(&ledger, &public, Some(&known)), AlarmKind::Fork);
    // with the larger tree's tiles gone, it still is smaller than before
    alarmed(see(&ledger, &forged.public(), Some(&known)), AlarmKind::Shrunk);
}

#[test]
fn strangers_and_writers_who_are_not_expected_are_told_apart_from_bad_leaves() {
    let (mut ledger, known) = grown(5, 1);
    let trust = ledger.trust();
    let nobody = ["dab/test/other".to_owned()];
    let expected = Expected {
        trust: &trust,
        writers: Some(&nobody),
    };
    let alarm = alarmed(
        look(&ledger.public(), expected, Some(&known), &mut Pending::default()),
        AlarmKind::Writer,
    );
    assert!(
        alarm
            .reason
            .starts_with("leaf 5: dab/test/writer wrote it, about table/t0"),
        "{alarm:?}"
    );
    ledger.writer = SigningKey::generate("dab/test/stranger", &[7; 32]).unwrap();
    grow(&mut ledger, 1, "third");
    alarmed(
        see(&TinyLedger::new(), &ledger.public(), Some(&known)),
        AlarmKind::Writer,
    );

    // a key that was revoked as the sixth leaf came, and has signed a seventh
    let (mut ledger, known) = grown(5, 1);
    grow(&mut ledger, 1, "third");
    for (from, refused) in [(6, true), (7, false)] {
        let writers = format!("revoked {from} {}", ledger.writers_text());
        let trust = Trust::from_texts(ledger.policy_text(), writers, None).unwrap();
        let expected = Expected {
            trust: &trust,
            writers: None,
        };
        let seen = look(&ledger.public(), expected, Some(&known), &mut Pending::default());
        match refused {
            true => assert!(alarmed(seen, AlarmKind::Writer).reason.contains("revoked from leaf 6")),
            false => assert_eq!(seen.unwrap().leaves, 2),
        }
    }

    let (mut ledger, known) = grown(5, 1);
    ledger.push_entry(b"no leaf at all");
    let alarm = alarmed(see(&ledger, &ledger.public(), Some(&known)), AlarmKind::Bad);
    assert!(alarm.reason.starts_with("leaf 6: "), "{alarm:?}");
}

#[test]
fn a_leaf_that_does_not_follow_its_subject_is_bad() {
    let (mut ledger, known) = grown(5, 0);
    let mut other = TinyLedger::new();
    grow(&mut other, 3, "other");
    let entry = other.receipt(crate::tree::LeafIndex(0)).leaf;
    ledger.push(&entry);
    let alarm = alarmed(see(&ledger, &ledger.public(), Some(&known)), AlarmKind::Bad);
    assert!(alarm.reason.contains("has sequence 0 here, 2 is due"), "{alarm:?}");
}

#[test]
fn every_changed_byte_of_what_is_new_is_an_alarm() {
    let (ledger, known) = grown(254, 4);
    let public = ledger.public();
    for path in [
        "checkpoint",
        "tile/entries/000",
        "tile/entries/001.p/2",
        "tile/0/000",
        "tile/0/001.p/2",
        "tile/1/000.p/1",
    ] {
        let bytes = &public.files[path];
        // a byte of the part that is old and of no consequence now
        let first = if path.ends_with("/000") && path != "tile/1/000.p/1" {
            bytes.len() - 32
        } else {
            0
        };
        for place in first..bytes.len() {
            let mut spoiled = public.clone();
            spoiled.files.get_mut(path).unwrap()[place] ^= 1;
            let found = see(&ledger, &spoiled, Some(&known));
            assert!(matches!(found, Err(Trouble::Alarm(_))), "{path} at {place}: {found:?}");
        }
        let mut missing = public.clone();
        missing.files.remove(path);
        match see(&ledger, &missing, Some(&known)) {
            Err(Trouble::Undecided(_)) => assert_eq!(path, "checkpoint"),
            other => drop(alarmed(other, AlarmKind::Bad)),
        }
        let mut unreadable = public.clone();
        unreadable.unreadable = Some(path.to_owned());
        assert!(
            matches!(see(&ledger, &unreadable, Some(&known)), Err(Trouble::Undecided(_))),
            "{path}"
        );
    }
}

#[test]
fn heads_of_another_tree_or_of_no_monitor_are_not_believed() {
    let (_, known) = grown(5, 0);
    let root = known.signed.checkpoint().root;
    let text = known.heads.unwrap().to_text(&root);
    assert_eq!(Heads::parse(text.as_bytes(), &crate::hash::empty_root()).unwrap(), None);
    let read = |text: &str| Heads::parse(text.as_bytes(), &root).unwrap().unwrap();
    assert!(read(&text).is_complete());
    assert!(!read(&text.replace("complete yes", "complete no")).is_complete());
    for spoiled in [
        String::new(),
        text.trim_end().to_owned(),
        text.replace("heads/v1", "heads/v2"),
        text.replace("complete yes", "complete"),
        text.replacen("t0 ", "t0  ", 1),
        text.replacen("t0 1", "t0 01", 1),
        text.clone() + "table/x 1\n",
    ] {
        assert!(Heads::parse(spoiled.as_bytes(), &root).is_err(), "{spoiled:?}");
    }
}

#[test]
fn another_ledger_is_not_taken_for_this_one() {
    let (ledger, known) = grown(5, 0);
    let other = SigningKey::generate("dab/elsewhere", &[9; 32]).unwrap();
    let mut checkpoint = ledger.checkpoint().checkpoint().clone();
    checkpoint.origin = "dab/elsewhere".into();
    let mut public = ledger.public();
    public
        .files
        .insert("checkpoint".into(), checkpoint.sign(&other).unwrap().to_bytes());
    let policy = format!("{}log {}\n", ledger.policy_text(), other.verifier());
    let trust = Trust::from_texts(policy, ledger.writers_text(), None).unwrap();
    let mut pending = Pending::default();
    let expected = Expected {
        trust: &trust,
        writers: None,
    };
    let found = look(&public, expected, Some(&known), &mut pending);
    assert!(alarmed(found, AlarmKind::Bad).reason.contains("another one"));
    assert_eq!(pending, Pending::default(), "it would stay in the way of this one");
}

/// The files of a ledger that shows its checkpoint and withholds everything else.
fn withheld(ledger: &TinyLedger) -> MemorySource {
    let mut public = ledger.public();
    public.unreadable = Some(if ledger.size().0 < 256 {
        format!("tile/0/000.p/{}", ledger.size())
    } else {
        "tile/0/000".to_owned()
    });
    public
}

/// Nothing was kept of a checkpoint whose tiles were withheld: a fork that was certified and shown went unreported as soon as
/// the honest ledger was shown again.
#[test]
fn a_fork_whose_tiles_are_withheld_is_told_when_the_ledger_shows_another_face() {
    for (leaves, forked, later, kind) in [
        (5, 9, 9, AlarmKind::Fork),
        (5, 9, 12, AlarmKind::Fork),
        (5, 12, 9, AlarmKind::Shrunk),
    ] {
        let (mut honest, known) = grown(leaves, 0);
        let mut forged = TinyLedger::new();
        grow(&mut forged, forked, "forged");
        let mut pending = Pending::default();
        for _ in 0..2 {
            let found = see_with(&honest, &withheld(&forged), Some(&known), &mut pending);
            assert!(matches!(found, Err(Trouble::Undecided(_))), "{found:?}");
        }
        assert_eq!(pending.shown(), [forged.checkpoint()]);
        grow(&mut honest, later - leaves, "second");
        let alarm = alarmed(see_with(&honest, &honest.public(), Some(&known), &mut pending), kind);
        assert_eq!(alarm.files[0], ("first", forged.checkpoint().to_bytes()));
        assert_eq!(pending.shown(), [forged.checkpoint()], "an alarm changes nothing");
    }
    // before anything was accepted as well
    let (honest, _) = grown(5, 0);
    let mut forged = TinyLedger::new();
    grow(&mut forged, 5, "forged");
    let mut pending = Pending::default();
    see_with(&honest, &withheld(&forged), None, &mut pending).unwrap_err();
    alarmed(see_with(&honest, &honest.public(), None, &mut pending), AlarmKind::Fork);
}

/// A fork whose tiles a server says are not there was told as a bad tile, and forgotten: shown its honest face, the monitor
/// went on.
#[test]
fn a_fork_whose_tiles_are_not_there_is_told_when_the_ledger_shows_another_face() {
    let without_tiles = |ledger: &TinyLedger| {
        let mut public = ledger.public();
        public.files.retain(|path, _| !path.starts_with("tile/0/"));
        public
    };
    let (mut honest, known) = grown(5, 0);
    let mut forged = TinyLedger::new();
    grow(&mut forged, 9, "forged");
    let mut pending = Pending::default();
    for _ in 0..2 {
        let found = see_with(&honest, &without_tiles(&forged), Some(&known), &mut pending);
        alarmed(found, AlarmKind::Bad);
        assert_eq!(pending.shown(), [forged.checkpoint()]);
    }
    grow(&mut honest, 7, "second");
    let found = see_with(&honest, &honest.public(), Some(&known), &mut pending);
    let alarm = alarmed(found, AlarmKind::Fork);
    assert_eq!(alarm.files[0], ("first", forged.checkpoint().to_bytes()));
    assert_eq!(alarm.files[1], ("second", honest.checkpoint().to_bytes()));
    // and what was not there for a moment is forgotten once it is
    let mut pending = Pending::default();
    let found = see_with(&honest, &without_tiles(&honest), Some(&known), &mut pending);
    alarmed(found, AlarmKind::Bad);
    see_with(&honest, &honest.public(), Some(&known), &mut pending).unwrap();
    assert_eq!(pending, Pending::default());
}

#[test]
fn what_could_not_be_followed_to_is_dropped_once_it_is_shown_to_be_a_part_and_the_first_ones_stay() {
    let (mut ledger, known) = grown(5, 0);
    let mut pending = Pending::default();
    let mut first = None;
    for _ in 0..PENDING_MAX + 3 {
        grow(&mut ledger, 1, "more");
        first = first.or(Some(ledger.checkpoint()));
        see_with(&ledger, &withheld(&ledger), Some(&known), &mut pending).unwrap_err();
    }
    assert_eq!(pending.shown().len(), PENDING_MAX);
    assert_eq!(pending.shown().first(), first.as_ref());
    assert_eq!(pending.shown().last(), Some(&ledger.checkpoint()));
    let seen = see_with(&ledger, &ledger.public(), Some(&known), &mut pending).unwrap();
    assert_eq!(seen.leaves, PENDING_MAX as u64 + 3);
    assert_eq!(pending, Pending::default());
}

/// Public files that a server gives, but for the first reading of a tile, which fails; it counts how often it was asked.
struct Moody {
    files: MemorySource,
    failures_left: Cell<u32>,
    reads: Cell<usize>,
}

impl Moody {
    fn new(files: MemorySource, failures: u32) -> Moody {
        Moody {
            files,
            failures_left: Cell::new(failures),
            reads: Cell::new(0),
        }
    }
}

impl Source for Moody {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.reads.set(self.reads.get() + 1);
        let left = self.failures_left.get();
        if path.starts_with("tile/0/") && left > 0 {
            self.failures_left.set(left - 1);
            return Err(Error::Unavailable {
                path: path.to_owned(),
                reason: "busy".to_owned(),
            });
        }
        self.files.read(path)
    }
}

#[test]
fn a_fork_is_not_accepted_because_the_tile_that_shows_it_could_not_be_read_once() {
    let (honest, known) = grown(5, 0);
    // without heads nothing but the comparison of the trees can tell
    let known = Known { heads: None, ..known };
    let mut forged = TinyLedger::new();
    grow(&mut forged, 9, "forged");
    let (moody, trust) = (Moody::new(forged.public(), 1), honest.trust());
    let expected = Expected {
        trust: &trust,
        writers: None,
    };
    let mut pending = Pending::default();
    let found = look(&moody, expected, Some(&known), &mut pending);
    assert!(matches!(found, Err(Trouble::Undecided(_))), "{found:?}");
    assert_eq!(pending.shown(), [forged.checkpoint()]);
    alarmed(look(&moody, expected, Some(&known), &mut pending), AlarmKind::Fork);
}

#[test]
fn a_look_asks_once_for_a_tile_and_remembers_so_many_and_no_bundle() {
    let moody = Moody::new(MemorySource::default(), 0);
    let source = Remembering::new(&moody);
    let asked = |path: &str| {
        let before = moody.reads.get();
        source.read(path).unwrap();
        moody.reads.get() - before
    };
    let tile = |number: usize| format!("tile/0/{number:03}");
    assert_eq!([asked("tile/entries/000"), asked("tile/entries/000")], [1, 1]);
    for number in 0..=TILES_REMEMBERED_MAX {
        assert_eq!(asked(&tile(number)), 1);
    }
    let again: Vec<_> = (0..=TILES_REMEMBERED_MAX).map(|number| asked(&tile(number))).collect();
    assert_eq!(again[..TILES_REMEMBERED_MAX], [0; TILES_REMEMBERED_MAX]);
    assert_eq!(again[TILES_REMEMBERED_MAX], 1);
}

#[test]
fn each_kind_of_alarm_has_its_word_and_its_exit_code() {
    let told = AlarmKind::ALL.map(|kind| (kind.word(), kind.exit_code()));
    let kinds = [
        ("fork", 10),
        ("shrunk", 11),
        ("stalled", 12),
        ("writer", 13),
        ("bad", 14),
        ("witnesses", 15),
    ];
    assert_eq!(told, kinds);
}
