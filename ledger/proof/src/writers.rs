//! Who may write which subjects: the file `trust/writers`.
//!
//! ```text
//! # comment
//! <vkey> <subject glob> [<subject glob>...]
//! ```
//!
//! One line per key, words parted by spaces or tabs. A glob is a subject, or the beginning of one with `*` at the end.
//! Client keys are outside C2SP `tlog-policy`, hence this file beside it.

use crate::error::Error;
use crate::key::{SignatureType, VerifierKey};
use crate::leaf::{SUBJECT_BYTES_MAX, Subject};
use crate::policy::{Line, words_by_line};

/// Bytes of the largest writers file.
pub const WRITERS_BYTES_MAX: usize = 1 << 20;

const WHAT: &str = "writers file";

/// The keys whose leaves count.
#[derive(Debug, Clone, Default)]
pub struct Writers {
    writers: Vec<Writer>,
}

/// One key and the subjects that it may write.
#[derive(Debug, Clone)]
pub struct Writer {
    key: VerifierKey,
    globs: Vec<String>,
}

impl Writers {
    /// Reads the file.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed` (a key listed twice included), `UnsupportedKey` for keys other than type 0x01.
    pub fn parse(bytes: &[u8]) -> Result<Writers, Error> {
        Error::check_size(WHAT, bytes.len(), WRITERS_BYTES_MAX)?;
        let mut writers: Vec<Writer> = Vec::new();
        for Line { number, words } in words_by_line(WHAT, bytes)? {
            let words = words
                .iter()
                .map(|word| utf8(number, word))
                .collect::<Result<Vec<_>, _>>()?;
            let (vkey, globs) = words.split_first().expect("lines without words are left out");
            let key: VerifierKey = vkey.parse()?;
            key.check_kind(SignatureType::Ed25519, "a writer")?;
            if writers.iter().any(|other| other.key.public_key() == key.public_key()) {
                return Err(Error::malformed(
                    WHAT,
                    format!("line {number} lists the key of {} again", key.name()),
                ));
            }
            if globs.is_empty() {
                return Err(Error::malformed(
                    WHAT,
                    format!("line {number} names no subject, * would mean all"),
                ));
            }
            for glob in globs {
                check_glob(number, glob)?;
            }
            writers.push(Writer {
                key,
                globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
            });
        }
        Ok(Writers { writers })
    }

    /// The writer whose key has this name and id.
    pub fn find(&self, name: &str, key_id: u32) -> Option<&Writer> {
        self.writers
            .iter()
            .find(|writer| writer.key.name() == name && writer.key.key_id() == key_id)
    }

    /// All writers in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Writer> {
        self.writers.iter()
    }
}

impl Writer {
    /// Name of the key.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The key.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The subjects that it may write, as they stand in the file.
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    /// True when one of the globs covers `subject`.
    pub fn allows(&self, subject: &Subject) -> bool {
        self.globs.iter().any(|glob| match glob.strip_suffix('*') {
            Some(prefix) => subject.as_str().starts_with(prefix),
            None => subject.as_str() == glob,
        })
    }
}

fn utf8(number: usize, word: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(word).map_err(|_| Error::malformed(WHAT, format!("line {number} is not UTF-8")))
}

fn check_glob(number: usize, glob: &str) -> Result<(), Error> {
    let stem = glob.strip_suffix('*').unwrap_or(glob);
    if stem.contains('*') || glob.len() > SUBJECT_BYTES_MAX || !stem.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = format!("line {number}: {glob:?} is no subject, and * may stand only at its end");
        return Err(Error::malformed(WHAT, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    fn vkey(name: &str, seed: u8) -> String {
        SigningKey::generate(name, &[seed; 32]).unwrap().verifier().to_string()
    }

    #[test]
    fn globs_end_in_a_star_or_name_one_subject() {
        let file = format!(
            "# who may write\n\n\t{} table/a* catalog\n{} *\n",
            vkey("a", 1),
            vkey("b", 2)
        );
        let writers = Writers::parse(file.as_bytes()).unwrap();
        let allowed = |writer: usize, subject: &str| {
            writers
                .iter()
                .nth(writer)
                .unwrap()
                .allows(&subject.parse::<Subject>().unwrap())
        };
        assert!(allowed(0, "table/a") && allowed(0, "table/ab") && allowed(0, "catalog"));
        assert!(!allowed(0, "table/b") && !allowed(0, "catalog2") && !allowed(0, "access"));
        assert!(allowed(1, "access"));
        let globs: Vec<_> = writers.iter().map(Writer::globs).collect();
        assert_eq!(globs, [&["table/a*", "catalog"][..], &["*"]]);
    }

    #[test]
    fn glob_is_as_long_as_a_subject_may_be_and_no_longer() {
        let read = |bytes: usize| Writers::parse(format!("{} {}\n", vkey("a", 1), "t".repeat(bytes)).as_bytes());
        assert!(read(SUBJECT_BYTES_MAX).is_ok());
        assert!(read(SUBJECT_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn files_that_could_be_read_in_two_ways_are_refused() {
        let (a, b) = (vkey("a", 1), vkey("b", 1));
        let cosigner = SigningKey::generate_cosigner("c", &[3; 32])
            .unwrap()
            .verifier()
            .to_string();
        for file in [
            format!("{a} *\n{a} *\n"),
            format!("{a} *\n{b} *\n"),
            format!("{a}\n"),
            format!("{a} *"),
            format!("{a} *\r\n"),
            format!("{a} table/*/x\n"),
            format!("{a} **\n"),
            format!("{a} é\n"),
            format!("{cosigner} *\n"),
            "x *\n".to_owned(),
        ] {
            assert!(Writers::parse(file.as_bytes()).is_err(), "{file:?}");
        }
        assert_eq!(Writers::parse(b"").unwrap().iter().count(), 0);
    }
}
