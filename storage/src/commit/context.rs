//! Who commits what and from where: what a commit says about itself, and what its writer gets back.

use dab_ledger::notary::Once;
use dab_proof::receipt::Receipt;
use serde::{Deserialize, Serialize};

use crate::{Pin, TableId, TableName, TableVersion};

/// What a write brings along besides its rows. It stands in `commitInfo.dab` of the commit file, so the ledger binds it.
#[derive(Debug, Clone, Default)]
pub struct CommitContext {
    /// The authenticated user, as the server knows them: the server's word, not a signature of theirs.
    pub user: String,
    /// The operation as the leaf names it: `INSERT`, `CREATE TABLE`, `LOAD`. Upper case ASCII.
    pub operation: String,
    /// Inputs from outside.
    pub sources: Vec<LoadedSource>,
    /// Tables that the write read, each at the version that it read.
    pub read: Vec<Pin>,
    /// The request that the write carries out, where its client may repeat it.
    pub once: Option<Once>,
    /// Whether an overwrite may change the table's schema.
    pub overwrite_schema: bool,
}

/// One input from outside, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedSource {
    /// Where it came from: a URL or a file's path, without credentials.
    pub url: String,
    /// The entity tag that the server gave, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was fetched, milliseconds since the epoch, UTC.
    pub fetched_unix_ms: i64,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The most inputs of one write.
pub const SOURCES_MAX: usize = 10_000;
/// The longest URL of an input, bytes.
pub const SOURCE_URL_BYTES_MAX: usize = 4096;
/// The longest entity tag of an input, bytes.
pub const SOURCE_ETAG_BYTES_MAX: usize = 1024;

impl LoadedSource {
    /// Checks what a client says of its inputs before it stands in a commit for ever: their number, lengths, that nothing
    /// steers a terminal, and that a digest is one. Whether it is true is the client's word.
    ///
    /// # Errors
    ///
    /// A sentence that says which input is not as it should be.
    pub fn check_all(sources: &[Self]) -> Result<(), String> {
        if sources.len() > SOURCES_MAX {
            return Err(format!("{} inputs, at most {SOURCES_MAX} are taken", sources.len()));
        }
        for (i, source) in sources.iter().enumerate() {
            source.check().map_err(|reason| format!("input {}: {reason}", i + 1))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let etag = self.etag.as_deref().unwrap_or_default();
        for (what, text, bytes_max) in [
            ("url", self.url.as_str(), SOURCE_URL_BYTES_MAX),
            ("etag", etag, SOURCE_ETAG_BYTES_MAX),
        ] {
            if text.len() > bytes_max {
                return Err(format!(
                    "its {what} has {} bytes, at most {bytes_max} are taken",
                    text.len()
                ));
            }
            if text.contains(char::is_control) {
                return Err(format!("its {what} contains a control character"));
            }
        }
        let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match self.blake3.len() == 64 && self.blake3.chars().all(is_hex) {
            true => Ok(()),
            false => Err("its blake3 is not 64 lower-case hexadecimal digits".to_owned()),
        }
    }
}

/// A write that was ratified, certified and published.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The table.
    pub table: TableName,
    /// Its identity.
    pub id: TableId,
    /// The version that the write made.
    pub version: TableVersion,
    /// Rows added.
    pub rows: u64,
    /// The proof that the ledger holds the commit.
    pub receipt: Receipt,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> LoadedSource {
        LoadedSource {
            url: "https://example.org/a.csv".into(),
            etag: Some("\"1\"".into()),
            fetched_unix_ms: 1,
            blake3: "ab".repeat(32),
            bytes: 1,
        }
    }

    #[test]
    fn what_a_client_says_of_its_inputs_is_bounded_and_plain() {
        LoadedSource::check_all(&[source()]).unwrap();
        let change = |change: fn(&mut LoadedSource)| {
            let mut changed = source();
            change(&mut changed);
            LoadedSource::check_all(&[source(), changed]).unwrap_err()
        };
        for (error, expected) in [
            (change(|source| source.url = "x".repeat(5000)), "5000 bytes"),
            (change(|source| source.url = "a\u{1b}[2J".into()), "control"),
            (change(|source| source.etag = Some("y".repeat(2000))), "etag"),
            (change(|source| source.blake3 = "no".into()), "blake3"),
            (change(|source| source.blake3 = "AB".repeat(32)), "blake3"),
        ] {
            assert!(error.starts_with("input 2: ") && error.contains(expected), "{error}");
        }
        assert!(LoadedSource::check_all(&vec![source(); SOURCES_MAX + 1]).is_err());
    }
}
