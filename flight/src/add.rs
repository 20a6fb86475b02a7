//! Binds data that is not DAB's: one kind of request, and two doors for it, `POST /add` (`add_http.rs`) and the action
//! `Notarize`.
//!
//! A request is JSON, a [`DigestRequest`], which the node's own writer signs; or the bytes of a leaf that its own writer has
//! signed already, one whom `trust/writers` lists.

use std::time::Duration;

use dab_ledger::{notary::Once, reader::Head};
use dab_proof::leaf::{BodyDigest, SignedLeaf, Subject};
use dab_proof::receipt::Receipt;
use dab_storage::foreign_data::{self, Bound, ForeignData};
use dab_storage::{Error as StorageError, Ledger};
use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::{auth::Caller, status};

/// What a leaf begins with, and JSON never.
const LEAF: &[u8] = b"dab/leaf/";

/// Digests to be bound, as clients write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestRequest {
    /// `digest/<name>`.
    pub subject: String,
    /// BLAKE3 of the data, 64 lower-case hexadecimal digits.
    pub blake3: String,
    /// SHA-256 of the data, likewise.
    pub sha256: String,
    /// The data's length.
    pub bytes: u64,
    /// The sequence that the leaf has to get; else the next, or the subject's last where that has these digests already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// What whoever signs the next leaf of a subject has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectHead {
    /// The ledger's name, part of every leaf.
    pub origin: String,
    /// The receipt of the subject's last leaf as C2SP `tlog-proof` text, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

/// A request that can be understood.
#[derive(Debug)]
pub(crate) enum AddRequest {
    Digests(ForeignData),
    Leaf(Box<SignedLeaf>),
}

impl DigestRequest {
    /// Asks to bind these digests.
    pub fn new(subject: &Subject, digest: &BodyDigest, sequence: Option<u64>) -> Self {
        Self {
            subject: subject.to_string(),
            blake3: hex::encode(digest.blake3),
            sha256: hex::encode(digest.sha256),
            bytes: digest.bytes,
            sequence,
        }
    }

    fn read(&self) -> Result<ForeignData, dab_proof::Error> {
        let Self {
            blake3, sha256, bytes, ..
        } = self;
        Ok(ForeignData {
            subject: self.subject.parse()?,
            digest: format!("blake3:{blake3} sha256:{sha256} {bytes}").parse()?,
            sequence: self.sequence,
            once: None,
        })
    }
}

impl AddRequest {
    /// Reads the body of a request.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Status> {
        let bad = |error: &dyn std::fmt::Display| Status::invalid_argument(format!("not a request to add: {error}"));
        if body.starts_with(LEAF) {
            let leaf = SignedLeaf::from_bytes(body).map_err(|error| bad(&error))?;
            return Ok(Self::Leaf(Box::new(leaf)));
        }
        let request: DigestRequest = serde_json::from_slice(body).map_err(|error| bad(&error))?;
        request.read().map(Self::Digests).map_err(|error| bad(&error))
    }

    /// What a key of the caller's stands for.
    fn once(&self, caller: &Caller) -> Option<Once> {
        match self {
            Self::Digests(data) => {
                let sequence = data.sequence.map_or_else(String::new, |sequence| sequence.to_string());
                let (subject, digest) = (data.subject.to_string(), data.digest.to_string());
                caller.once(0, &[subject.as_bytes(), digest.as_bytes(), sequence.as_bytes()])
            }
            Self::Leaf(leaf) => caller.once(0, &[leaf.text().as_bytes()]),
        }
    }

    fn subject(&self) -> &Subject {
        match self {
            Self::Digests(data) => &data.subject,
            Self::Leaf(leaf) => &leaf.leaf().subject,
        }
    }
}

/// Has the ledger bind it, within `wait_max`. Asking again is always safe.
pub(crate) async fn add(
    ledger: &Ledger,
    caller: &Caller,
    request: AddRequest,
    wait_max: Duration,
) -> Result<Receipt, Status> {
    let (subject, once) = (request.subject().clone(), request.once(caller));
    if let AddRequest::Leaf(leaf) = &request
        && leaf.leaf().origin != ledger.reader.origin()
    {
        let (theirs, ours) = (&leaf.leaf().origin, ledger.reader.origin());
        return Err(Status::invalid_argument(format!(
            "the leaf is for the ledger {theirs}, this is {ours}"
        )));
    }
    let bound = async {
        match request {
            AddRequest::Digests(data) => foreign_data::bind(ledger, &ForeignData { once, ..data }).await,
            AddRequest::Leaf(leaf) => foreign_data::bind_signed(ledger, *leaf, once).await,
        }
    };
    let bound = tokio::time::timeout(wait_max, bound).await;
    let bound = bound.map_err(|_| not_certified(&format!("within {} s", wait_max.as_secs())))?;
    let bound = bound.map_err(|error| match (&error, &caller.key) {
        (StorageError::OtherStatement { leaf_index }, Some(key)) => key.other_statement(*leaf_index),
        _ => refused(&error),
    });
    match bound? {
        Bound::Certified(receipt) => {
            tracing::info!(user = %caller.user, %subject, leaf = receipt.index.0, "bound data from outside");
            Ok(*receipt)
        }
        Bound::Conflict(head) => Err(conflict(&subject, head)),
    }
}

fn conflict(subject: &Subject, head: Option<Head>) -> Status {
    let stands = match head {
        Some(head) => format!(
            "its head is sequence {}, leaf {}, leaf hash {}",
            head.sequence, head.leaf_index, head.leaf_hash
        ),
        None => "it has no leaf yet, so its first has sequence 0 and no parent".to_owned(),
    };
    Status::aborted(format!("this leaf does not follow on in {subject}: {stands}"))
}

fn not_certified(how: &str) -> Status {
    Status::unavailable(format!(
        "not certified {how}; it may be yet: send the same again, it is bound once"
    ))
}

/// Other words than for a statement of SQL: this one may be repeated whatever became of it.
fn refused(error: &StorageError) -> Status {
    match error {
        StorageError::NotForeign { .. } => Status::permission_denied(error.to_string()),
        StorageError::Ledger(dab_ledger::Error::Refused { subject, reason }) => {
            Status::permission_denied(format!("{subject} may not be written so: {reason}"))
        }
        StorageError::OutcomeUnknown(dab_ledger::Error::Sequenced { leaf_index }) => {
            not_certified(&format!("yet, sequenced as leaf {leaf_index}"))
        }
        StorageError::OutcomeUnknown(_) => not_certified("yet"),
        StorageError::DiskFull => Status::unavailable("no space left on the ledger's disk: nothing was bound"),
        StorageError::Ledger(ledger) if ledger.is_retryable() => Status::unavailable(ledger.to_string()),
        other => status::internal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn a_request_has_its_digests_in_one_spelling_and_no_other_fields() {
        let digest = BodyDigest::of(b"bytes");
        let request = DigestRequest::new(&"digest/a".parse().unwrap(), &digest, Some(3));
        let json = serde_json::to_string(&request).unwrap();
        match AddRequest::parse(json.as_bytes()).unwrap() {
            AddRequest::Digests(data) => assert_eq!((data.digest, data.sequence), (digest, Some(3))),
            other => panic!("{other:?}"),
        }
        for wrong in [
            "",
            "{}",
            "[]",
            "dab/leaf/v1",
            &json.replace("\"sequence\":3", "\"sequence\":-1"),
            &json.replace("\"sequence\"", "\"Sequence\""),
            &json.replace("digest/a", "digest/ a"),
            &json.replace("digest/a", &"a".repeat(300)),
            &json.replace(&request.blake3, "00"),
            &json.replace(&request.sha256, &request.sha256.to_uppercase()),
            &json.replace("\"bytes\":5", "\"bytes\":1.5"),
        ] {
            let refused = AddRequest::parse(wrong.as_bytes()).expect_err(wrong);
            assert_eq!(refused.code(), Code::InvalidArgument, "{wrong}: {refused}");
        }
    }
}
