//! Users and their passwords.
//!
//! The first start makes the user `admin` and its token, which serves as password and as bearer token alike and is kept
//! for the operator in `DIR/admin.token`. The service itself keeps only a slow hash of it, in `DIR/private/users.json`.

use std::{collections::BTreeMap, path::Path};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash::SaltString,
};
use dab_ledger::durable::{self, Access};
use serde::{Deserialize, Serialize};

use crate::{Error, secret};

/// The first user.
pub const FIRST_USER: &str = "admin";
/// Memory of one password verification, KiB (Argon2id parameter m).
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory (Argon2id parameter t).
pub const ARGON2_PASSES: u32 = 2;
/// Lanes (Argon2id parameter p).
pub const ARGON2_LANES: u32 = 1;
/// Longest user name, bytes.
pub const USER_NAME_BYTES_MAX: usize = 64;
/// Longest password, bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const FORMAT: u32 = 1;

/// The users of a node.
#[derive(Debug)]
pub struct Users {
    hashes: BTreeMap<String, String>,
    /// Verified instead of a user's hash where there is no such user, so that the time taken tells nothing.
    decoy: String,
}

impl Users {
    /// Reads the users in `DIR/private/users.json`. Where there are none, makes [`FIRST_USER`] with a fresh token, which
    /// is written to `DIR/admin.token` (mode 0600). Removing `users.json` and starting again gives a new token.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("private").join("users.json");
        if let Some(bytes) = durable::read(&path)? {
            durable::require_owner_only(&path)?;
            let damaged = |reason: String| Error::Damaged {
                path: path.clone(),
                reason,
            };
            let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
            if stored.format != FORMAT {
                return Err(damaged(format!("format {} where {FORMAT} is known", stored.format)));
            }
            for user in &stored.users {
                PasswordHash::new(&user.password).map_err(|error| damaged(format!("user {}: {error}", user.name)))?;
            }
            return Self::from_hashes(
                stored
                    .users
                    .into_iter()
                    .map(|user| (user.name, user.password))
                    .collect(),
            );
        }
        let token = format!("dab_{FIRST_USER}_{}", hex::encode(secret::random::<32>()?));
        let password = hash(&token)?;
        // token first: a crash between the two leaves a token without a user, and the next start makes both anew; the
        // other order could leave a user whose token nobody knows
        durable::write(&dir.join("admin.token"), format!("{token}\n").as_bytes(), Access::Owner)?;
        let users = vec![StoredUser {
            name: FIRST_USER.to_owned(),
            password: password.clone(),
        }];
        let json = serde_json::to_vec_pretty(&Stored { format: FORMAT, users }).map_err(|error| Error::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        durable::write(&path, &json, Access::Owner)?;
        Self::from_hashes(BTreeMap::from([(FIRST_USER.to_owned(), password)]))
    }

    /// Users that live in memory only, from names and passwords: for tests and for a node inside another program.
    pub fn in_memory<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let hashes = users.into_iter().map(|(name, password)| {
            validate_name(name)?;
            Ok((name.to_owned(), hash(password)?))
        });
        Self::from_hashes(hashes.collect::<Result<_, Error>>()?)
    }

    /// Whether `password` is that of `user`. Takes tens of milliseconds and [`ARGON2_MEMORY_KIB`] on purpose, whether or
    /// not the user exists: call it off the async threads.
    pub fn verify(&self, user: &str, password: &str) -> bool {
        let stored = self.hashes.get(user);
        let matches = PasswordHash::new(stored.unwrap_or(&self.decoy)).is_ok_and(|hash| {
            password.len() <= PASSWORD_BYTES_MAX && argon2().verify_password(password.as_bytes(), &hash).is_ok()
        });
        matches && stored.is_some()
    }

    fn from_hashes(hashes: BTreeMap<String, String>) -> Result<Self, Error> {
        Ok(Self {
            hashes,
            decoy: hash(&hex::encode(secret::random::<32>()?))?,
        })
    }
}

/// The user named inside a bearer token of the form `dab_<user>_<64 hex digits>`, or `None` where it has another form.
pub fn token_user(token: &str) -> Option<&str> {
    let (user, secret) = token.strip_prefix("dab_")?.rsplit_once('_')?;
    (secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()) && !user.is_empty()).then_some(user)
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    users: Vec<StoredUser>,
}

#[derive(Serialize, Deserialize)]
struct StoredUser {
    name: String,
    /// PHC string, `$argon2id$v=19$m=..,t=..,p=..$salt$hash`.
    password: String,
}

fn validate_name(name: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if name.is_empty() || name.len() > USER_NAME_BYTES_MAX || !name.bytes().all(fits) {
        return Err(Error::UserName { name: name.to_owned() });
    }
    Ok(())
}

fn argon2() -> Argon2<'static> {
    let params =
        Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None).expect("constants within argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Result<String, Error> {
    let salt = SaltString::encode_b64(&secret::random::<16>()?).map_err(|error| Error::Random(error.to_string()))?;
    let hash = argon2()
        .hash_password(password.as_bytes(), &salt)
        .map_err(|error| Error::Random(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_token_that_later_starts_accept() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::open(dir.path()).unwrap();
        let token = std::fs::read_to_string(dir.path().join("admin.token"))
            .unwrap()
            .trim()
            .to_owned();
        durable::require_owner_only(&dir.path().join("admin.token")).unwrap();
        assert_eq!(token_user(&token), Some("admin"));
        assert!(users.verify("admin", &token));
        assert!(!users.verify("admin", &token[..token.len() - 1]));
        assert!(!users.verify("root", &token));

        let stored = std::fs::read_to_string(dir.path().join("private/users.json")).unwrap();
        assert!(stored.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !stored.contains(&token));
        std::fs::remove_file(dir.path().join("admin.token")).unwrap();
        assert!(Users::open(dir.path()).unwrap().verify("admin", &token));
        assert!(
            !dir.path().join("admin.token").exists(),
            "an operator who took the token away keeps it away"
        );
    }

    #[test]
    fn only_tokens_name_a_user() {
        let secret = "0".repeat(64);
        assert_eq!(token_user(&format!("dab_a_b_{secret}")), Some("a_b"));
        for other in [
            format!("dab__{secret}"),
            format!("dab_{secret}"),
            "dab_admin_short".into(),
            secret.clone(),
        ] {
            assert_eq!(token_user(&other), None, "{other}");
        }
    }

    #[test]
    fn odd_user_names_are_refused() {
        for name in ["", "a b", "a\nb", "ü", &"x".repeat(65)] {
            assert!(Users::in_memory([(name, "p")]).is_err(), "{name:?}");
        }
    }
}
