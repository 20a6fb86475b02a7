//! The file of a head proof.

use super::{Found, HEAD_PROOF_BYTES_MAX, HeadProof, WHAT};
use crate::error::Error;
use crate::head_map::{MAP_PATH_STEPS_MAX, MapEntry, MapKey, Step};
use crate::leaf::SignedLeaf;
use crate::receipt::Receipt;
use crate::text;
use crate::tree::LeafIndex;

const HEADER: &str = "dab/head-proof/v1";

impl HeadProof {
    /// The file.
    pub fn to_text(&self) -> String {
        let found = match &self.found {
            Found::Head { index, leaf } => format!("head {index} {}", text::base64_encode(leaf.bytes())),
            Found::Other(entry) => format!(
                "other {} {} {} {}",
                entry.key.0, entry.sequence, entry.leaf_index, entry.leaf_hash
            ),
            Found::Nothing => "none".to_owned(),
        };
        let mut file = format!(
            "{HEADER}\nsubject {}\nsize {}\nsubjects {}\n{found}\n",
            self.subject, self.size, self.subjects
        );
        for Step { bit, sibling } in &self.steps {
            file += &format!("{bit} {sibling}\n");
        }
        file + "\n" + &self.receipt.to_text()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `TooLarge`, `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<HeadProof, Error> {
        let malformed = |reason: &str| Error::malformed(WHAT, reason);
        Error::check_size(WHAT, bytes.len(), HEAD_PROOF_BYTES_MAX)?;
        let file = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, receipt) = file
            .split_once("\n\n")
            .ok_or_else(|| malformed("it has no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line is not dab/head-proof/v1"));
        }
        let mut value = |field: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(field));
            line.ok_or_else(|| Error::malformed(WHAT, format!("no line says {}", field.trim_end())))
        };
        let (subject, size, subjects) = (value("subject ")?, value("size ")?, value("subjects ")?);
        let found = read_found(lines.next().unwrap_or_default())?;
        let steps = lines.map(read_step).collect::<Option<Vec<_>>>();
        let steps = steps.ok_or_else(|| malformed("a line of the path is not a bit and a hash"))?;
        if steps.len() > MAP_PATH_STEPS_MAX {
            return Err(malformed("the path has more than 256 forks"));
        }
        Ok(HeadProof {
            subject: subject.parse()?,
            size: size.parse()?,
            subjects: text::decimal(subjects).ok_or_else(|| malformed("the count of subjects is no number"))?,
            found,
            steps,
            receipt: Receipt::parse(receipt.as_bytes())?,
        })
    }
}

fn read_found(line: &str) -> Result<Found, Error> {
    let malformed = || Error::malformed(WHAT, "the fifth line says neither head, nor other, nor none");
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["head", index, leaf] => Ok(Found::Head {
            index: LeafIndex(text::decimal(index).ok_or_else(malformed)?),
            leaf: Box::new(SignedLeaf::from_bytes(
                &text::base64_decode(leaf).ok_or_else(malformed)?,
            )?),
        }),
        ["other", key, sequence, index, leaf_hash] => Ok(Found::Other(MapEntry {
            key: MapKey(key.parse()?),
            sequence: text::decimal(sequence).ok_or_else(malformed)?,
            leaf_index: LeafIndex(text::decimal(index).ok_or_else(malformed)?),
            leaf_hash: leaf_hash.parse()?,
        })),
        ["none"] => Ok(Found::Nothing),
        _ => Err(malformed()),
    }
}

fn read_step(line: &str) -> Option<Step> {
    let (bit, sibling) = line.split_once(' ')?;
    let bit = u8::try_from(text::decimal(bit)?).ok()?;
    let sibling = sibling.parse().ok()?;
    Some(Step { bit, sibling })
}
