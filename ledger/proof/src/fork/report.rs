//! The check of a fork: are two notes what they are said to be, and who is to blame?

use super::{ForkProof, Relation, check_origins, compare};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::error::Error;
use crate::key::VerifierKey;
use crate::report::{Finding, Report, SignedBy, count};
use crate::source::Source;
use crate::trust::Trust;

const WHAT: &str = "checkpoint";

/// What is at hand besides the two checkpoints, to compare trees of two sizes.
pub enum Further<'a> {
    /// Nothing: only two checkpoints of one size can be compared.
    Nothing,
    /// The text of a `ForkProof`.
    Proof(&'a [u8]),
    /// The tiles of the larger tree.
    Tiles(&'a dyn Source),
}

/// One note, and what stands in it.
struct Side {
    name: &'static str,
    signed: SignedCheckpoint,
}

/// Whether two checkpoints contradict each other, and which keys signed both.
///
/// The report is invalid when they do: then it names the keys that nobody should believe any more. It is valid when one
/// tree extends the other, and undecided when that cannot be told, or when no log of the policy signed one of the notes,
/// which then says nothing about the ledger. A quorum of cosigners is not asked for: it is the ledger that is on trial.
pub fn check_fork(first: &[u8], second: &[u8], trust: &Trust, further: Further<'_>) -> Report {
    let mut report = Report::new("two checkpoints");
    let sides = Side::read(&mut report, "first", first, trust).zip(Side::read(&mut report, "second", second, trust));
    let Some((first, second)) = sides else {
        return report;
    };
    report.title = format!("two checkpoints of ledger {}", first.head().origin);
    let guilty = signers_of_both(&first, &second, trust);
    match relation(first.head(), second.head(), further) {
        Ok(Relation::Consistent) => report.check("the larger tree extends the smaller one: nothing contradicts"),
        Ok(Relation::Contradictory(proof)) => contradiction(&mut report, &first, &second, proof, &guilty),
        Err(error) => {
            report.doubt(Finding::new(format!("nothing can be said of the two trees: {error}")));
        }
    }
    report
}

fn relation(first: &Checkpoint, second: &Checkpoint, further: Further<'_>) -> Result<Relation, Error> {
    check_origins(first, second)?;
    let (older, newer) = if first.size <= second.size {
        (first, second)
    } else {
        (second, first)
    };
    match further {
        Further::Tiles(tiles) => compare(first, second, tiles),
        Further::Proof(bytes) if older.size < newer.size => {
            let proof = ForkProof::parse(bytes)?;
            if proof.size != older.size {
                let reason = format!(
                    "it speaks of size {}, the older checkpoint of {}",
                    proof.size, older.size
                );
                return Err(Error::malformed("fork proof", reason));
            }
            proof.verify(newer)?;
            Ok(match proof.root == older.root {
                true => Relation::Consistent,
                false => Relation::Contradictory(Some(proof)),
            })
        }
        _ if older.size == newer.size => Ok(match older.root == newer.root {
            true => Relation::Consistent,
            false => Relation::Contradictory(None),
        }),
        _ => Err(Error::Unavailable {
            path: "the tree between the two sizes".to_owned(),
            reason: "give the fork proof that was kept with them, or the tiles of the larger tree".to_owned(),
        }),
    }
}

fn contradiction(
    report: &mut Report,
    first: &Side,
    second: &Side,
    proof: Option<ForkProof>,
    guilty: &[(&'static str, &VerifierKey)],
) {
    let message = match proof {
        None => format!(
            "the ledger forked: for size {} both root {} and root {} were signed",
            first.head().size,
            first.head().root,
            second.head().root
        ),
        Some(ForkProof { size, root, .. }) => {
            format!("the ledger forked: at size {size} the larger tree has root {root}, another was signed")
        }
    };
    report.fail(Finding::new(message));
    for (role, key) in guilty {
        let message = format!(
            "{role} {} (key id {:08x}) signed both: believe it no more",
            key.name(),
            key.key_id()
        );
        report.fail(Finding::new(message));
    }
    if guilty.is_empty() {
        report.leave_out("who is to blame: no one key signed both");
    }
}

impl Side {
    /// Reads a note and accepts it when a log of the policy signed it under its own origin.
    fn read(report: &mut Report, name: &'static str, bytes: &[u8], trust: &Trust) -> Option<Side> {
        let refused = |report: &mut Report, error: Error| {
            report.doubt(Finding::new(format!("the {name} checkpoint is no evidence: {error}")));
        };
        let side = match SignedCheckpoint::parse(bytes) {
            Ok(signed) => Side { name, signed },
            Err(error) => {
                refused(report, error);
                return None;
            }
        };
        let head = side.head();
        report.fact(name, format!("size {}, root {}", head.size, head.root));
        let logs = || trust.policy.logs().iter().map(|log| &log.key);
        if !logs().any(|key| key.name() == head.origin && side.is_signed_by(key)) {
            let expected = format!("a log of the policy with the origin {}", head.origin);
            refused(report, Error::NotSigned { what: WHAT, expected });
            return None;
        }
        let roles = keys(trust).into_iter().filter(|(_, key)| side.is_signed_by(key));
        for (role, key) in roles {
            report.signatures.push(SignedBy {
                role,
                name: key.name().to_owned(),
                signed: format!(
                    "the {} checkpoint, of {}",
                    side.name,
                    count(head.size.0, ["leaf", "leaves"])
                ),
                time_unix_s: side.time_of(key),
            });
        }
        Some(side)
    }

    fn head(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// Each key by itself: a wrong line of another key does not spoil this one's word.
    fn is_signed_by(&self, key: &VerifierKey) -> bool {
        self.signed
            .note()
            .verify(WHAT, [key])
            .is_ok_and(|signed| !signed.is_empty())
    }

    fn time_of(&self, key: &VerifierKey) -> Option<u64> {
        self.signed.note().verify(WHAT, [key]).ok()?.first()?.time_unix_s
    }
}

fn signers_of_both<'t>(first: &Side, second: &Side, trust: &'t Trust) -> Vec<(&'static str, &'t VerifierKey)> {
    let both = keys(trust).into_iter();
    both.filter(|(_, key)| first.is_signed_by(key) && second.is_signed_by(key))
        .collect()
}

fn keys(trust: &Trust) -> Vec<(&'static str, &VerifierKey)> {
    let logs = trust.policy.logs().iter().map(|log| ("log", &log.key));
    logs.chain(
        trust
            .policy
            .witnesses()
            .iter()
            .map(|witness| ("cosigner", &witness.key)),
    )
    .collect()
}
