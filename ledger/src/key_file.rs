//! A signing key in a file of its own, for its owner alone.

use std::fs;
use std::path::Path;

use dab_proof::note::{SigningKey, VerifierKey};

use crate::Error;
use crate::durable::{self, Access, io};

/// Bytes of the longest key file that is read.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// What makes a key of one kind from a name and a seed.
pub(crate) type Generate = fn(&str, &[u8; 32]) -> Result<SigningKey, dab_proof::Error>;

/// Makes the key of a writer who is to sign leaves, in a file that is not there yet; gives what has to be registered.
///
/// # Errors
///
/// [`Error::Setting`] where the file is there already, or the name is none; [`Error::Randomness`].
pub fn make_writer_key(path: &Path, name: &str) -> Result<VerifierKey, Error> {
    Ok(make_key(path, name, SigningKey::generate)?.verifier().clone())
}

/// Reads the key of a writer.
///
/// # Errors
///
/// [`Error::Setting`] where the file is not there, holds no key, or is not its owner's alone.
pub fn read_writer_key(path: &Path) -> Result<SigningKey, Error> {
    read_key(path)?.ok_or_else(|| Error::setting(path, "there is no key"))
}

/// Random bytes for a key.
pub(crate) fn draw_seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::Randomness {
        reason: error.to_string(),
    })?;
    Ok(seed)
}

/// Draws a key and writes it, durably and for its owner alone, where no file is: a key is never written over.
pub(crate) fn make_key(path: &Path, name: &str, generate: Generate) -> Result<SigningKey, Error> {
    let key = generate(name, &draw_seed()?).map_err(|error| Error::setting(path, error.to_string()))?;
    durable::create(path, format!("{}\n", key.to_text()).as_bytes(), Access::Owner)?;
    Ok(key)
}

/// Reads a key file; `None` when there is none. A key that others can read is no longer a secret, so it is refused.
pub(crate) fn read_key(path: &Path) -> Result<Option<SigningKey>, Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("look at", path)(error)),
    };
    durable::require_owner_only(path)?;
    if metadata.len() > KEY_FILE_BYTES_MAX {
        return Err(Error::setting(path, "it is too long for a key"));
    }
    let text = fs::read_to_string(path).map_err(io("read", path))?;
    // the parser's words might quote the secret
    let key = SigningKey::from_text(text.strip_suffix('\n').unwrap_or(&text))
        .map_err(|_| Error::setting(path, "it does not hold a signing key (PRIVATE+KEY+...)"))?;
    Ok(Some(key))
}
