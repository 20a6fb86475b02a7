//! What a leaf says of the bytes that it binds: both digests and their number.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::text;

/// Both digests and the length of a body, which for a table is its commit file exactly as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest {
    /// BLAKE3 of the bytes.
    pub blake3: [u8; 32],
    /// SHA-256 of the bytes, for auditors who have only common tools.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub bytes: u64,
}

/// Computes a [`BodyDigest`] of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct BodyHasher {
    blake3: blake3::Hasher,
    sha256: Sha256,
}

impl BodyDigest {
    /// Digests of `body`.
    pub fn of(body: &[u8]) -> BodyDigest {
        let mut hasher = BodyHasher::default();
        hasher.update(body);
        hasher.finish()
    }

    /// True when `body` has this length and both digests.
    pub fn matches(&self, body: &[u8]) -> bool {
        *self == BodyDigest::of(body)
    }
}

impl BodyHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of all bytes taken.
    pub fn finish(self) -> BodyDigest {
        BodyDigest {
            blake3: *self.blake3.finalize().as_bytes(),
            sha256: self.sha256.finalize().into(),
            bytes: self.blake3.count(),
        }
    }
}

impl fmt::Display for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blake3, sha256) = (text::hex_encode(&self.blake3), text::hex_encode(&self.sha256));
        write!(f, "blake3:{blake3} sha256:{sha256} {}", self.bytes)
    }
}

/// Reads what `Display` writes, and nothing else.
impl FromStr for BodyDigest {
    type Err = Error;

    fn from_str(value: &str) -> Result<BodyDigest, Error> {
        read(value).ok_or_else(|| {
            let reason = format!("{value:?} is not blake3:<64 hex digits> sha256:<64 hex digits> <bytes>");
            Error::malformed("digest", reason)
        })
    }
}

pub(super) fn read(value: &str) -> Option<BodyDigest> {
    let (blake3, rest) = value.strip_prefix("blake3:")?.split_once(' ')?;
    let (sha256, bytes) = rest.strip_prefix("sha256:")?.split_once(' ')?;
    Some(BodyDigest {
        blake3: text::hex_decode(blake3)?,
        sha256: text::hex_decode(sha256)?,
        bytes: text::decimal(bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling_and_pieces_make_no_difference() {
        let digest = BodyDigest::of(b"body");
        let mut hasher = BodyHasher::default();
        for piece in [&b""[..], b"b", b"od", b"y"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), digest);
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        for other in [
            text.to_uppercase(),
            text.replace("blake3:", ""),
            format!(" {text}"),
            format!("{text} "),
            text.replace(" 4", " 04"),
            text.replace(" sha256", "  sha256"),
        ] {
            assert!(other.parse::<BodyDigest>().is_err(), "{other:?}");
        }
    }
}
