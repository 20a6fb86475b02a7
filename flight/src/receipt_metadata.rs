//! What an answer says about where it comes from.
//!
//! The schema of a result carries its [`ResultPins`] as JSON under [`PINS_KEY`], so that they stay with the table in a
//! notebook; `FlightInfo.app_metadata` carries the same. They name what was read; the proofs are in `dab.receipts`. After
//! an update it is an [`UpdateReceipt`], which has the proof in it.

use std::fmt;

use dab_ledger::reader::Certified;
use dab_proof::receipt::Receipt;
use dab_query::WriteOutcome;
use dab_storage::{Committed, Pin};
use serde::{Deserialize, Serialize};

/// Key of the pins in a result schema's metadata.
pub const PINS_KEY: &str = "dab.pins";
/// Largest pins of a result, bytes of JSON; beyond it tables are counted and not listed.
pub const PINS_BYTES_MAX: usize = 4096;

/// One version of one table, as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePin {
    /// Its name at that time.
    pub table: String,
    /// Its id: the ledger's subject is `table/<id>`.
    pub id: String,
    /// Its Delta version.
    pub version: u64,
    /// Place of the commit's leaf in the ledger.
    pub leaf_index: u64,
    /// Digest of the commit file, `blake3:<hex>`.
    pub digest: String,
}

/// Where the rows of a result come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultPins {
    /// The versions that were read, sorted by name.
    pub tables: Vec<TablePin>,
    /// Tables that did not fit into [`PINS_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tables_omitted: usize,
    /// Whether the node that certified the commits did so alone.
    pub certifies_alone: bool,
    /// The quorum of the ledger's policy.
    pub quorum: String,
}

/// What a statement that writes has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReceipt {
    /// One line for people, for instance `created table t at version 0`.
    pub message: String,
    /// Rows written.
    pub rows: u64,
    /// The commit, where the statement made one.
    pub committed: Option<TablePin>,
    /// The receipt of that commit as C2SP `tlog-proof` text: what `dab verify` takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Whether the node that certified the commit did so alone.
    pub certifies_alone: bool,
    /// The quorum of the ledger's policy.
    pub quorum: String,
}

/// The leaf that binds data which is not DAB's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundReceipt {
    /// The subject, `digest/<name>`.
    pub subject: String,
    /// The leaf's number within it.
    pub sequence: u64,
    /// Its place in the ledger.
    pub leaf_index: u64,
    /// The receipt as C2SP `tlog-proof` text.
    pub proof: String,
    /// Whether the node certified it alone.
    pub certifies_alone: bool,
    /// The quorum of the ledger's policy.
    pub quorum: String,
}

/// What `FlightInfo.app_metadata` of a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StatementMetadata {
    /// The statement is a query whose rows can be fetched.
    Query(ResultPins),
    /// The statement was executed.
    Update(UpdateReceipt),
}

impl ResultPins {
    /// What a result says that read `pins`.
    pub(crate) fn new(pins: &[Pin], certified: &Certified) -> Self {
        let mut tables: Vec<_> = pins.iter().map(TablePin::from).collect();
        tables.sort_by(|a, b| (&a.table, a.version).cmp(&(&b.table, b.version)));
        tables.dedup();
        let (certifies_alone, quorum) = (certified.certifies_alone, certified.quorum.clone());
        let mut receipt = Self {
            tables,
            tables_omitted: 0,
            certifies_alone,
            quorum,
        };
        while json(&receipt).len() > PINS_BYTES_MAX && receipt.tables.pop().is_some() {
            receipt.tables_omitted += 1;
        }
        receipt
    }
}

impl UpdateReceipt {
    /// The receipt of a write.
    pub(crate) fn new(outcome: &WriteOutcome, certified: &Certified) -> Self {
        Self {
            message: outcome.message.clone(),
            rows: outcome.rows,
            committed: outcome.committed.as_ref().map(TablePin::from),
            proof: outcome.committed.as_ref().map(|committed| committed.receipt.to_text()),
            certifies_alone: certified.certifies_alone,
            quorum: certified.quorum.clone(),
        }
    }
}

impl BoundReceipt {
    pub(crate) fn new(receipt: &Receipt, certified: &Certified) -> Self {
        let leaf = receipt.leaf.leaf();
        Self {
            subject: leaf.subject.to_string(),
            sequence: leaf.sequence,
            leaf_index: receipt.index.0,
            proof: receipt.to_text(),
            certifies_alone: certified.certifies_alone,
            quorum: certified.quorum.clone(),
        }
    }
}

impl UpdateReceipt {
    /// The commit alone: `orders@0 · leaf 12 · certifies alone`; what was done where that made no commit.
    pub fn commit_line(&self) -> String {
        match &self.committed {
            Some(pin) => format!("{pin} · {}", Certification(self.certifies_alone, &self.quorum)),
            None => self.message.clone(),
        }
    }
}

impl From<&Pin> for TablePin {
    fn from(pin: &Pin) -> Self {
        Self {
            table: pin.table.to_string(),
            id: pin.id.to_string(),
            version: pin.version.0,
            leaf_index: pin.leaf_index.0,
            digest: format!("blake3:{}", hex::encode(pin.digest)),
        }
    }
}

impl From<&Committed> for TablePin {
    fn from(committed: &Committed) -> Self {
        Self {
            table: committed.table.to_string(),
            id: committed.id.to_string(),
            version: committed.version.0,
            leaf_index: committed.receipt.index.0,
            digest: format!("blake3:{}", hex::encode(committed.receipt.leaf.leaf().body.blake3)),
        }
    }
}

/// JSON of what an answer says. Its types have no maps with keys that are not text, the only thing that JSON cannot hold.
pub(crate) fn json(receipt: &impl Serialize) -> String {
    serde_json::to_string(receipt).unwrap_or_default()
}

/// The footer under a result: `lineitem@3 · leaf 41 · certifies alone`.
impl fmt::Display for ResultPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.tables.iter().map(TablePin::to_string).collect();
        if self.tables_omitted > 0 {
            parts.push(format!("{} more tables", self.tables_omitted));
        }
        if parts.is_empty() {
            return f.write_str("no table read");
        }
        let certification = Certification(self.certifies_alone, &self.quorum);
        write!(f, "{} · {certification}", parts.join(", "))
    }
}

impl fmt::Display for UpdateReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(pin) = &self.committed {
            let certification = Certification(self.certifies_alone, &self.quorum);
            write!(f, " · leaf {} · {certification}", pin.leaf_index)?;
        }
        Ok(())
    }
}

/// `digest/backup, number 3 · leaf 41 · certifies alone`.
impl fmt::Display for BoundReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certification = Certification(self.certifies_alone, &self.quorum);
        let Self {
            subject,
            sequence,
            leaf_index,
            ..
        } = self;
        write!(f, "{subject}, number {sequence} · leaf {leaf_index} · {certification}")
    }
}

impl fmt::Display for TablePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} · leaf {}", self.table, self.version, self.leaf_index)
    }
}

/// Whether a node certifies alone, and else by which quorum.
struct Certification<'a>(bool, &'a str);

impl fmt::Display for Certification<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(true, _) => f.write_str("certifies alone"),
            Self(false, quorum) => write!(f, "certified by {quorum}"),
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(table: &str, version: u64, leaf_index: u64) -> TablePin {
        let digest = format!("blake3:{}", "ab".repeat(32));
        TablePin {
            table: table.into(),
            id: "5e0e…".into(),
            version,
            leaf_index,
            digest,
        }
    }

    fn receipt(tables: Vec<TablePin>) -> ResultPins {
        ResultPins {
            tables,
            tables_omitted: 0,
            certifies_alone: true,
            quorum: "none".into(),
        }
    }

    #[test]
    fn the_footer_names_versions_leaves_and_who_certifies() {
        assert_eq!(
            receipt(vec![pin("lineitem", 3, 41)]).to_string(),
            "lineitem@3 · leaf 41 · certifies alone"
        );
        let both = receipt(vec![pin("a", 0, 7), pin("b", 2, 9)]);
        let both = ResultPins {
            certifies_alone: false,
            quorum: "majority".into(),
            tables_omitted: 3,
            ..both
        };
        assert_eq!(
            both.to_string(),
            "a@0 · leaf 7, b@2 · leaf 9, 3 more tables · certified by majority"
        );
        assert_eq!(receipt(vec![]).to_string(), "no table read");
    }

    #[test]
    fn the_metadata_of_a_statement_says_in_json_what_kind_it_is() {
        let query = StatementMetadata::Query(receipt(vec![pin("t", 1, 2)]));
        let text = json(&query);
        assert!(text.starts_with(r#"{"kind":"query","tables":[{"table":"t","#), "{text}");
        assert_eq!(serde_json::from_str::<StatementMetadata>(&text).unwrap(), query);
        let update = UpdateReceipt {
            message: "inserted 2 rows into t at version 1".into(),
            rows: 2,
            committed: Some(pin("t", 1, 2)),
            proof: None,
            certifies_alone: true,
            quorum: "none".into(),
        };
        assert_eq!(
            update.to_string(),
            "inserted 2 rows into t at version 1 · leaf 2 · certifies alone"
        );
        let update = StatementMetadata::Update(update);
        assert_eq!(
            serde_json::from_str::<StatementMetadata>(&json(&update)).unwrap(),
            update
        );
    }
}
