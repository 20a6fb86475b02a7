//! Signed notes (C2SP `signed-note`): a text and the signatures under it.
//!
//! ```text
//! <text, one or more lines, each ended by U+000A>
//! <empty line>
//! — <key name> <base64(key id, 4 bytes big-endian || signature)>
//! ```
//!
//! Text and signatures part at the last empty line. Reading is strict, so that a note that is read and written again
//! has the same bytes. Signatures by unknown keys are kept and ignored; a known key's signature must be right.

use crate::error::Error;
use crate::key::refused_in_name;
use crate::text;

pub use crate::key::{KEY_NAME_BYTES_MAX, SignatureType, SigningKey, VerifierKey};

/// Bytes of the largest note that is read.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Signature lines of one note that are read at most.
pub const NOTE_SIGNATURES_MAX: usize = 64;

const WHAT: &str = "note";
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key, as the line states it.
    pub name: String,
    /// Key id, as the line states it.
    pub key_id: u32,
    /// The signature's bytes, in the form of the key's type.
    pub signature: Vec<u8>,
}

/// A signature that a known key has been checked to have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// Time of a cosignature in seconds since 1970, by the cosigner's clock; none for a plain signature.
    pub time_unix_s: Option<u64>,
}

/// A text with at least one signature line. Nothing in it is to be believed before `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Reads a note.
    ///
    /// # Errors
    /// `TooLarge` above `NOTE_BYTES_MAX`; `Malformed` for anything that is not a note to the last byte.
    pub fn parse(bytes: &[u8]) -> Result<SignedNote, Error> {
        let malformed = |reason: &str| Error::malformed(WHAT, reason);
        Error::check_size(WHAT, bytes.len(), NOTE_BYTES_MAX)?;
        let note = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let end = note
            .rfind("\n\n")
            .ok_or_else(|| malformed("no empty line parts text and signatures"))?
            + 1;
        let (text, lines) = (&note[..end], &note[end + 1..]);
        check_text(text)?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or_else(|| malformed("no line of signatures ends the note"))?;
        let signatures = lines
            .split('\n')
            .map(NoteSignature::parse)
            .collect::<Result<Vec<_>, _>>()?;
        check_count(signatures.len())?;
        Ok(SignedNote {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Signs `text` with a plain Ed25519 key.
    ///
    /// # Errors
    /// `Malformed` when the text is not one or more lines without control characters; `UnsupportedKey` for a
    /// cosigner's key.
    pub fn sign(text: &str, key: &SigningKey) -> Result<SignedNote, Error> {
        check_text(text)?;
        key.check_kind(SignatureType::Ed25519, "signing a note")?;
        let signature = NoteSignature::by(key, key.sign_text(text));
        Ok(SignedNote {
            text: text.to_owned(),
            signatures: vec![signature],
        })
    }

    /// The text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The note as bytes: the very bytes that were read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.text);
        for signature in &self.signatures {
            note += &signature.line();
        }
        note.into_bytes()
    }

    /// Adds a signature line.
    ///
    /// # Errors
    /// `DuplicateSignature` when a line of that name and key id is there; `Malformed` for too many lines.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), Error> {
        if self
            .signatures
            .iter()
            .any(|other| other.name == signature.name && other.key_id == signature.key_id)
        {
            return Err(Error::DuplicateSignature {
                what: WHAT,
                signer: signature.name,
            });
        }
        check_count(self.signatures.len() + 1)?;
        self.signatures.push(signature);
        Ok(())
    }

    /// Lets go of the lines of all other keys.
    pub(crate) fn retain_lines_of(&mut self, keys: &[&VerifierKey]) {
        let is_of = |line: &NoteSignature, key: &VerifierKey| line.name == key.name() && line.key_id == key.key_id();
        self.signatures.retain(|line| keys.iter().any(|key| is_of(line, key)));
    }

    /// Checks the signatures by `keys` and returns those that are there, in the order of `keys`; possibly none.
    ///
    /// # Errors
    /// `BadSignature` when a line names one of the keys and is wrong: then the whole note is refused.
    /// `DuplicateSignature` when two lines name the same one of the keys.
    pub fn verify<'k>(
        &self,
        what: &'static str,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<Signed<'k>>, Error> {
        let mut verified = Vec::new();
        for key in keys {
            let signer = || key.name().to_owned();
            let mut lines = self
                .signatures
                .iter()
                .filter(|line| line.name == key.name() && line.key_id == key.key_id());
            let Some(line) = lines.next() else { continue };
            if lines.next().is_some() {
                return Err(Error::DuplicateSignature { what, signer: signer() });
            }
            let time_unix_s = key
                .verify(&self.text, &line.signature)
                .ok_or_else(|| Error::BadSignature { what, signer: signer() })?;
            verified.push(Signed { key, time_unix_s });
        }
        Ok(verified)
    }
}

impl NoteSignature {
    pub(crate) fn by(key: &SigningKey, signature: Vec<u8>) -> NoteSignature {
        NoteSignature {
            name: key.name().to_owned(),
            key_id: key.verifier().key_id(),
            signature,
        }
    }

    /// Reads one line, without its end.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(line: &str) -> Result<NoteSignature, Error> {
        let malformed = || Error::malformed(WHAT, format!("{line:?} is not a signature line"));
        let (name, encoded) = line
            .strip_prefix(SIGNATURE_PREFIX)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(malformed)?;
        if name.is_empty() || name.contains(refused_in_name) {
            return Err(malformed());
        }
        let bytes = text::base64_decode(encoded).ok_or_else(malformed)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or_else(malformed)?;
        if signature.is_empty() {
            return Err(malformed());
        }
        Ok(NoteSignature {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(*key_id),
            signature: signature.to_vec(),
        })
    }

    /// The time that the line states if it is a cosignature, in seconds since 1970; worth as much as the line is.
    pub fn stated_unix_s(&self) -> Option<u64> {
        let (time, _) = self.signature.split_first_chunk::<8>()?;
        Some(u64::from_be_bytes(*time))
    }

    /// The line with its end.
    pub fn line(&self) -> String {
        let encoded = text::base64_encode(&[&self.key_id.to_be_bytes()[..], &self.signature[..]].concat());
        format!("{SIGNATURE_PREFIX}{} {encoded}\n", self.name)
    }
}

fn check_text(text: &str) -> Result<(), Error> {
    if !text.ends_with('\n') || text.contains(|character: char| character < ' ' && character != '\n') {
        return Err(Error::malformed(
            WHAT,
            "the text does not end its last line, or has a control character",
        ));
    }
    Ok(())
}

fn check_count(signatures: usize) -> Result<(), Error> {
    if signatures > NOTE_SIGNATURES_MAX {
        let reason = format!("it has {signatures} signatures, more than the limit of {NOTE_SIGNATURES_MAX}");
        return Err(Error::malformed(WHAT, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::generate(name, &[seed; 32]).unwrap()
    }

    #[test]
    fn note_of_the_specification_is_read_to_the_byte() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
            — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQ\
            waqP3ZekRwNtIc=\n";
        let parsed = SignedNote::parse(note.as_bytes()).unwrap();
        assert!(parsed.text().ends_with("\n\ned è subito sera.\n"));
        assert_eq!(parsed.signatures()[0].key_id, 0x367ba04b);
        assert_eq!(parsed.to_bytes(), note.as_bytes());
    }

    #[test]
    fn signed_note_verifies_and_a_changed_one_does_not() {
        let signer = key("a", 1);
        let note = SignedNote::sign("one\n\ntwo\n", &signer).unwrap();
        let note = SignedNote::parse(&note.to_bytes()).unwrap();
        assert_eq!(note.verify(WHAT, [signer.verifier()]).unwrap().len(), 1);
        assert_eq!(note.verify(WHAT, [key("b", 2).verifier()]).unwrap().len(), 0);
        let forged = String::from_utf8(note.to_bytes()).unwrap().replace("one", "0ne");
        let forged = SignedNote::parse(forged.as_bytes()).unwrap();
        assert!(matches!(
            forged.verify(WHAT, [signer.verifier()]),
            Err(Error::BadSignature { .. })
        ));
    }

    #[test]
    fn same_key_under_another_name_is_another_key() {
        let note = SignedNote::sign("one\n", &key("a", 1)).unwrap();
        assert!(note.verify(WHAT, [key("b", 1).verifier()]).unwrap().is_empty());
    }

    #[test]
    fn one_key_signing_twice_is_refused() {
        let signer = key("a", 1);
        let mut note = SignedNote::sign("one\n", &signer).unwrap();
        let line = note.signatures()[0].clone();
        assert!(matches!(note.add(line.clone()), Err(Error::DuplicateSignature { .. })));
        note.signatures.push(line);
        let note = SignedNote::parse(&note.to_bytes()).unwrap();
        assert!(matches!(
            note.verify(WHAT, [signer.verifier()]),
            Err(Error::DuplicateSignature { .. })
        ));
    }

    #[test]
    fn sixteen_foreign_signatures_are_ignored() {
        let signer = key("a", 1);
        let mut note = SignedNote::sign("one\n", &signer).unwrap();
        for foreign in 2..18 {
            let other = SignedNote::sign("one\n", &key("f", foreign)).unwrap();
            note.add(other.signatures()[0].clone()).unwrap();
        }
        let note = SignedNote::parse(&note.to_bytes()).unwrap();
        assert_eq!(note.verify(WHAT, [signer.verifier()]).unwrap().len(), 1);
    }

    #[test]
    fn only_the_lines_of_the_keys_that_are_asked_for_stay() {
        let signer = key("a", 1);
        let mut note = SignedNote::sign("one\n", &signer).unwrap();
        let alone = note.clone();
        // another key of the same name, the same id under another name, and somebody else
        let same_name = NoteSignature::by(&key("a", 2), vec![2]);
        let same_id = NoteSignature {
            name: "b".to_owned(),
            ..note.signatures()[0].clone()
        };
        for line in [same_name, same_id, NoteSignature::by(&key("c", 3), vec![3])] {
            note.add(line).unwrap();
        }
        let mut other = note.clone();
        note.retain_lines_of(&[signer.verifier()]);
        assert_eq!(note, alone);
        other.retain_lines_of(&[key("c", 3).verifier(), signer.verifier()]);
        let names: Vec<_> = other.signatures().iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn time_of_a_cosignature_is_its_first_eight_bytes() {
        let line = |signature| NoteSignature::by(&key("a", 1), signature).stated_unix_s();
        assert_eq!(line(1_679_315_147_u64.to_be_bytes().to_vec()), Some(1_679_315_147));
        assert_eq!(line(vec![1; 7]), None);
    }

    #[test]
    fn note_has_as_many_signatures_as_it_may_and_no_more() {
        let mut note = SignedNote::sign("one\n", &key("a", 1)).unwrap();
        let line = |seed| NoteSignature::by(&key("f", seed), vec![seed]);
        for seed in 1..NOTE_SIGNATURES_MAX as u8 {
            note.add(line(seed)).unwrap();
        }
        assert_eq!(SignedNote::parse(&note.to_bytes()).as_ref(), Ok(&note));
        assert!(matches!(note.add(line(200)), Err(Error::Malformed { .. })));
        assert_eq!(note.signatures().len(), NOTE_SIGNATURES_MAX);
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let line = SignedNote::sign("one\n", &key("a", 1)).unwrap().signatures()[0].line();
        for note in [
            String::new(),
            "\n\n".into(),
            "one\n".into(),
            "one\n\n".into(),
            format!("one\n{line}"),
            format!("one\n\n{}", line.trim_end()),
            format!("one\n\n{line}\n"),
            format!("one\n\n{line}x"),
            format!("one\r\n\n{line}"),
            format!("one\n\n{}", line.replace('\n', "\r\n")),
            format!("one\n\n{}", line.replace("a ", "a  ")),
            format!("one\n\n{}", line.replace("a ", "a+b ")),
            format!("one\n\n{}", line.replace("a ", "a\u{a0}b ")),
            format!("one\n\n{}", line.replace('\u{2014}', "-")),
            format!("one\n\n{}", line.replace('=', "")),
            format!("\n\n{}", line.repeat(NOTE_SIGNATURES_MAX + 1)),
        ] {
            assert!(SignedNote::parse(note.as_bytes()).is_err(), "{note:?}");
        }
        assert!(SignedNote::parse(b"\xff\n\n").is_err());
        assert!(matches!(
            SignedNote::parse(&vec![b'a'; NOTE_BYTES_MAX + 1]),
            Err(Error::TooLarge { .. })
        ));
    }
}
