//! What a leaf speaks about.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Bytes of the longest subject.
pub const SUBJECT_BYTES_MAX: usize = 255;

const HEADS: &str = "heads";
const MEMBERS: &str = "members";

/// What a leaf speaks about: `table/<table id>`, `catalog`, `digest/<name>` and so on. ASCII without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// Subject of the table `table_id`.
    ///
    /// # Errors
    /// `Malformed` when the id is empty, too long or has a space.
    pub fn table(table_id: &str) -> Result<Subject, Error> {
        if table_id.is_empty() {
            return Err(Error::malformed("subject", "the table id is empty"));
        }
        format!("table/{table_id}").parse()
    }

    /// Subject of the catalog, which maps names to tables.
    pub fn catalog() -> Subject {
        Subject("catalog".to_owned())
    }

    /// Subject of the ledger's own leaves, which bind the head map (see `heads_leaf`).
    pub fn heads() -> Subject {
        Subject(HEADS.to_owned())
    }

    /// True for the subject of the ledger's own leaves.
    pub fn is_heads(&self) -> bool {
        self.0 == HEADS
    }

    /// Subject of the changes of the ledger's members (see `epoch`).
    pub fn members() -> Subject {
        Subject(MEMBERS.to_owned())
    }

    /// True for the subject of the changes of the ledger's members.
    pub fn is_members(&self) -> bool {
        self.0 == MEMBERS
    }

    /// The subject as it stands in a leaf.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a `digest/...` subject, under which data that is not DAB's is bound.
    pub fn digest_name(&self) -> Option<&str> {
        self.0.strip_prefix("digest/").filter(|name| !name.is_empty())
    }

    /// The table id of a `table/...` subject.
    pub fn table_id(&self) -> Option<&str> {
        self.0.strip_prefix("table/")
    }
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(subject: &str) -> Result<Subject, Error> {
        let graphic = subject.bytes().all(|byte| byte.is_ascii_graphic());
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !graphic {
            let reason = format!("{subject:?} is empty, too long, or not printable ASCII without spaces");
            return Err(Error::malformed("subject", reason));
        }
        Ok(Subject(subject.to_owned()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
