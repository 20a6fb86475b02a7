//! Changes bytes of everything an auditor is handed, and counts what the verifier says.
//!
//! Every artefact of one small table that the real system wrote is changed at every offset, in five ways. Whatever is
//! accepted must stand in `tests/data/neutral_changes.txt`, and no change may make the verifier panic.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use dab_proof::report::{Report, Verdict};
use dab_proof::trust::Trust;
use dab_tests::offline::Evidence;
use dab_tests::say::say;
use dab_tests::seed::{Random, seed};
use dab_tests::workspace;

use crate::attacks::{VERSION, evidence};

/// The fewest changes that count as a campaign.
const CHANGES_MIN: u64 = 2_000;
/// Offsets of an artefact that are all tried; a larger one is sampled at as many.
const OFFSETS_MAX: usize = 4096;
/// Reports that name the artefact that was changed, of all that reject it, in percent.
const NAMED_PERCENT_MIN: u64 = 99;

/// How a line of `neutral_changes.txt` about single bytes begins.
pub(crate) const NEUTRAL_BYTES: &str = "bytes of ";

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
    HeadProof,
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
        [Artefact::Commit, Artefact::Proof, Artefact::HeadProof]
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
            Artefact::HeadProof => Some(&mut evidence.head_proof),
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
            Artefact::HeadProof => vec![|evidence| evidence.verify_head()],
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
            Artefact::Proof | Artefact::HeadProof => vec![],
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
            Artefact::HeadProof => f.write_str("head proof"),
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
    assert_eq!(by_kind.len(), 7, "kinds of artefacts: {:?}", by_kind.keys());
}

/// A change of whom to trust is no fault of the evidence, so a file that cannot be used leaves it undecided; one that can
/// must not let pass what the honest one let pass, unless it says the same.
#[test]
fn every_changed_byte_of_policy_and_writers_is_noticed_or_says_nothing() {
    let honest = evidence();
    let seed = seed();
    say(format!("tamper campaign on the trust directory, DAB_TEST_SEED={seed}"));
    let mut random = Random::new(seed);
    let mut neutral = BTreeMap::<&str, u64>::new();
    let (mut tried, mut missed) = (0, Vec::new());
    for (name, text) in [("policy", &honest.policy), ("writers", &honest.writers)] {
        for offset in 0..text.len() {
            for change in CHANGES {
                let changed = change.apply(text, offset, &mut random);
                tried += 1;
                if !is_trusted_alike(honest, name, &changed) {
                    continue;
                }
                match neutral_kind(text, &changed) {
                    Some(kind) => *neutral.entry(kind).or_default() += 1,
                    None => missed.push(format!("{name}: {change:?} at {offset}")),
                }
            }
        }
    }
    say(format!(
        "changed bytes of policy and writers: {tried} tried, neutral: {neutral:?}"
    ));
    assert_eq!(missed, [""; 0], "accepted, and not neutral");
    let list = workspace::read("tests/data/neutral_changes.txt");
    let of_trust = format!("{NEUTRAL_BYTES}policy, writers | ");
    let listed: Vec<_> = list.lines().filter_map(|line| line.strip_prefix(&of_trust)).collect();
    assert_eq!(listed.len(), neutral.len(), "{listed:?}");
    for kind in neutral.keys() {
        assert!(listed.iter().any(|line| line.starts_with(kind)), "not listed: {kind}");
    }
}

/// Whether the evidence is valid under a changed file of the trust directory.
fn is_trusted_alike(honest: &Evidence, name: &str, changed: &[u8]) -> bool {
    let trust = match name {
        "policy" => Trust::from_texts(changed, &honest.writers, None),
        _ => Trust::from_texts(&honest.policy, changed, None),
    };
    let Ok(trust) = trust else {
        return false;
    };
    let judged = Evidence {
        trust,
        ..honest.clone()
    };
    [judged.verify(VERSION), judged.verify_head(), judged.audit_ledger(None)]
        .iter()
        .all(|report| report.verdict() == Verdict::Valid)
}

/// What a changed trust file has in common with the honest one: all words outside of comments.
fn neutral_kind(honest: &[u8], changed: &[u8]) -> Option<&'static str> {
    let lines = |text: &[u8], comments: bool| -> Vec<Vec<String>> {
        let text = String::from_utf8_lossy(text).into_owned();
        let lines = text
            .lines()
            .map(|line| line.split([' ', '\t']).filter(|word| !word.is_empty()));
        let lines = lines.map(|words| words.map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter(|words| words.first().is_some_and(|word| comments || !word.starts_with('#')))
            .collect()
    };
    if lines(honest, true) == lines(changed, true) {
        return Some("another or a further blank between words, or an empty line");
    }
    (lines(honest, false) == lines(changed, false)).then_some("of a comment")
}
