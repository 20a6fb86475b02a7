//! The one error of this crate. A variant says what kind of trouble it is, so that a caller can tell a forgery from a
//! file that could not be read.

use thiserror::Error;

/// Why something was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not follow the format that `what` names.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The artefact, for instance `checkpoint`.
        what: &'static str,
        /// What is wrong, with the offending value.
        reason: String,
    },
    /// The input is larger than its named limit allows.
    #[error("{what} has {actual} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The artefact.
        what: &'static str,
        /// Bytes found (or the first count that is over the limit).
        actual: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A key of a signature type that this release does not check.
    #[error("key {name} has signature type 0x{kind:02x}, but {role} needs {expected}")]
    UnsupportedKey {
        /// Name of the key.
        name: String,
        /// Signature type byte found.
        kind: u8,
        /// What the key was to be used for.
        role: &'static str,
        /// The signature type that this use needs.
        expected: &'static str,
    },
    /// A known key's signature is wrong: the note was changed after signing, or forged.
    #[error("the signature of {what} by {signer} does not verify")]
    BadSignature {
        /// The artefact.
        what: &'static str,
        /// Name of the key that is said to have signed.
        signer: String,
    },
    /// One key signed the same note twice; nothing says which line counts.
    #[error("{what} carries two signatures by {signer}")]
    DuplicateSignature {
        /// The artefact.
        what: &'static str,
        /// Name of the key.
        signer: String,
    },
    /// No trusted key signed.
    #[error("{what} is not signed by {expected}")]
    NotSigned {
        /// The artefact.
        what: &'static str,
        /// Whose signature was needed.
        expected: String,
    },
    /// The policy's quorum of cosigners is not reached.
    #[error("quorum {quorum} is not met, valid cosignatures: {cosigners}")]
    QuorumNotMet {
        /// Name of the quorum in the policy.
        quorum: String,
        /// Names of the witnesses whose cosignatures are valid, or `none`.
        cosigners: String,
    },
    /// The signer of a leaf is not in the writers file.
    #[error("leaf is signed by {signer}, a key that the writers file does not list")]
    WriterUnknown {
        /// Name and key id of the signer.
        signer: String,
    },
    /// The signer of a leaf is known but may not write this subject.
    #[error("writer {writer} may not write subject {subject}")]
    WriterNotAllowed {
        /// Name of the writer's key.
        writer: String,
        /// Subject of the leaf.
        subject: String,
    },
    /// The signer of a leaf was revoked before the leaf's place in the ledger, or before it has one.
    #[error("leaf is signed by {writer}, a key that is revoked from leaf {from} on")]
    WriterRevoked {
        /// Name of the writer's key.
        writer: String,
        /// The first index at which its leaves count no more.
        from: u64,
    },
    /// The artefact belongs to another ledger.
    #[error("{what} belongs to ledger {found}, not to {expected}")]
    WrongOrigin {
        /// The artefact.
        what: &'static str,
        /// Origin that was expected.
        expected: String,
        /// Origin found.
        found: String,
    },
    /// A Merkle proof does not lead to the root.
    #[error("{what} does not hold: {reason}")]
    ProofRejected {
        /// Which proof.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A file that a signed checkpoint or commit promises is not there.
    #[error("{path} is missing")]
    Missing {
        /// Path of the file, relative to its root.
        path: String,
    },
    /// A file or server could not be read, so nothing can be said.
    #[error("{path} cannot be read: {reason}")]
    Unavailable {
        /// Path or URL.
        path: String,
        /// What the system said.
        reason: String,
    },
}

impl Error {
    /// True when the trouble says nothing about the evidence: something could not be read, so the verdict is
    /// undecided. Every other error counts against the evidence.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }

    pub(crate) fn malformed(what: &'static str, reason: impl Into<String>) -> Error {
        Error::Malformed {
            what,
            reason: reason.into(),
        }
    }

    /// Refuses `actual` bytes above `limit`.
    pub(crate) fn check_size(what: &'static str, actual: usize, limit: usize) -> Result<(), Error> {
        if actual > limit {
            return Err(Error::TooLarge {
                what,
                actual: actual as u64,
                limit: limit as u64,
            });
        }
        Ok(())
    }
}
