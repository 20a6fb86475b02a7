//! Keys by which clients repeat a statement whose answer they lost, without doing it twice.
//!
//! A key is the client's choice and stands, for this user, for one statement. What the ledger learns of it is a digest.

use std::sync::Arc;

use dab_ledger::notary::Once;
use tonic::{Status, codegen::http::HeaderMap};

/// The header that carries a key, of calls over Flight as of `POST /add`.
pub const IDEMPOTENCY_KEY_HEADER: &str = "dab-idempotency-key";
/// The longest key, characters.
pub const IDEMPOTENCY_KEY_MAX: usize = 128;

/// Keeps these digests apart from all others.
const REQUEST_CONTEXT: &str = "dab 2026 idempotency key, of a user";
const STATEMENT_CONTEXT: &str = "dab 2026 what an idempotency key stands for";

/// A client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The key among the headers of a call, if there is one.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Status> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let refused = || {
            Status::invalid_argument(format!(
                "{IDEMPOTENCY_KEY_HEADER} takes one key, of 1 to {IDEMPOTENCY_KEY_MAX} visible characters of ASCII"
            ))
        };
        let key = value.to_str().map_err(|_| refused())?;
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        match visible && (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len()) && values.next().is_none() {
            true => Ok(Some(Self(key.into()))),
            false => Err(refused()),
        }
    }

    /// The request that this user makes under the key, and what they ask for in it. Of several parts each is one.
    pub(crate) fn once(&self, user: &str, part: u64, statement: &[&[u8]]) -> Once {
        Once {
            request: digest(
                REQUEST_CONTEXT,
                &[user.as_bytes(), self.0.as_bytes(), &part.to_be_bytes()],
            ),
            statement: digest(STATEMENT_CONTEXT, statement),
        }
    }

    /// The error for a key that stands for something else.
    pub(crate) fn other_statement(&self, leaf_index: u64) -> Status {
        Status::already_exists(format!(
            "{IDEMPOTENCY_KEY_HEADER} {:?} stands for another statement, carried out by leaf {leaf_index}: choose another key",
            self.0
        ))
    }
}

/// Lengths stand before the parts, so that no two lists of parts are the same bytes.
fn digest(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<IdempotencyKey>, Status> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY_HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::of(&headers)
    }

    #[test]
    fn a_key_is_one_value_of_visible_ascii() {
        assert_eq!(of(&[]).unwrap(), None);
        for key in [&b"k"[..], b"2026-11-29/42", &[b'~'; 128]] {
            assert!(of(&[key]).unwrap().is_some());
        }
        for wrong in [&b""[..], b"a b", b"\xc3\xbc", b"a\tb", &[b'x'; 129]] {
            assert!(of(&[wrong]).is_err(), "{wrong:?}");
        }
        assert!(of(&[b"a", b"a"]).is_err());
    }

    #[test]
    fn users_keys_parts_and_statements_are_kept_apart() {
        let key = |text: &str| IdempotencyKey(text.into());
        let once = key("k").once("ann", 0, &[b"SELECT 1"]);
        assert_eq!(once, key("k").once("ann", 0, &[b"SELECT 1"]));
        for other in [
            key("kk").once("an", 0, &[b"SELECT 1"]),
            key("k").once("bob", 0, &[b"SELECT 1"]),
            key("k").once("ann", 1, &[b"SELECT 1"]),
        ] {
            assert_ne!(other.request, once.request);
            assert_eq!(other.statement, once.statement);
        }
        assert_ne!(key("k").once("ann", 0, &[b"SELECT ", b"1"]).statement, once.statement);
    }
}
