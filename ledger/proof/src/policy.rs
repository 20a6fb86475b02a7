//! Which checkpoints count: the file `trust/policy` (C2SP `tlog-policy`).
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <name>...
//! quorum <name>|none
//! ```
//!
//! Lines end in a newline, words are parted by spaces or tabs, `#` begins a comment line. A checkpoint counts when a
//! listed log signed it and the quorum of witnesses cosigned it. A name is defined before it is used, and is a member
//! of at most one group, so a witness counts once. Log keys are of type 0x01, witness keys of type 0x04.

mod outside;
mod parse;
mod quorum;

pub(crate) use parse::{Line, words_by_line};

use std::fmt;

use crate::checkpoint::SignedCheckpoint;
use crate::error::Error;
use crate::key::VerifierKey;
use crate::note::NoteSignature;
use quorum::Quorum;

/// Bytes of the largest policy.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Logs, witnesses and groups that one policy may define, of each kind.
pub const POLICY_DEFINITIONS_MAX: usize = 1024;

/// A policy that has been read and checked.
#[derive(Debug, Clone)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    quorum: Quorum,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone)]
pub struct Log {
    /// Its key; the key's name is the origin.
    pub key: VerifierKey,
    /// Where it can be reached, if stated.
    pub url: Option<String>,
}

/// A cosigner: a witness or a replica of the ledger.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Its name within the policy.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where it can be reached, if stated.
    pub url: Option<String>,
}

/// What a checkpoint's signatures amount to under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification {
    /// Name of the log key that signed, which is the ledger's origin.
    pub log: String,
    /// The policy's witnesses that cosigned, in the policy's order.
    pub cosigners: Vec<Cosigner>,
    /// What the policy demanded, for instance `none` or `replicas (3 of r1 r2 r3 r4)`.
    pub quorum: String,
    /// True when no witness of the policy cosigned: the ledger is believed on its own word.
    pub alone: bool,
}

/// A valid cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    /// The witness's name within the policy.
    pub name: String,
    /// Name of its key.
    pub key_name: String,
    /// When it cosigned, by its own clock, in seconds since 1970.
    pub time_unix_s: u64,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed` with the line, `UnsupportedKey` for a key that cannot have its role.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Policy, Error> {
        parse::parse(bytes.as_ref())
    }

    /// Accepts a checkpoint that a listed log signed and the quorum cosigned.
    ///
    /// Every signature line by a listed key is checked; lines by other keys are ignored.
    ///
    /// # Errors
    /// `NotSigned`, `BadSignature`, `DuplicateSignature` or `QuorumNotMet`.
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<Certification, Error> {
        const WHAT: &str = "checkpoint";
        let origin = &signed.checkpoint().origin;
        let logs = signed.note().verify(WHAT, self.logs.iter().map(|log| &log.key))?;
        if !logs.iter().any(|log| log.key.name() == origin) {
            let expected = format!("a log of the policy with the origin {origin}");
            return Err(Error::NotSigned { what: WHAT, expected });
        }
        let signed = signed
            .note()
            .verify(WHAT, self.witnesses.iter().map(|witness| &witness.key))?;
        let time_of = |key: &VerifierKey| {
            signed
                .iter()
                .find(|line| line.key == key)
                .and_then(|line| line.time_unix_s)
        };
        self.certification(origin, |witness| time_of(&witness.key))
    }

    /// What a checkpoint of `origin` amounts to under which each witness has signed at the time that `time_of` gives, for
    /// whoever has checked every one of these signatures.
    ///
    /// # Errors
    /// `QuorumNotMet`.
    pub fn certification(
        &self,
        origin: &str,
        time_of: impl Fn(&Witness) -> Option<u64>,
    ) -> Result<Certification, Error> {
        let times: Vec<_> = self.witnesses.iter().map(time_of).collect();
        let cosigners: Vec<_> = self.witnesses.iter().zip(&times).filter_map(Cosigner::of).collect();
        if !self.quorum.is_met(&|witness| times[witness].is_some()) {
            let names: Vec<_> = cosigners.iter().map(|cosigner| cosigner.name.as_str()).collect();
            let cosigners = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(Error::QuorumNotMet {
                quorum: self.quorum.to_string(),
                cosigners,
            });
        }
        let (log, quorum, alone) = (origin.to_owned(), self.quorum.to_string(), cosigners.is_empty());
        Ok(Certification {
            log,
            cosigners,
            quorum,
            alone,
        })
    }

    /// The same checkpoint with the lines of this policy's keys alone: what others have added may be anything.
    pub fn known_lines(&self, signed: &SignedCheckpoint) -> SignedCheckpoint {
        let logs = self.logs.iter().map(|log| &log.key);
        let keys: Vec<_> = logs.chain(self.witnesses.iter().map(|witness| &witness.key)).collect();
        signed.with_lines_of(&keys)
    }

    /// The logs in the order of the file.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses in the order of the file.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The latest time, in seconds since 1970, at or after which a quorum of the witnesses cosigned; none for `quorum none`.
    /// Not the newest time of all: one witness that works on its own keeps no ledger alive.
    pub fn quorum_time_unix_s(&self, certification: &Certification) -> Option<u64> {
        if self.needs_no_cosigner() {
            return None;
        }
        let time_of = |name: &str| {
            let mut cosigners = certification.cosigners.iter();
            cosigners
                .find(|cosigner| cosigner.name == name)
                .map(|cosigner| cosigner.time_unix_s)
        };
        let mut times: Vec<_> = certification
            .cosigners
            .iter()
            .map(|cosigner| cosigner.time_unix_s)
            .collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.into_iter().find(|since| {
            let cosigned = |witness: usize| time_of(&self.witnesses[witness].name).is_some_and(|time| time >= *since);
            self.quorum.is_met(&cosigned)
        })
    }

    /// The witness whose line this claims to be; nothing of it is checked.
    pub fn witness_of(&self, line: &NoteSignature) -> Option<&Witness> {
        self.witnesses
            .iter()
            .find(|witness| witness.key.name() == line.name && witness.key.key_id() == line.key_id)
    }

    /// Whether the quorum is met when exactly the witnesses for which `cosigned` is true have cosigned. For whoever
    /// collects cosignatures; [`Self::verify`] decides.
    pub fn is_met_by(&self, cosigned: impl Fn(&Witness) -> bool) -> bool {
        self.quorum.is_met(&|place| cosigned(&self.witnesses[place]))
    }

    /// True for `quorum none`: the log's signature is enough.
    pub fn needs_no_cosigner(&self) -> bool {
        matches!(self.quorum, Quorum::None)
    }
}

impl Cosigner {
    fn of((witness, time): (&Witness, &Option<u64>)) -> Option<Cosigner> {
        let time_unix_s = (*time)?;
        Some(Cosigner {
            name: witness.name.clone(),
            key_name: witness.key.name().to_owned(),
            time_unix_s,
        })
    }
}

impl fmt::Display for Certification {
    /// One line in plain words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alone {
            return f.write_str("certifies alone: signed by the log key only, no independent cosigner");
        }
        let names: Vec<_> = self.cosigners.iter().map(|cosigner| cosigner.name.as_str()).collect();
        write!(
            f,
            "signed by the log key and cosigned by {}; quorum {}",
            names.join(", "),
            self.quorum
        )
    }
}

#[cfg(test)]
mod tests;
