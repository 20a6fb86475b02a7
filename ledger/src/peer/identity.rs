//! The key by which a replica is known to the others.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ED25519};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::durable::{self, Access};

/// What a key's text begins with.
const PREFIX: &str = "sha256:";

/// Names the key that a replica proves to hold in TLS: the SHA-256 of its SubjectPublicKeyInfo. Shown and read as
/// `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey([u8; 32]);

/// A replica's own key. It has this one role: it signs handshakes, and neither leaves nor checkpoints.
#[derive(Clone)]
pub struct PeerIdentity {
    key: PeerKey,
    certified: Arc<CertifiedKey>,
}

impl PeerKey {
    /// Names the key in a SubjectPublicKeyInfo (DER).
    pub fn of(public_key_info: &[u8]) -> Self {
        Self(Sha256::digest(public_key_info).into())
    }

    /// Takes the 32 bytes of the hash as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a peer's key is {PREFIX} and 64 lowercase hexadecimal digits")]
pub struct NotAPeerKey;

impl FromStr for PeerKey {
    type Err = NotAPeerKey;

    fn from_str(text: &str) -> Result<Self, NotAPeerKey> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix(PREFIX).ok_or(NotAPeerKey)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotAPeerKey)?;
        let key = Self(bytes);
        // the one spelling, so that texts can be compared
        if key.to_string() == text {
            Ok(key)
        } else {
            Err(NotAPeerKey)
        }
    }
}

impl PeerIdentity {
    /// Reads the key in the file `path` (PKCS#8, PEM, mode 0600), making an Ed25519 key if there is no such file.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the file holds no key or others may read it; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let pem = match durable::read(path)? {
            Some(pem) => {
                durable::require_owner_only(path)?;
                pem
            }
            None => {
                let made = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| Error::Randomness {
                    reason: error.to_string(),
                })?;
                let pem = made.serialize_pem().into_bytes();
                durable::write(path, &pem, Access::Owner)?;
                pem
            }
        };
        // the parser's words might quote the secret
        Self::from_pem(&pem).ok_or_else(|| Error::setting(path, "it does not hold a private key (PKCS#8, PEM)"))
    }

    pub(super) fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = any_supported_type(&PrivateKeyDer::from_pem_slice(pem).ok()?).ok()?;
        let public_key_info = key.public_key()?.to_vec();
        Some(Self {
            key: PeerKey::of(&public_key_info),
            // a raw public key (RFC 7250) travels where a certificate would
            certified: Arc::new(CertifiedKey::new(vec![CertificateDer::from(public_key_info)], key)),
        })
    }

    /// What the others know this replica by.
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// Shows the key of `shown` and signs with that of `self`, as an impostor would.
    #[cfg(test)]
    pub(super) fn pretending_to_be(&self, shown: &PeerIdentity) -> Self {
        let certified = CertifiedKey::new(shown.certified.cert.clone(), Arc::clone(&self.certified.key));
        Self {
            key: shown.key,
            certified: Arc::new(certified),
        }
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_start_has_the_same_key_and_another_replica_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private/peer.key");
        let first = PeerIdentity::open(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(PeerIdentity::open(&path).unwrap().key(), first.key());
        let other = PeerIdentity::open(&dir.path().join("other.key")).unwrap();
        assert_ne!(other.key(), first.key());
    }

    #[test]
    fn a_key_that_others_may_read_and_a_file_without_a_key_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.key");
        PeerIdentity::open(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let error = PeerIdentity::open(&path).unwrap_err().to_string();
        assert!(error.contains("mode is 640"), "{error}");
        for text in [
            "",
            "secret",
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        ] {
            durable::write(&path, text.as_bytes(), Access::Owner).unwrap();
            let error = PeerIdentity::open(&path).unwrap_err().to_string();
            assert!(error.contains("does not hold a private key"), "{error}");
            assert!(!error.contains("secret") && !error.contains("c2Vj"), "{error}");
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        let key = PeerKey::of(b"a key");
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        for wrong in [
            text.to_uppercase(),
            text.replace("sha256:", ""),
            text.replace("sha256:", "sha256:00"),
            text[..text.len() - 1].to_owned(),
            format!("{text} "),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<PeerKey>(), Err(NotAPeerKey), "{wrong}");
        }
    }
}
