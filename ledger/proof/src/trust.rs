//! What an auditor is given once and believes from then on: a folder of three small files.
//!
//! ```text
//! trust/policy     whose checkpoints count     (see `policy`)
//! trust/writers    who may write what          (see `writers`)
//! trust/ledger     first line: where the ledger's public files are, a path relative to trust/ or a URL
//! ```

use crate::error::Error;
use crate::policy::Policy;
use crate::writers::Writers;

/// Bytes of the largest `ledger` file.
pub const LEDGER_BYTES_MAX: usize = 4096;

/// The trust root.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Whose checkpoints count.
    pub policy: Policy,
    /// Who may write what.
    pub writers: Writers,
    /// Where the ledger's public files are: a path relative to the trust folder, or a URL. A convenience: what is
    /// found there is checked against the policy.
    pub ledger: Option<String>,
}

impl Trust {
    /// Reads the three files' bytes; there may be no `ledger`.
    ///
    /// # Errors
    /// Those of `Policy::parse` and `Writers::parse`. `Malformed` when a writer's public key is also a log's or a
    /// witness's: one key has one role.
    pub fn from_texts(
        policy: impl AsRef<[u8]>,
        writers: impl AsRef<[u8]>,
        ledger: Option<&str>,
    ) -> Result<Trust, Error> {
        let policy = Policy::parse(policy)?;
        let writers = Writers::parse(writers.as_ref())?;
        let logs = policy.logs().iter().map(|log| &log.key);
        for key in logs.chain(policy.witnesses().iter().map(|witness| &witness.key)) {
            if let Some(writer) = writers
                .iter()
                .find(|writer| writer.key().public_key() == key.public_key())
            {
                let reason = format!(
                    "writer {} has the same public key as {} of the policy",
                    writer.name(),
                    key.name()
                );
                return Err(Error::malformed("writers file", reason));
            }
        }
        Ok(Trust {
            policy,
            writers,
            ledger: ledger.map(read_ledger).transpose()?,
        })
    }
}

fn read_ledger(file: &str) -> Result<String, Error> {
    Error::check_size("ledger file", file.len(), LEDGER_BYTES_MAX)?;
    let line = file.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.contains(char::is_control) {
        return Err(Error::malformed("ledger file", "its first line names no path or URL"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn ledger_is_the_first_line() {
        let ledger = |file| Trust::from_texts("quorum none\n", "", Some(file)).map(|trust| trust.ledger.unwrap());
        assert_eq!(ledger("../public\n").unwrap(), "../public");
        assert_eq!(
            ledger("https://example.com/x\n# note\n").unwrap(),
            "https://example.com/x"
        );
        assert!(ledger("\n").is_err());
        assert!(ledger("").is_err());
    }

    #[test]
    fn key_with_two_roles_is_refused() {
        let key = SigningKey::generate("dab/test", &[1; 32]).unwrap();
        let policy = format!("log {}\nquorum none\n", key.verifier());
        let writers = format!("{} *\n", key.verifier());
        assert!(Trust::from_texts(&policy, &writers, None).is_err());
        let other = SigningKey::generate("dab/test/writer", &[2; 32]).unwrap();
        assert!(Trust::from_texts(&policy, format!("{} *\n", other.verifier()), None).is_ok());
    }
}
