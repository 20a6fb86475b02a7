//! A leaf with its writer's signature: the exact bytes that are an entry of the ledger.

use super::{Leaf, WHAT};
use crate::error::Error;
use crate::hash::{Hash, leaf_hash};
use crate::key::{SigningKey, VerifierKey};
use crate::note::{NoteSignature, SignedNote};
use crate::tree::LeafIndex;
use crate::writers::{Writer, Writers};

/// Bytes of the longest signed leaf.
pub const LEAF_BYTES_MAX: usize = 4096;

/// A statement and its one signature. The signature has the right form, but is not checked before `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLeaf {
    leaf: Leaf,
    note: SignedNote,
    bytes: Vec<u8>,
    hash: Hash,
}

impl Leaf {
    /// Signs the statement with a writer's key.
    ///
    /// # Errors
    /// `Malformed` when a field does not fit the format, `TooLarge` when the note is above `LEAF_BYTES_MAX`,
    /// `UnsupportedKey` for a cosigner's key.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedLeaf, Error> {
        self.check()?;
        SignedLeaf::from_bytes(&SignedNote::sign(&self.text(), key)?.to_bytes())
    }
}

impl SignedLeaf {
    /// Reads an entry of the ledger.
    ///
    /// # Errors
    /// `TooLarge` above `LEAF_BYTES_MAX`; `Malformed` when it is not a note with a leaf's text and exactly one
    /// signature.
    pub fn from_bytes(bytes: &[u8]) -> Result<SignedLeaf, Error> {
        Error::check_size(WHAT, bytes.len(), LEAF_BYTES_MAX)?;
        let note = SignedNote::parse(bytes)?;
        if note.signatures().len() != 1 {
            let reason = format!("it has {} signatures instead of one", note.signatures().len());
            return Err(Error::malformed(WHAT, reason));
        }
        let leaf = Leaf::parse(note.text())?;
        Ok(SignedLeaf {
            leaf,
            hash: leaf_hash(bytes),
            bytes: bytes.to_vec(),
            note,
        })
    }

    /// The entry's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The statement.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The statement's text: what was signed, and by what two submissions of one statement are known as the same.
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// Leaf hash of the bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Name of the key that is said to have signed.
    pub fn signer_name(&self) -> &str {
        &self.signature().name
    }

    /// Checks the signature of the leaf at `index`, and that its writer may write the subject there; returns the writer.
    ///
    /// # Errors
    /// `WriterUnknown`, `BadSignature`, `WriterRevoked`, `WriterNotAllowed`.
    pub fn verify<'w>(&self, writers: &'w Writers, index: LeafIndex) -> Result<&'w Writer, Error> {
        self.verify_before(writers, |from| index < from, |_| false)
    }

    /// The same for a leaf that has no place yet: its writer has to be one who may write now.
    ///
    /// # Errors
    /// Those of `verify`.
    pub fn verify_new<'w>(&self, writers: &'w Writers) -> Result<&'w Writer, Error> {
        self.verify_new_unless_known(writers, |_| false)
    }

    /// `verify_new` for whoever meets the same leaf several times: `is_known` says whether these very bytes had a good
    /// signature by this key before. Then the signature is not checked again; who may write is.
    ///
    /// # Errors
    /// Those of `verify`.
    pub fn verify_new_unless_known<'w>(
        &self,
        writers: &'w Writers,
        is_known: impl FnOnce(&VerifierKey) -> bool,
    ) -> Result<&'w Writer, Error> {
        self.verify_before(writers, |_| false, is_known)
    }

    fn verify_before<'w>(
        &self,
        writers: &'w Writers,
        is_before: impl FnOnce(LeafIndex) -> bool,
        is_known: impl FnOnce(&VerifierKey) -> bool,
    ) -> Result<&'w Writer, Error> {
        let NoteSignature { name, key_id, .. } = self.signature();
        let unknown = || Error::WriterUnknown {
            signer: format!("{name} (key id {key_id:08x})"),
        };
        let writer = writers.find(name, *key_id).ok_or_else(unknown)?;
        if !is_known(writer.key()) {
            self.note.verify(WHAT, [writer.key()])?;
        }
        if let Some(from) = writer.revoked_from()
            && !is_before(from)
        {
            let (writer, from) = (name.clone(), from.0);
            return Err(Error::WriterRevoked { writer, from });
        }
        if !writer.allows(&self.leaf.subject) {
            let (writer, subject) = (name.clone(), self.leaf.subject.to_string());
            return Err(Error::WriterNotAllowed { writer, subject });
        }
        Ok(writer)
    }

    fn signature(&self) -> &NoteSignature {
        &self.note.signatures()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{BodyDigest, Subject};

    fn leaf() -> Leaf {
        Leaf {
            origin: "dab/test".into(),
            subject: Subject::table("t").unwrap(),
            sequence: 0,
            parent: None,
            body: BodyDigest::of(b"body"),
            files: None,
            operation: "WRITE".into(),
        }
    }

    fn writers(globs: &str) -> (SigningKey, Writers) {
        let key = SigningKey::generate("dab/writer", &[3; 32]).unwrap();
        let writers = Writers::parse(format!("{} {globs}\n", key.verifier()).as_bytes()).unwrap();
        (key, writers)
    }

    #[test]
    fn signed_leaf_verifies_for_its_writer_only() {
        let (key, allowed) = writers("table/*");
        let signed = leaf().sign(&key).unwrap();
        assert_eq!(SignedLeaf::from_bytes(signed.bytes()).unwrap(), signed);
        assert_eq!(signed.verify_new(&allowed).unwrap().name(), "dab/writer");
        assert_eq!(signed.signer_name(), "dab/writer");
        let (_, elsewhere) = writers("catalog");
        assert!(matches!(
            signed.verify_new(&elsewhere),
            Err(Error::WriterNotAllowed { .. })
        ));
        let stranger = SigningKey::generate("dab/writer", &[4; 32]).unwrap();
        let forged = leaf().sign(&stranger).unwrap();
        assert!(matches!(forged.verify_new(&allowed), Err(Error::WriterUnknown { .. })));
    }

    #[test]
    fn leaf_of_a_revoked_key_counts_below_its_index_and_not_at_it() {
        let (key, _) = writers("*");
        let revoked = Writers::parse(format!("revoked 7 {} table/*\n", key.verifier()).as_bytes()).unwrap();
        let signed = leaf().sign(&key).unwrap();
        for good in [0, 6] {
            assert!(signed.verify(&revoked, LeafIndex(good)).is_ok());
        }
        for late in [7, 8, u64::MAX] {
            let refused = signed.verify(&revoked, LeafIndex(late)).unwrap_err();
            assert!(matches!(refused, Error::WriterRevoked { from: 7, .. }), "{refused}");
        }
        assert!(matches!(signed.verify_new(&revoked), Err(Error::WriterRevoked { .. })));
        // whose it is comes first, and what it may write last
        let stranger = SigningKey::generate("dab/writer", &[4; 32]).unwrap();
        let forged = leaf().sign(&stranger).unwrap();
        assert!(matches!(forged.verify_new(&revoked), Err(Error::WriterUnknown { .. })));
        let subject = Subject::catalog();
        let elsewhere = Leaf { subject, ..leaf() }.sign(&key).unwrap();
        assert!(matches!(
            elsewhere.verify(&revoked, LeafIndex(6)),
            Err(Error::WriterNotAllowed { .. })
        ));
    }

    #[test]
    fn changed_statement_is_caught_by_the_signature() {
        let (key, allowed) = writers("*");
        let bytes = leaf().sign(&key).unwrap().bytes().to_vec();
        let forged = String::from_utf8(bytes)
            .unwrap()
            .replace("operation WRITE", "operation WRITF");
        let forged = SignedLeaf::from_bytes(forged.as_bytes()).unwrap();
        assert!(matches!(forged.verify_new(&allowed), Err(Error::BadSignature { .. })));
    }

    #[test]
    fn leaf_with_two_signatures_is_refused() {
        let (key, _) = writers("*");
        let other = SigningKey::generate("dab/other", &[5; 32]).unwrap();
        let bytes = leaf().sign(&key).unwrap().bytes().to_vec();
        let second = leaf().sign(&other).unwrap().signature().line();
        let doubled = [bytes, second.into_bytes()].concat();
        assert!(matches!(SignedLeaf::from_bytes(&doubled), Err(Error::Malformed { .. })));
    }
}
