//! Follows a ledger: one look after the other, each from what the last one accepted.
//!
//! A look reads the checkpoint, proves from tiles that the ledger only grew, then reads the new leaves and holds each
//! against its place in the tree, its writer and the chain of its subject. It keeps one entry bundle in memory, the right
//! edge of the tree, and the head of each subject. What is wrong is an `Alarm` with files that others can check.

mod alarm;
mod heads;
mod leaves;
mod pending;

pub use alarm::{Alarm, AlarmKind, Trouble};
pub use heads::{HEADS_MAX, Heads};
pub use pending::{PENDING_MAX, Pending};

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::checkpoint::SignedCheckpoint;
use crate::error::Error;
use crate::fork::{Relation, compare};
use crate::policy::Certification;
use crate::source::Source;
use crate::tree::{LeafIndex, TreeSize};
use crate::trust::Trust;

/// What a monitor holds a ledger against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'t> {
    /// Whose checkpoints count, and who may write what.
    pub trust: &'t Trust,
    /// Names of the writers that are expected, of those in `trust/writers`; none for all of them.
    pub writers: Option<&'t [String]>,
}

/// What the last look accepted.
#[derive(Debug, Clone)]
pub struct Known {
    /// The checkpoint.
    pub signed: SignedCheckpoint,
    /// The last leaf of each subject in its tree; where they are lost, the next look reads the ledger from leaf zero.
    pub heads: Option<Heads>,
}

/// What a look found, when all of it is good.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The checkpoint, to be kept for the next look.
    pub signed: SignedCheckpoint,
    /// Who signed it.
    pub certification: Certification,
    /// The last leaf of each subject.
    pub heads: Heads,
    /// Leaves that the last look had not seen.
    pub leaves: u64,
    /// Those by name of their writer.
    pub written: BTreeMap<String, u64>,
    /// Those that change who certifies or who writes.
    pub changes: Vec<LeafIndex>,
}

impl Seen {
    /// What the next look begins from.
    pub fn into_known(self) -> Known {
        Known {
            signed: self.signed,
            heads: Some(self.heads),
        }
    }
}

/// Takes one look. Without `known` it reads the ledger from leaf zero. What is `pending` is held against the checkpoint too;
/// a certified checkpoint that cannot be followed to is added to it, and all are dropped once one is accepted. So a fork that
/// was shown without its tiles is told as one as soon as another face is shown.
///
/// # Errors
/// `Trouble::Alarm` when something is wrong, `Trouble::Undecided` when something could not be read.
pub fn look(
    source: &dyn Source,
    expected: Expected<'_>,
    known: Option<&Known>,
    pending: &mut Pending,
) -> Result<Seen, Trouble> {
    let (signed, certification) = read_checkpoint(source, expected.trust)?;
    let source = Remembering::new(source);
    let before = known.map(|known| &known.signed);
    let found = check_growth_from(before.into_iter().chain(pending.shown()), &signed, &source)
        .and_then(|()| follow(&source, expected, known, signed.clone(), certification));
    match &found {
        Ok(_) => pending.clear(),
        Err(trouble) if is_to_be_followed(before, &signed, trouble) => pending.remember(&signed),
        Err(_) => {}
    }
    found
}

/// Whether a certified checkpoint was shown that could not be followed to, as its files could not be read, were not there or
/// do not hold: what it signs has to go together with whatever is shown later. Where trees were compared, both are evidence
/// already; another ledger's is none of ours.
fn is_to_be_followed(before: Option<&SignedCheckpoint>, signed: &SignedCheckpoint, trouble: &Trouble) -> bool {
    let unfollowed = match trouble {
        Trouble::Undecided(_) => true,
        Trouble::Alarm(alarm) => alarm.kind == AlarmKind::Bad,
    };
    let (known, shown) = (before.map(SignedCheckpoint::checkpoint), signed.checkpoint());
    unfollowed && known.is_none_or(|known| known.origin == shown.origin && known != shown)
}

/// Reads the new leaves of a tree that grew from what is known.
fn follow(
    source: &dyn Source,
    expected: Expected<'_>,
    known: Option<&Known>,
    signed: SignedCheckpoint,
    certification: Certification,
) -> Result<Seen, Trouble> {
    let start = match known {
        Some(Known { signed, heads: Some(_) }) => signed.checkpoint().size,
        _ => TreeSize(0),
    };
    let heads = known.and_then(|known| known.heads.clone()).unwrap_or_default();
    let read = leaves::read(source, expected, &signed, start, heads)?;
    let seen = known.map_or(0, |known| known.signed.checkpoint().size.0);
    Ok(Seen {
        leaves: signed.checkpoint().size.0 - seen,
        signed,
        certification,
        heads: read.heads,
        written: read.written,
        changes: read.changes,
    })
}

fn read_checkpoint(source: &dyn Source, trust: &Trust) -> Result<(SignedCheckpoint, Certification), Trouble> {
    let bytes = source.read("checkpoint")?.ok_or_else(|| {
        Trouble::Undecided(Error::Unavailable {
            path: "checkpoint".to_owned(),
            reason: "there is no ledger here: the file is missing".to_owned(),
        })
    })?;
    let verified = SignedCheckpoint::parse(&bytes).and_then(|signed| {
        let certification = trust.policy.verify(&signed)?;
        Ok((signed, certification))
    });
    verified.map_err(|error| {
        let hint = match error {
            Error::QuorumNotMet { .. } => {
                "; where others certify now, follow the ledger's changes first (dab-verify follow)"
            }
            _ => "",
        };
        let reason = format!("the checkpoint does not count: {error}{hint}");
        Trouble::from(Alarm::new(AlarmKind::Bad, reason).file("checkpoint", bytes))
    })
}

/// Holds a checkpoint against all earlier ones. One that shows something wrong counts for more than one that could not be
/// compared.
fn check_growth_from<'a>(
    earlier: impl Iterator<Item = &'a SignedCheckpoint>,
    signed: &SignedCheckpoint,
    tiles: &dyn Source,
) -> Result<(), Trouble> {
    let mut undecided = None;
    for one in earlier {
        match check_growth(one, signed, tiles) {
            Err(Trouble::Undecided(error)) => undecided = undecided.or(Some(error)),
            found => found?,
        }
    }
    undecided.map_or(Ok(()), |error| Err(Trouble::Undecided(error)))
}

fn check_growth(known: &SignedCheckpoint, signed: &SignedCheckpoint, tiles: &dyn Source) -> Result<(), Trouble> {
    let (older, newer) = (known.checkpoint(), signed.checkpoint());
    let both = |kind, reason: String| {
        let alarm = Alarm::new(kind, reason);
        alarm.file("first", known.to_bytes()).file("second", signed.to_bytes())
    };
    let relation = match compare(older, newer, tiles) {
        Ok(relation) => relation,
        Err(error @ Error::WrongOrigin { .. }) => {
            let reason = format!("the ledger is another one: {error}");
            return Err(both(AlarmKind::Bad, reason).into());
        }
        // the tiles of the larger tree may be gone together with it
        Err(_) if newer.size < older.size => Relation::Consistent,
        Err(error) if error.is_undecided() => return Err(Trouble::Undecided(error)),
        Err(error) => {
            let reason = format!(
                "the tiles do not prove that size {} grew from size {}: {error}",
                newer.size, older.size
            );
            return Err(both(AlarmKind::Bad, reason).into());
        }
    };
    match relation {
        Relation::Contradictory(proof) => {
            let reason = format!(
                "the ledger forked: the tree of {} leaves does not agree with that of {}, and both were certified",
                newer.size, older.size
            );
            let alarm = both(AlarmKind::Fork, reason);
            let proof = proof.map(|proof| proof.to_text().into_bytes());
            Err(proof
                .into_iter()
                .fold(alarm, |alarm, proof| alarm.file("proof", proof))
                .into())
        }
        Relation::Consistent if newer.size < older.size => {
            let reason = format!(
                "the ledger shrank: size {} was certified, now it shows {}",
                older.size, newer.size
            );
            Err(both(AlarmKind::Shrunk, reason).into())
        }
        Relation::Consistent => Ok(()),
    }
}

/// Remembers the tiles of hashes for the length of one look: proofs ask for the same few again and again.
struct Remembering<'s> {
    source: &'s dyn Source,
    tiles: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
}

/// Tiles that are remembered; more than the right edges of two trees take.
const TILES_REMEMBERED_MAX: usize = 64;

impl<'s> Remembering<'s> {
    fn new(source: &'s dyn Source) -> Remembering<'s> {
        let tiles = RefCell::default();
        Remembering { source, tiles }
    }
}

impl Source for Remembering<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        if let Some(bytes) = self.tiles.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = self.source.read(path)?;
        let mut tiles = self.tiles.borrow_mut();
        if tiles.len() < TILES_REMEMBERED_MAX && !path.starts_with("tile/entries/") {
            tiles.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
