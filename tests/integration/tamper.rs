//! Changes bytes of everything an auditor is handed, and counts what the verifier says.
//!
//! Every artefact of one small table that the real system wrote is changed at every offset, in five ways. Whatever is
//! accepted must stand in `tests/data/neutral_changes.txt`, and no change may make the verifier panic.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use dab_proof::report::{Report, Verdict};
use dab_tests::offline::Evidence;
use dab_tests::say::say;
use dab_tests::seed::{Random, seed};

use crate::attacks::{VERSION, evidence};

/// The fewest changes that count as a campaign.
const CHANGES_MIN: u64 = 2_000;
/// Offsets of an artefact that are all tried; a larger one is sampled at as many.
const OFFSETS_MAX: usize = 4096;
/// Reports that name the artefact that was changed, of all that reject it, in percent.
const NAMED_PERCENT_MIN: u64 = 99;

/// What one change does to the bytes at an offset.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Another byte stands there.
    Replaced,
    /// One of its bits is the other.
    BitFlipped,
    /// It is gone.
    Removed,
    /// It stands there twice.
    Doubled,
    /// The artefact ends there.
    Truncated,
}

const CHANGES: [Change; 5] = [
    Change::Replaced,
    Change::BitFlipped,
    Change::Removed,
    Change::Doubled,
    Change::Truncated,
];

/// Something an auditor is handed.
#[derive(Debug, Clone)]
enum Artefact {
    Commit,
    DataFile(String),
    /// Tile, entry bundle or checkpoint, by its path.
    Public(String),
    Proof,
}

/// A check that reads an artefact.
type Check = fn(&Evidence) -> Report;

#[derive(Debug, Default, Clone)]
struct Tally {
    tried: u64,
    rejected: u64,
    named: u64,
    accepted: Vec<String>,
    undecided: Vec<String>,
    panicked: Vec<String>,
}

impl Artefact {
    fn all(evidence: &Evidence) -> Vec<Artefact> {
        let data = evidence.table.data.keys().cloned().map(Artefact::DataFile);
        let current = evidence
            .public
            .files
            .keys()
            .filter(|path| is_current(evidence, path))
            .cloned()
            .map(Artefact::Public);
        [Artefact::Commit, Artefact::Proof]
            .into_iter()
            .chain(data)
            .chain(current)
            .collect()
    }

    fn bytes<'e>(&self, evidence: &'e mut Evidence) -> &'e mut Vec<u8> {
        let found = match self {
            Artefact::Commit => evidence.table.commits.get_mut(&VERSION),
            Artefact::DataFile(path) => evidence.table.data.get_mut(path),
            Artefact::Public(path) => evidence.public.files.get_mut(path),
            Artefact::Proof => evidence.proofs.get_mut(VERSION as usize),
        };
        found.expect("the evidence holds every artefact")
    }

    /// The checks that must notice a change.
    fn checks(&self) -> Vec<Check> {
        let table: Check = |evidence| evidence.audit_table();
        let ledger: Check = |evidence| evidence.audit_ledger(None);
        match self {
            Artefact::Commit => vec![table, |evidence| evidence.verify(VERSION)],
            Artefact::DataFile(_) => vec![table],
            Artefact::Public(path) if path.starts_with("tile/") && !path.starts_with("tile/entries/") => vec![ledger],
            Artefact::Public(_) => vec![ledger, table],
            Artefact::Proof => vec![|evidence| evidence.verify(VERSION)],
        }
    }

    /// Words by which a report names it.
    fn names(&self) -> Vec<String> {
        match self {
            Artefact::Commit => vec![format!("version {VERSION}, "), format!("{VERSION:020}.json")],
            Artefact::DataFile(path) => vec![path.clone(), "version ".to_owned()],
            Artefact::Public(path) if path.starts_with("tile/entries/") => vec!["tile/entries".to_owned()],
            Artefact::Public(path) => vec![path.clone()],
            // Nothing else was given: whatever the report says is about the proof.
            Artefact::Proof => vec![],
        }
    }
}

impl Display for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Artefact::Commit => f.write_str("commit file"),
            Artefact::DataFile(_) => f.write_str("data file"),
            Artefact::Public(path) if path.starts_with("tile/entries/") => f.write_str("entry bundle"),
            Artefact::Public(path) if path.starts_with("tile/") => f.write_str("tile"),
            Artefact::Public(_) => f.write_str("checkpoint"),
            Artefact::Proof => f.write_str("proof"),
        }
    }
}

/// Whether the ledger of this size needs the file: the partial tiles of smaller sizes are leftovers.
pub(crate) fn is_current(evidence: &Evidence, path: &str) -> bool {
    let checkpoint = String::from_utf8_lossy(&evidence.public.files["checkpoint"]).into_owned();
    let size: u64 = checkpoint
        .lines()
        .nth(1)
        .and_then(|line| line.parse().ok())
        .expect("a checkpoint states its size");
    assert!(size < 256, "the evidence is small");
    path == "checkpoint" || path == format!("tile/0/000.p/{size}") || path == format!("tile/entries/000.p/{size}")
}

impl Change {
    /// The changed bytes.
    fn apply(self, honest: &[u8], offset: usize, random: &mut Random) -> Vec<u8> {
        let mut bytes = honest.to_vec();
        match self {
            Change::Replaced => bytes[offset] ^= 1 + random.below(255) as u8,
            Change::BitFlipped => bytes[offset] ^= 1 << random.below(8),
            Change::Removed => drop(bytes.remove(offset)),
            Change::Doubled => bytes.insert(offset, honest[offset]),
            Change::Truncated => bytes.truncate(offset),
        }
        bytes
    }
}

/// Changes one artefact at every offset (or a sample of a large one), in every way.
fn campaign(evidence: &Evidence, artefact: &Artefact, random: &mut Random) -> Tally {
    let mut evidence = evidence.clone();
    let honest = artefact.bytes(&mut evidence).clone();
    let offsets: Vec<usize> = match honest.len() {
        length if length <= OFFSETS_MAX => (0..length).collect(),
        length => (0..OFFSETS_MAX).map(|_| random.below(length)).collect(),
    };
    let mut tally = Tally::default();
    for offset in offsets {
        for change in CHANGES {
            *artefact.bytes(&mut evidence) = change.apply(&honest, offset, random);
            for check in artefact.checks() {
                let report = catch_unwind(AssertUnwindSafe(|| check(&evidence)));
                tally.count(artefact, report.ok(), &format!("{artefact}: {change:?} at {offset}"));
            }
        }
    }
    tally
}

impl Tally {
    fn count(&mut self, artefact: &Artefact, report: Option<Report>, change: &str) {
        self.tried += 1;
        match report.as_ref().map(Report::verdict) {
            Some(Verdict::Invalid) => {
                self.rejected += 1;
                let words = report.map(|report| report.to_string()).unwrap_or_default();
                self.named += u64::from(artefact.names().iter().all(|name| words.contains(name)));
            }
            Some(Verdict::Undecided) => self.undecided.push(change.to_owned()),
            Some(Verdict::Valid) => self.accepted.push(change.to_owned()),
            None => self.panicked.push(change.to_owned()),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.tried += other.tried;
        self.rejected += other.rejected;
        self.named += other.named;
        self.accepted.extend(other.accepted.iter().cloned());
        self.undecided.extend(other.undecided.iter().cloned());
        self.panicked.extend(other.panicked.iter().cloned());
    }
}

#[test]
fn every_changed_byte_is_noticed_and_none_makes_the_verifier_panic() {
    let evidence = evidence();
    let seed = seed();
    say(format!("tamper campaign, DAB_TEST_SEED={seed}"));
    let mut by_kind: BTreeMap<String, Tally> = BTreeMap::new();
    for (artefact, number) in Artefact::all(evidence).iter().zip(0..) {
        let tally = campaign(evidence, artefact, &mut Random::new(seed + number));
        by_kind.entry(artefact.to_string()).or_default().add(&tally);
    }
    let mut total = Tally::default();
    for (kind, tally) in &by_kind {
        let (accepted, undecided) = (tally.accepted.len(), tally.undecided.len());
        let Tally {
            tried, rejected, named, ..
        } = tally;
        say(format!(
            "{kind}: {tried} tried, {rejected} rejected ({named} by name), {accepted} accepted, {undecided} undecided"
        ));
        total.add(tally);
    }
    say(format!(
        "changed bytes: {} tried, {} detected, 0 neutral, {} missed",
        total.tried,
        total.rejected,
        total.accepted.len()
    ));
    assert_eq!(total.panicked, [""; 0], "the verifier panics");
    assert_eq!(total.accepted, [""; 0], "accepted, and not neutral");
    assert_eq!(
        total.undecided, [""; 0],
        "neither accepted nor rejected, though everything could be read"
    );
    assert!(total.tried >= CHANGES_MIN, "{} changes are no campaign", total.tried);
    assert!(
        total.named * 100 >= total.rejected * NAMED_PERCENT_MIN,
        "{} of {} are named",
        total.named,
        total.rejected
    );
    assert_eq!(by_kind.len(), 6, "kinds of artefacts: {:?}", by_kind.keys());
}
