//! The three ways to say which table, and which state of it.

use std::fmt;
use std::str::FromStr;

use dab_proof::leaf::Subject;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// The longest table name, in bytes.
pub const TABLE_NAME_BYTES_MAX: usize = 128;

/// A table's name in SQL: a letter or `_`, then letters, digits and `_`, all ASCII, at most
/// [`TABLE_NAME_BYTES_MAX`] bytes. It is also the name of the table's folder, so nothing in it can leave that folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

impl TableName {
    /// Checks a name. Fails with [`Error::InvalidName`].
    pub fn parse(name: &str) -> Result<Self, Error> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let continues_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // Delta readers skip folders that start with an underscore, and `_delta_log` is one of them.
        if !starts_well || !continues_well || name.starts_with('_') || name.len() > TABLE_NAME_BYTES_MAX {
            return Err(Error::InvalidName {
                name: name.chars().take(TABLE_NAME_BYTES_MAX).collect(),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TableName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Self::parse(&name)
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.0
    }
}

/// A table's identity for life: names come and go, the ledger's subject `table/<id>` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(Uuid);

impl TableId {
    /// A new identity from the operating system's randomness.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The subject under which the ledger keeps this table's commits.
    pub fn subject(&self) -> Subject {
        Subject::table(&self.to_string()).expect("a hyphenated uuid is a valid subject")
    }

    /// The first eight hexadecimal digits: enough to tell two folders of one name apart.
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for TableId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Uuid::parse_str(text).map(Self).map_err(|_| Error::InvalidName {
            name: text.chars().take(64).collect(),
        })
    }
}

/// The number of a table's commit, from 0 upwards without gaps: the Delta version, and the leaf's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableVersion(pub u64);

impl TableVersion {
    /// The version before this one, if there is one.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl fmt::Display for TableVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for name in [
            "",
            "..",
            "a/b",
            "a.b",
            "_delta_log",
            "1a",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(129),
        ] {
            assert!(TableName::parse(name).is_err(), "{name:?} was accepted");
        }
        for name in ["a", "lineitem", "T_1", &"x".repeat(128)] {
            assert!(TableName::parse(name).is_ok(), "{name:?} was refused");
        }
    }
}
