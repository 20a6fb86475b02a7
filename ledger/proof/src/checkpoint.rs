//! Checkpoints: the signed head of the tree (C2SP `tlog-checkpoint`), and cosignatures on them (`tlog-cosignature`).
//!
//! ```text
//! <origin>
//! <tree size, decimal>
//! <base64 of the root hash>
//!
//! — <origin> <base64(key id || Ed25519 signature of the three lines)>
//! — <cosigner> <base64(key id || time, u64 big-endian || Ed25519 signature)>
//! ```
//!
//! A cosignature signs `cosignature/v1`, `time <seconds since 1970>` and the three lines. Extension lines, which C2SP
//! allows but advises against, are refused: no monitor could check them.

use crate::error::Error;
use crate::hash::Hash;
use crate::key::{SignatureType, SigningKey, VerifierKey, check_key_name};
use crate::note::{NoteSignature, SignedNote};
use crate::text;
use crate::tree::{TREE_SIZE_MAX, TreeSize};

const WHAT: &str = "checkpoint";

/// The head of the tree: how many leaves it has, and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the ledger; the name of its key.
    pub origin: String,
    /// Number of leaves.
    pub size: TreeSize,
    /// Root hash at that size.
    pub root: Hash,
}

/// A checkpoint with its signatures. Nothing in it is to be believed before `policy::Policy::verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: SignedNote,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// `Malformed`, for extension lines too.
    pub fn parse(checkpoint: &str) -> Result<Checkpoint, Error> {
        let malformed = |reason: &str| Error::malformed(WHAT, reason);
        let lines = checkpoint
            .strip_suffix('\n')
            .ok_or_else(|| malformed("the last line does not end"))?;
        let lines: Vec<_> = lines.split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(malformed("it does not have exactly three lines"));
        };
        check_key_name(origin)?;
        let size = text::decimal(size)
            .filter(|size| *size <= TREE_SIZE_MAX)
            .ok_or_else(|| malformed("the second line is not a tree size"))?;
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size: TreeSize(size),
            root: root.parse()?,
        })
    }

    /// Signs as the log. The key's name must be the origin.
    ///
    /// # Errors
    /// `WrongOrigin` for another name, `UnsupportedKey` for a cosigner's key, `Malformed` for an impossible origin.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedCheckpoint, Error> {
        if key.name() != self.origin {
            let (expected, found) = (key.name().to_owned(), self.origin.clone());
            return Err(Error::WrongOrigin {
                what: WHAT,
                expected,
                found,
            });
        }
        SignedCheckpoint::parse(&SignedNote::sign(&self.text(), key)?.to_bytes())
    }

    /// A cosigner's statement that at `time_unix_s` (seconds since 1970) this was the largest consistent tree it had
    /// seen. The caller answers for that being so: see C2SP `tlog-witness` on what must be durable first.
    ///
    /// # Errors
    /// `UnsupportedKey` unless the key is a cosigner's; `Malformed` for a time beyond 2^63 - 1.
    pub fn cosign(&self, key: &SigningKey, time_unix_s: u64) -> Result<NoteSignature, Error> {
        key.check_kind(SignatureType::CosignatureV1, "cosigning")?;
        if time_unix_s > i64::MAX as u64 {
            return Err(Error::malformed(
                "cosignature",
                format!("time {time_unix_s} is beyond 2^63 - 1"),
            ));
        }
        Ok(NoteSignature::by(key, key.sign_cosignature(&self.text(), time_unix_s)))
    }

    /// Checks one line as `key`'s cosignature of this very head, and gives its time in seconds since 1970.
    ///
    /// # Errors
    /// `UnsupportedKey` unless the key is a cosigner's; `BadSignature`, for a line by another key too.
    pub fn verify_cosignature(&self, key: &VerifierKey, line: &NoteSignature) -> Result<u64, Error> {
        key.check_kind(SignatureType::CosignatureV1, "cosigning")?;
        let by_key = line.name == key.name() && line.key_id == key.key_id();
        let time = by_key.then(|| key.verify(&self.text(), &line.signature)).flatten();
        time.flatten().ok_or_else(|| Error::BadSignature {
            what: WHAT,
            signer: key.name().to_owned(),
        })
    }
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint, the file `checkpoint` of a ledger.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<SignedCheckpoint, Error> {
        let note = SignedNote::parse(bytes)?;
        Ok(SignedCheckpoint {
            checkpoint: Checkpoint::parse(note.text())?,
            note,
        })
    }

    /// The head that is signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note around it.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// The bytes of the file: the very bytes that were read.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    /// The same head with the lines of these keys alone.
    pub fn with_lines_of(&self, keys: &[&VerifierKey]) -> SignedCheckpoint {
        let mut signed = self.clone();
        signed.note.retain_lines_of(keys);
        signed
    }

    /// Adds a signature or cosignature line. Whoever collects lines checks each first: one wrong line of a known key
    /// makes every verifier refuse the whole checkpoint.
    ///
    /// # Errors
    /// `DuplicateSignature`, or `Malformed` for too many.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), Error> {
        self.note.add(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "dab/test".into(),
            size: TreeSize(20852163),
            root: leaf_hash(b"x"),
        }
    }

    #[test]
    fn checkpoint_of_the_specification_is_read_to_the_byte() {
        let file = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+\
            zyWE+xeMcTOAYQ8=\n\
            — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5\
            nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let signed = SignedCheckpoint::parse(file.as_bytes()).unwrap();
        assert_eq!(signed.checkpoint().origin, "example.com/behind-the-sofa");
        assert_eq!(signed.checkpoint().size, TreeSize(20852163));
        assert_eq!(signed.to_bytes(), file.as_bytes());
        // the cosignature's first eight bytes are the time of the specification's example
        let cosignature = &signed.note().signatures()[1].signature;
        assert_eq!(u64::from_be_bytes(cosignature[..8].try_into().unwrap()), 1679315147);
    }

    #[test]
    fn signature_and_cosignature_verify_and_name_the_time() {
        let log = SigningKey::generate("dab/test", &[1; 32]).unwrap();
        let replica = SigningKey::generate_cosigner("dab/replica", &[2; 32]).unwrap();
        let mut signed = checkpoint().sign(&log).unwrap();
        signed
            .add(checkpoint().cosign(&replica, 1_700_000_000).unwrap())
            .unwrap();
        let signed = SignedCheckpoint::parse(&signed.to_bytes()).unwrap();
        let verified = signed
            .note()
            .verify(WHAT, [log.verifier(), replica.verifier()])
            .unwrap();
        assert_eq!(verified.len(), 2);
        assert_eq!(verified[1].time_unix_s, Some(1_700_000_000));
    }

    #[test]
    fn cosignature_is_bound_to_its_time() {
        let replica = SigningKey::generate_cosigner("dab/replica", &[2; 32]).unwrap();
        let log = SigningKey::generate("dab/test", &[1; 32]).unwrap();
        let mut signed = checkpoint().sign(&log).unwrap();
        let mut cosignature = checkpoint().cosign(&replica, 1_700_000_000).unwrap();
        cosignature.signature[7] ^= 1;
        signed.add(cosignature).unwrap();
        let refused = signed.note().verify(WHAT, [replica.verifier()]);
        assert!(matches!(refused, Err(Error::BadSignature { .. })));
        assert!(checkpoint().cosign(&replica, i64::MAX as u64).is_ok());
        assert!(checkpoint().cosign(&replica, 1 << 63).is_err());
    }

    #[test]
    fn line_is_checked_as_the_cosignature_of_one_key_under_one_head() {
        let cosigner = |seed| SigningKey::generate_cosigner("dab/replica", &[seed; 32]).unwrap();
        let (replica, other) = (cosigner(2), cosigner(3));
        let line = checkpoint().cosign(&replica, 1_700_000_000).unwrap();
        let verify = |head: &Checkpoint, key: &SigningKey| head.verify_cosignature(key.verifier(), &line);
        assert_eq!(verify(&checkpoint(), &replica), Ok(1_700_000_000));
        let spoiled = |spoil: fn(&mut NoteSignature)| {
            let mut line = line.clone();
            spoil(&mut line);
            checkpoint().verify_cosignature(replica.verifier(), &line)
        };
        assert!(matches!(
            spoiled(|line| line.key_id ^= 1),
            Err(Error::BadSignature { .. })
        ));
        assert!(matches!(
            spoiled(|line| line.name += "2"),
            Err(Error::BadSignature { .. })
        ));
        let grown = Checkpoint {
            size: TreeSize(20852164),
            ..checkpoint()
        };
        assert!(matches!(verify(&grown, &replica), Err(Error::BadSignature { .. })));
        assert!(matches!(verify(&checkpoint(), &other), Err(Error::BadSignature { .. })));
        let renamed = SigningKey::generate_cosigner("dab/other", &[2; 32]).unwrap();
        assert!(matches!(
            verify(&checkpoint(), &renamed),
            Err(Error::BadSignature { .. })
        ));
        let log = SigningKey::generate("dab/replica", &[2; 32]).unwrap();
        assert!(matches!(verify(&checkpoint(), &log), Err(Error::UnsupportedKey { .. })));
    }

    #[test]
    fn keys_sign_only_in_their_role() {
        let log = SigningKey::generate("dab/test", &[1; 32]).unwrap();
        let replica = SigningKey::generate_cosigner("dab/test", &[2; 32]).unwrap();
        assert!(matches!(checkpoint().sign(&replica), Err(Error::UnsupportedKey { .. })));
        assert!(matches!(
            checkpoint().cosign(&log, 1),
            Err(Error::UnsupportedKey { .. })
        ));
        let elsewhere = SigningKey::generate("dab/elsewhere", &[1; 32]).unwrap();
        assert!(matches!(checkpoint().sign(&elsewhere), Err(Error::WrongOrigin { .. })));
    }

    #[test]
    fn other_spellings_of_a_checkpoint_are_refused() {
        let text = checkpoint().text();
        for wrong in [
            text.replace("20852163", "020852163"),
            text.replace("20852163", "9223372036854775809"),
            text.replace("20852163", "-1"),
            text.replace('=', ""),
            text.clone() + "extension\n",
            text.clone() + "\n",
            text.trim_end().to_owned(),
            text.replacen("dab/test", "", 1),
            text.replacen("dab/test", "dab test", 1),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
