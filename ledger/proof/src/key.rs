//! Ed25519 keys of signed notes, bound to a name and a use (C2SP `signed-note` and `tlog-cosignature`).
//!
//! ```text
//! key id        first 4 bytes of SHA-256(name || 0x0A || type || public key), type 0x01 or 0x04
//! verifier key  <name>+<8 hex digits of the key id>+<base64(type || public key)>
//! signing key   PRIVATE+KEY+<name>+<8 hex digits of the key id>+<base64(type || seed)>
//! ```
//!
//! The second text form is the one of Go's `golang.org/x/mod/sumdb/note`. The id binds name, type and key together, so a
//! key cannot be used under another name or in another role without becoming another key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::text;

/// Bytes of the longest key name that is accepted for a trusted key.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Bytes of an Ed25519 signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// What a key's signatures mean. The byte is part of the key's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureType {
    /// 0x01: plain Ed25519 over the note's text. Logs and writers sign so.
    Ed25519,
    /// 0x04: `cosignature/v1`, Ed25519 over the time and the checkpoint. Witnesses and replicas sign so.
    CosignatureV1,
}

/// A public key with its name and role.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: SignatureType,
    key: VerifyingKey,
    key_id: u32,
}

/// A private key with its name and role. Never shown by `Debug`.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SignatureType {
    /// The byte of C2SP `signed-note`.
    pub fn byte(self) -> u8 {
        match self {
            SignatureType::Ed25519 => 0x01,
            SignatureType::CosignatureV1 => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Option<SignatureType> {
        [SignatureType::Ed25519, SignatureType::CosignatureV1]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// Refuses a name that a note cannot carry: empty, too long, or with a space, a plus or a control character.
pub(crate) fn check_key_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(refused_in_name) {
        let reason = format!("{name:?} is empty, too long, or has a space, a plus or a control character");
        return Err(Error::malformed("key name", reason));
    }
    Ok(())
}

pub(crate) fn refused_in_name(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '+'
}

impl VerifierKey {
    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32-bit key id that signature lines carry.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What its signatures mean.
    pub fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    fn new(name: &str, kind: SignatureType, public: &[u8; 32]) -> Result<VerifierKey, Error> {
        check_key_name(name)?;
        let key = VerifyingKey::from_bytes(public)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or_else(|| Error::malformed("verifier key", format!("key {name} is no safe Ed25519 public key")))?;
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind.byte()])
            .chain_update(public)
            .finalize()
            .into();
        let key_id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Ok(VerifierKey {
            name: name.to_owned(),
            kind,
            key,
            key_id,
        })
    }

    /// Checks the signature bytes of a note line over the note's `text` and returns the cosignature's time in seconds
    /// since 1970 (none for plain Ed25519).
    pub(crate) fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        let (time, signature) = match self.kind {
            SignatureType::Ed25519 => (None, signature),
            SignatureType::CosignatureV1 => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                (Some(u64::from_be_bytes(*time)), signature)
            }
        };
        let signature = Signature::from_bytes(<&[u8; SIGNATURE_BYTES]>::try_from(signature).ok()?);
        let message = match time {
            Some(time) if time > i64::MAX as u64 => return None,
            Some(time) => cosigned_message(text, time),
            None => text.to_owned(),
        };
        // strict: no small-order point may make one signature fit several messages
        self.key.verify_strict(message.as_bytes(), &signature).ok()?;
        Some(time)
    }
}

impl SigningKey {
    /// A plain Ed25519 key (type 0x01) for a log or a writer from 32 random bytes.
    ///
    /// # Errors
    /// `Malformed` for a name that notes cannot carry.
    pub fn generate(name: &str, seed: &[u8; 32]) -> Result<SigningKey, Error> {
        SigningKey::new(name, SignatureType::Ed25519, seed)
    }

    /// A cosigner's key (type 0x04) from 32 random bytes.
    ///
    /// # Errors
    /// `Malformed` for a name that notes cannot carry.
    pub fn generate_cosigner(name: &str, seed: &[u8; 32]) -> Result<SigningKey, Error> {
        SigningKey::new(name, SignatureType::CosignatureV1, seed)
    }

    /// Reads the `PRIVATE+KEY+...` form, without a line end.
    ///
    /// # Errors
    /// `Malformed`, without quoting the secret; `UnsupportedKey` for other signature types.
    pub fn from_text(text: &str) -> Result<SigningKey, Error> {
        let malformed = |reason: &str| Error::malformed("signing key", reason);
        let rest = text
            .strip_prefix(PRIVATE_PREFIX)
            .ok_or_else(|| malformed("it does not begin with PRIVATE+KEY+"))?;
        let (name, kind, key_id, seed) = split_key(rest, "signing key")?;
        let key = SigningKey::new(name, kind, &seed)?;
        if key.verifier.key_id != key_id {
            return Err(malformed("the key id does not fit name and key"));
        }
        Ok(key)
    }

    /// The `PRIVATE+KEY+...` form, without a line end. It is the secret itself: write it to a file of mode 0600.
    pub fn to_text(&self) -> String {
        let verifier = &self.verifier;
        PRIVATE_PREFIX.to_owned() + &join_key(&verifier.name, verifier.kind, verifier.key_id, &self.key.to_bytes())
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    fn new(name: &str, kind: SignatureType, seed: &[u8; 32]) -> Result<SigningKey, Error> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, kind, key.verifying_key().as_bytes())?;
        Ok(SigningKey { key, verifier })
    }

    /// Refuses a key of another type than `kind` for the use `role`.
    pub(crate) fn check_kind(&self, kind: SignatureType, role: &'static str) -> Result<(), Error> {
        self.verifier.check_kind(kind, role)
    }

    /// Signature bytes over a plain text (type 0x01).
    pub(crate) fn sign_text(&self, text: &str) -> Vec<u8> {
        self.key.sign(text.as_bytes()).to_bytes().to_vec()
    }

    /// Signature bytes of a cosignature at `time_unix_s` (type 0x04).
    pub(crate) fn sign_cosignature(&self, text: &str, time_unix_s: u64) -> Vec<u8> {
        let signature = self.key.sign(cosigned_message(text, time_unix_s).as_bytes());
        [&time_unix_s.to_be_bytes()[..], &signature.to_bytes()[..]].concat()
    }
}

impl VerifierKey {
    pub(crate) fn check_kind(&self, kind: SignatureType, role: &'static str) -> Result<(), Error> {
        if self.kind == kind {
            return Ok(());
        }
        let expected = match kind {
            SignatureType::Ed25519 => "0x01 (Ed25519)",
            SignatureType::CosignatureV1 => "0x04 (cosignature/v1)",
        };
        Err(Error::UnsupportedKey {
            name: self.name.clone(),
            kind: self.kind.byte(),
            role,
            expected,
        })
    }
}

/// What a `cosignature/v1` signs: two lines and the whole text of the checkpoint.
fn cosigned_message(text: &str, time_unix_s: u64) -> String {
    format!("cosignature/v1\ntime {time_unix_s}\n{text}")
}

/// Splits `<name>+<key id>+<base64(type || 32 bytes)>`.
fn split_key<'a>(rest: &'a str, what: &'static str) -> Result<(&'a str, SignatureType, u32, [u8; 32]), Error> {
    let malformed = |reason: &str| Error::malformed(what, reason);
    let (name, rest) = rest
        .split_once('+')
        .ok_or_else(|| malformed("it is not <name>+<key id>+<key>"))?;
    let (key_id, key) = rest
        .split_once('+')
        .ok_or_else(|| malformed("it is not <name>+<key id>+<key>"))?;
    let key_id = text::hex_decode(key_id).ok_or_else(|| malformed("the key id is not 8 lowercase hex digits"))?;
    let bytes = text::base64_decode(key).ok_or_else(|| malformed("the key is not canonical base64"))?;
    let (kind, key) = bytes.split_first().ok_or_else(|| malformed("the key is empty"))?;
    let kind = SignatureType::from_byte(*kind).ok_or_else(|| Error::UnsupportedKey {
        name: name.to_owned(),
        kind: *kind,
        role: "this release",
        expected: "0x01 (Ed25519) or 0x04 (cosignature/v1)",
    })?;
    let key = key.try_into().map_err(|_| malformed("the key is not 32 bytes long"))?;
    Ok((name, kind, u32::from_be_bytes(key_id), key))
}

fn join_key(name: &str, kind: SignatureType, key_id: u32, key: &[u8; 32]) -> String {
    format!(
        "{name}+{key_id:08x}+{}",
        text::base64_encode(&[&[kind.byte()], &key[..]].concat())
    )
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// Reads a vkey.
    fn from_str(vkey: &str) -> Result<VerifierKey, Error> {
        let (name, kind, key_id, public) = split_key(vkey, "verifier key")?;
        let key = VerifierKey::new(name, kind, &public)?;
        if key.key_id != key_id {
            let reason = format!(
                "key id {key_id:08x} does not fit name and key, {:08x} would",
                key.key_id
            );
            return Err(Error::malformed("verifier key", reason));
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join_key(&self.name, self.kind, self.key_id, self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret not shown)", self.verifier.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vkey_of_the_specification_is_read_and_written() {
        let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let key: VerifierKey = vkey.parse().unwrap();
        assert_eq!(key.name(), "example.com/foo");
        assert_eq!(key.key_id(), 0x530d903a);
        assert_eq!(key.kind(), SignatureType::Ed25519);
        assert_eq!(key.to_string(), vkey);
    }

    #[test]
    fn changed_vkeys_are_refused() {
        for vkey in [
            "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
            "example.com/foo+530d903a+",
            "example.com/foo+530d903a",
            "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "",
        ] {
            assert!(vkey.parse::<VerifierKey>().is_err(), "{vkey}");
        }
    }

    #[test]
    fn weak_public_keys_are_refused() {
        // the neutral element, under which any message has a valid signature
        let mut public = [0; 32];
        public[0] = 1;
        assert!(VerifierKey::new("weak", SignatureType::Ed25519, &public).is_err());
    }

    #[test]
    fn signing_key_is_written_and_read_back_without_showing_the_secret() {
        let key = SigningKey::generate("dab/writer", &[7; 32]).unwrap();
        let text = key.to_text();
        assert!(text.starts_with("PRIVATE+KEY+dab/writer+"));
        assert_eq!(SigningKey::from_text(&text).unwrap().verifier(), key.verifier());
        assert_eq!(format!("{key:?}"), "SigningKey(dab/writer, secret not shown)");
        assert_eq!(
            format!("{:?}", key.verifier()),
            format!("VerifierKey({})", key.verifier())
        );
        for spoiled in [
            &text[1..],
            &text[..text.len() - 1],
            &text.replace("writer", "writes"),
            &(text.clone() + "\n"),
        ] {
            assert!(SigningKey::from_text(spoiled).is_err());
        }
        let cosigner = SigningKey::generate_cosigner("dab/writer", &[7; 32]).unwrap();
        assert_ne!(cosigner.verifier().key_id(), key.verifier().key_id());
        assert_eq!(
            SigningKey::from_text(&cosigner.to_text()).unwrap().verifier(),
            cosigner.verifier()
        );
    }
    #[test]
    fn name_is_as_long_as_it_may_be_and_no_longer() {
        let named = |bytes: usize| SigningKey::generate(&"n".repeat(bytes), &[7; 32]);
        assert!(named(KEY_NAME_BYTES_MAX).is_ok());
        assert!(named(KEY_NAME_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn cosignature_at_the_last_time_counts_and_one_behind_it_does_not() {
        let key = SigningKey::generate_cosigner("dab/witness", &[7; 32]).unwrap();
        let last = i64::MAX as u64;
        for (time, good) in [(last, true), (last + 1, false), (last + 2, false)] {
            let signature = key.sign_cosignature("text\n", time);
            let verified = key.verifier().verify("text\n", &signature);
            assert_eq!(verified, good.then_some(Some(time)));
        }
    }
}
