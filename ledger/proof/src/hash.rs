//! Hashes of the Merkle tree: SHA-256 as RFC 6962 section 2.1 uses it.
//!
//! ```text
//! leaf  = SHA-256(0x00 || entry)
//! node  = SHA-256(0x01 || left || right)
//! empty = SHA-256("")
//! ```
//!
//! The first byte keeps leaves and nodes apart, so no entry can pass for an inner node.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::text;

/// Bytes of one hash.
pub const HASH_BYTES: usize = 32;

/// A hash of the tree: of a leaf, an inner node or the root. Shown and read as canonical base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

/// Hash of the entry `entry` as a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// Hash of the inner node above `left` and `right`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// Root of the tree without leaves.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

impl Hash {
    /// Takes the 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Hash {
        Hash(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// 64 lowercase hexadecimal digits.
    pub fn to_hex(&self) -> String {
        text::hex_encode(&self.0)
    }

    /// Reads 64 lowercase hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Hash, Error> {
        text::hex_decode(digits)
            .map(Hash)
            .ok_or_else(|| Error::malformed("hash", format!("{digits:?} is not 64 lowercase hexadecimal digits")))
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(encoded: &str) -> Result<Hash, Error> {
        text::base64_decode(encoded)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Hash)
            .ok_or_else(|| Error::malformed("hash", format!("{encoded:?} is not the base64 of 32 bytes")))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::base64_encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_leaf_and_tree_match_rfc_6962() {
        // RFC 6962 and RFC 9162 test vectors: MTH({}) and MTH({""})
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(empty_root().to_hex(), empty);
        assert_eq!(leaf_hash(b"").to_hex(), leaf);
        assert_eq!(Hash::from_hex(leaf).unwrap(), leaf_hash(b""));
    }

    #[test]
    fn base64_is_read_back_and_other_spellings_are_refused() {
        let hash = leaf_hash(b"x");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        let spoiled = hash.to_string().replace('=', "");
        assert!(spoiled.parse::<Hash>().is_err());
        assert!(format!("{hash} ").parse::<Hash>().is_err());
        assert_eq!(format!("{hash:?}"), format!("Hash({hash})"));
    }
}
