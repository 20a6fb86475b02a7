//! Epochs: who certifies and who writes, from one change to the next.
//!
//! A change is a leaf on the subject `members`, operation `MEMBERS`, without files. Its body is a signed note (C2SP
//! `signed-note`), signed by the writers of a quorum of the old members, who approve of it, with the text
//!
//! ```text
//! dab/epoch/v1
//! origin <origin of the ledger>
//! members <lines>
//! <id> <name> <address> <peer key> <cosigner> <writer>      a line for each replica; none where a node certifies alone
//! policy <lines>
//! <the text of trust/policy from the next leaf on>
//! writers <lines>
//! <the text of trust/writers from the next leaf on>
//! ```
//!
//! There the line of a key that this change revokes has no leaf index yet (`writers`); [`EpochText::begun_by`] writes it.
//!
//! The leaf is the last that the old policy certifies: a checkpoint of exactly the leaves up to it needs the old quorum, and
//! every larger one the new. So whoever trusts the old policy may come to trust the new one, by that checkpoint alone
//! ([`EpochChange`]). The leaf with sequence `N` on `members` begins epoch `N + 1`; epoch 0 is what the ledger was founded with.

mod chain;

pub use chain::{CHANGES_BYTES_MAX, Step, follow_changes, parse_changes};

use crate::error::Error;
use crate::leaf::{BodyDigest, Leaf};
use crate::note::{NOTE_BYTES_MAX, SignedNote};
use crate::receipt::{RECEIPT_BYTES_MAX, Receipt};
use crate::text;
use crate::tree::LeafIndex;
use crate::trust::Trust;
use crate::writers::number_revoked;

/// The operation of every leaf that begins an epoch.
pub const EPOCH_OPERATION: &str = "MEMBERS";

/// Bytes of the longest text of an epoch.
pub const EPOCH_BYTES_MAX: usize = 56 << 10;

const WHAT: &str = "epoch";
const HEADER: &str = "dab/epoch/v1";
const CHANGE: &str = "epoch change";
const CHANGE_HEADER: &str = "dab/epoch-change/v1";

/// Who holds the ledger together in one epoch. The texts are whole lines, each with its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochText {
    /// Origin of the ledger.
    pub origin: String,
    /// The replicas, for these to read; empty where a node certifies alone.
    pub members: String,
    /// The text of `trust/policy`.
    pub policy: String,
    /// The text of `trust/writers`.
    pub writers: String,
}

/// The text of an epoch, and who approves of it. Nothing of the signatures has been checked: what replicas demand of them is
/// part of what the old members certify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochNote {
    text: EpochText,
    note: SignedNote,
}

/// The step from one epoch to the next, as those who trust the old one can check it:
///
/// ```text
/// dab/epoch-change/v1
/// epoch <bytes>
/// receipt <bytes>
/// <the body of the leaf that begins it><the receipt of its leaf, under a checkpoint that the old policy certifies>
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochChange {
    /// What the new epoch is.
    pub epoch: EpochNote,
    /// Of the leaf that begins it.
    pub receipt: Receipt,
}

impl EpochText {
    /// The text.
    pub fn text(&self) -> String {
        let part = |name: &str, lines: &str| format!("{name} {}\n{lines}", lines.matches('\n').count());
        format!(
            "{HEADER}\norigin {}\n{}{}{}",
            self.origin,
            part("members", &self.members),
            part("policy", &self.policy),
            part("writers", &self.writers)
        )
    }

    /// The text as it stands once its change is the leaf at `index`: the keys that it revokes count no more behind that leaf.
    #[must_use]
    pub fn begun_by(&self, index: LeafIndex) -> EpochText {
        EpochText {
            writers: number_revoked(&self.writers, LeafIndex(index.0.saturating_add(1))),
            ..self.clone()
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// `TooLarge`; `Malformed` for anything but the one text that `text` gives.
    pub fn parse(body: &[u8]) -> Result<EpochText, Error> {
        Error::check_size(WHAT, body.len(), EPOCH_BYTES_MAX)?;
        let malformed = || Error::malformed(WHAT, format!("it is no text of the form {HEADER}"));
        let body = std::str::from_utf8(body).map_err(|_| malformed())?;
        let rest = body
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix("\norigin "))
            .ok_or_else(malformed)?;
        let (origin, rest) = rest.split_once('\n').ok_or_else(malformed)?;
        let (members, rest) = part(rest, "members ").ok_or_else(malformed)?;
        let (policy, rest) = part(rest, "policy ").ok_or_else(malformed)?;
        let (writers, rest) = part(rest, "writers ").ok_or_else(malformed)?;
        match rest.is_empty() {
            true => Ok(EpochText {
                origin: origin.to_owned(),
                members: members.to_owned(),
                policy: policy.to_owned(),
                writers: writers.to_owned(),
            }),
            false => Err(malformed()),
        }
    }
}

impl EpochNote {
    /// Reads a leaf's body.
    ///
    /// # Errors
    /// Those of `SignedNote::parse` and `EpochText::parse`.
    pub fn parse(body: &[u8]) -> Result<EpochNote, Error> {
        SignedNote::parse(body)?.try_into()
    }

    /// The epoch.
    pub fn text(&self) -> &EpochText {
        &self.text
    }

    /// The note, for whoever adds or checks signatures.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// The leaf's body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    /// Checks that `leaf` is the leaf that begins this epoch.
    ///
    /// # Errors
    /// `ProofRejected`, naming the field.
    pub fn check(&self, leaf: &Leaf) -> Result<(), Error> {
        let rejected = |reason: String| Err(Error::ProofRejected { what: WHAT, reason });
        if !leaf.subject.is_members() {
            return rejected(format!("its leaf has the subject {}, not members", leaf.subject));
        }
        if leaf.files.is_some() || leaf.operation != EPOCH_OPERATION {
            return rejected(format!("its leaf has the operation {}, or files", leaf.operation));
        }
        if leaf.origin != self.text.origin || leaf.body != BodyDigest::of(&self.to_bytes()) {
            return rejected("its leaf does not bind this note".to_owned());
        }
        Ok(())
    }
}

impl TryFrom<SignedNote> for EpochNote {
    type Error = Error;

    fn try_from(note: SignedNote) -> Result<EpochNote, Error> {
        let text = EpochText::parse(note.text().as_bytes())?;
        Ok(EpochNote { text, note })
    }
}

impl EpochChange {
    /// The epoch that it begins, each key that it revokes with the leaf index from which on.
    pub fn text(&self) -> EpochText {
        self.epoch.text().begun_by(self.receipt.index)
    }

    /// The change as bytes.
    pub fn to_text(&self) -> String {
        let epoch = String::from_utf8_lossy(&self.epoch.to_bytes()).into_owned();
        let receipt = self.receipt.to_text();
        let (epochs, receipts) = (epoch.len(), receipt.len());
        format!("{CHANGE_HEADER}\nepoch {epochs}\nreceipt {receipts}\n{epoch}{receipt}")
    }

    /// Reads the change that `bytes` begin with; gives what follows it, too.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<(EpochChange, &[u8]), Error> {
        let malformed = || Error::malformed(CHANGE, format!("it is no text of the form {CHANGE_HEADER}"));
        let mut rest = bytes;
        let mut line = || {
            let end = rest
                .iter()
                .take(64)
                .position(|byte| *byte == b'\n')
                .ok_or_else(malformed)?;
            let line = std::str::from_utf8(&rest[..end]).map_err(|_| malformed())?;
            rest = &rest[end + 1..];
            Ok::<_, Error>(line)
        };
        if line()? != CHANGE_HEADER {
            return Err(malformed());
        }
        let mut length = |name: &str, limit: usize| {
            let bytes = line()?
                .strip_prefix(name)
                .and_then(text::decimal)
                .ok_or_else(malformed)?;
            let bytes = usize::try_from(bytes).map_err(|_| malformed())?;
            Error::check_size(CHANGE, bytes, limit).map(|()| bytes)
        };
        let epoch_bytes = length("epoch ", NOTE_BYTES_MAX)?;
        let receipt_bytes = length("receipt ", RECEIPT_BYTES_MAX)?;
        let (epoch, rest) = rest.split_at_checked(epoch_bytes).ok_or_else(malformed)?;
        let (receipt, rest) = rest.split_at_checked(receipt_bytes).ok_or_else(malformed)?;
        let change = EpochChange {
            epoch: EpochNote::parse(epoch)?,
            receipt: Receipt::parse(receipt)?,
        };
        Ok((change, rest))
    }

    /// Checks that those whom `trust` trusts in epoch `epoch` have certified this change, and gives whom to trust after it.
    ///
    /// # Errors
    /// Those of `Receipt::verify`, `EpochNote::check` and `Trust::from_texts`; `ProofRejected` for a change of another epoch.
    pub fn follow(&self, trust: &Trust, epoch: u64) -> Result<Trust, Error> {
        self.receipt.verify(trust)?;
        let leaf = self.receipt.leaf.leaf();
        self.epoch.check(leaf)?;
        if leaf.sequence != epoch {
            let reason = format!(
                "it leads from epoch {} to the next, and the trusted one is epoch {epoch}",
                leaf.sequence
            );
            return Err(Error::ProofRejected { what: CHANGE, reason });
        }
        // a node that certifies alone is succeeded by itself
        let has_members = !self.epoch.text.members.is_empty();
        if has_members && self.receipt.checkpoint.checkpoint().size.0 != self.receipt.index.0 + 1 {
            let reason =
                "its checkpoint is not the one that ends with its leaf, the last of the old members".to_owned();
            return Err(Error::ProofRejected { what: CHANGE, reason });
        }
        let text = self.text();
        let next = Trust::from_texts(&text.policy, &text.writers, None)?;
        Ok(Trust {
            ledger: trust.ledger.clone(),
            // it has no policy to hand over: whom else its auditor wants to cosign is none of its affairs
            policy: if has_members { next.policy } else { trust.policy.clone() },
            writers: next.writers,
        })
    }
}

/// The lines that a count announces, and what follows them.
fn part<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (count, rest) = text.strip_prefix(name)?.split_once('\n')?;
    let count = usize::try_from(text::decimal(count)?).ok()?;
    let end = match count {
        0 => 0,
        count => rest.match_indices('\n').nth(count - 1)?.0 + 1,
    };
    Some(rest.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Subject;
    use crate::testing::TinyLedger;

    fn epoch(ledger: &TinyLedger, next: &TinyLedger) -> EpochNote {
        let text = EpochText {
            origin: ledger.log.name().to_owned(),
            members: "1 n1 and what replicas know of it\n".to_owned(),
            policy: next.policy_text(),
            writers: next.writers_text(),
        };
        SignedNote::sign(&text.text(), &ledger.writer)
            .unwrap()
            .try_into()
            .unwrap()
    }

    /// A ledger of two cosigners, and the change to three.
    fn changed() -> (TinyLedger, EpochChange) {
        let mut ledger = TinyLedger::with_cosigners(2);
        ledger.append(&Subject::catalog(), b"body", None, "TEST");
        let epoch = epoch(&ledger, &TinyLedger::with_cosigners(3));
        let index = ledger.append(&Subject::members(), &epoch.to_bytes(), None, EPOCH_OPERATION);
        let receipt = ledger.receipt(index);
        (ledger, EpochChange { epoch, receipt })
    }

    #[test]
    fn an_epoch_is_read_back_and_no_other_spelling_is() {
        let (_, change) = changed();
        assert_eq!(EpochNote::parse(&change.epoch.to_bytes()).unwrap(), change.epoch);
        let text = change.epoch.text().text();
        assert_eq!(EpochText::parse(text.as_bytes()).unwrap(), *change.epoch.text());
        for wrong in [
            text.replace("v1", "v2"),
            text.replace("members 1\n", "members 2\n"),
            text.replace("members 1\n", "members 01\n"),
            text.replace("members 1\n", "members 18446744073709551615\n"),
            format!("{text}more\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert!(EpochText::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let none = EpochText {
            members: String::new(),
            ..change.epoch.text
        };
        assert_eq!(EpochText::parse(none.text().as_bytes()).unwrap(), none);
    }

    /// Otherwise a node alone could rid itself of the witnesses that its auditor wants.
    #[test]
    fn a_node_alone_hands_over_writers_and_no_policy() {
        let mut ledger = TinyLedger::with_cosigners(2);
        let (policy, writers) = (ledger.policy_text(), ledger.writers_text());
        let text = EpochText {
            origin: ledger.log.name().to_owned(),
            members: String::new(),
            policy: TinyLedger::with_cosigners(1).policy_text(),
            writers: writers.clone(),
        };
        let note = SignedNote::sign(&text.text(), &ledger.writer).unwrap();
        let epoch: EpochNote = note.try_into().unwrap();
        let index = ledger.append(&Subject::members(), &epoch.to_bytes(), None, EPOCH_OPERATION);
        let receipt = ledger.receipt(index);
        let change = EpochChange { epoch, receipt };
        let next = change.follow(&ledger.trust(), 0).unwrap();
        assert_eq!(next.policy.witnesses().len(), 2);
        let steps = follow_changes(policy.as_bytes(), writers.as_bytes(), Some(0), &[change]).unwrap();
        assert_eq!(steps[0].text.policy, policy);
    }

    #[test]
    fn a_change_leads_from_one_epoch_to_the_next_and_nowhere_else() {
        let (ledger, change) = changed();
        let bytes = format!("{}rest", change.to_text());
        let (read, rest) = EpochChange::parse(bytes.as_bytes()).unwrap();
        assert_eq!((&read, rest), (&change, &b"rest"[..]));
        for cut in 0..bytes.len() - 4 {
            assert!(EpochChange::parse(&bytes.as_bytes()[..cut]).is_err(), "{cut}");
        }
        let trust = ledger.trust();
        let next = change.follow(&trust, 0).unwrap();
        assert_eq!(next.policy.witnesses().len(), 3);
        let told = change.follow(&trust, 1).unwrap_err().to_string();
        assert!(told.contains("epoch 0"), "{told}");
        let told = change.follow(&TinyLedger::with_cosigners(3).trust(), 0).unwrap_err();
        assert!(matches!(told, Error::QuorumNotMet { .. }), "{told}");
        let mut forged = change.clone();
        let other = EpochText {
            policy: "log x\n".to_owned(),
            ..forged.epoch.text
        };
        forged.epoch = SignedNote::sign(&other.text(), &ledger.writer)
            .unwrap()
            .try_into()
            .unwrap();
        let told = forged.follow(&trust, 0).unwrap_err().to_string();
        assert!(told.contains("does not bind this note"), "{told}");
        let mut other = ledger;
        let index = other.append(&Subject::members(), b"x", None, "OTHER");
        let receipt = other.receipt(index);
        let told = EpochChange { receipt, ..change }
            .follow(&trust, 1)
            .unwrap_err()
            .to_string();
        assert!(told.contains("operation"), "{told}");
    }

    #[test]
    fn a_change_that_revokes_a_key_leaves_its_older_leaves_valid() {
        let mut ledger = TinyLedger::new();
        let old = ledger.append(&Subject::catalog(), b"old", None, "TEST");
        let other = crate::note::SigningKey::generate("other", &[9; 32]).unwrap();
        let text = EpochText {
            origin: ledger.log.name().to_owned(),
            members: String::new(),
            policy: ledger.policy_text(),
            writers: format!("revoked {}{} *\n", ledger.writers_text(), other.verifier()),
        };
        let begin = |text: EpochText, ledger: &mut TinyLedger| {
            let signed = SignedNote::sign(&text.text(), &ledger.writer).unwrap();
            let epoch: EpochNote = signed.try_into().unwrap();
            let index = ledger.append(&Subject::members(), &epoch.to_bytes(), None, EPOCH_OPERATION);
            let receipt = ledger.receipt(index);
            EpochChange { epoch, receipt }
        };
        let change = begin(text.clone(), &mut ledger);
        let next = change.follow(&ledger.trust(), 0).unwrap();
        let revoked = next.writers.iter().next().unwrap();
        assert_eq!(revoked.revoked_from(), Some(LeafIndex(2)), "its own change is leaf 1");
        for index in [old, change.receipt.index] {
            ledger.receipt(index).verify(&next).unwrap();
        }
        let late = ledger.append(&Subject::catalog(), b"late", None, "TEST");
        let told = ledger.receipt(late).verify(&next).unwrap_err();
        assert!(matches!(told, Error::WriterRevoked { from: 2, .. }), "{told}");
        ledger.receipt(late).verify(&ledger.trust()).unwrap();
        // the key comes back by no change, whoever certifies it
        let (before, policy) = (std::mem::replace(&mut ledger.writer, other), ledger.policy_text());
        let restored = EpochText {
            writers: text.writers.replace("revoked ", ""),
            ..text.clone()
        };
        let back = begin(restored, &mut ledger);
        let writers = format!("{} *\n", before.verifier());
        let follow = |changes: &[EpochChange]| follow_changes(policy.as_bytes(), writers.as_bytes(), None, changes);
        let steps = follow(std::slice::from_ref(&change)).unwrap();
        assert_eq!(steps[0].text, text.begun_by(LeafIndex(1)));
        let told = follow(&[change, back]).unwrap_err().to_string();
        assert!(told.contains("line 1 of the writers before"), "{told}");
    }
}
