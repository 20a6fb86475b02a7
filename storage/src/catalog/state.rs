//! The fold: records in, names out.

use std::collections::BTreeMap;

use dab_proof::hash::Hash;

use super::record::Change;
use crate::{Error, TableId, TableName};

/// A table that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The name.
    pub name: TableName,
    /// The table's identity.
    pub id: TableId,
    /// Its folder, below the table root.
    pub path: String,
}

/// The catalog after some number of records.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    tables: BTreeMap<TableName, CatalogEntry>,
    /// Tables that lost their names, in that order. Their files stay as evidence, so recovery still looks after them.
    dropped: Vec<CatalogEntry>,
    /// Sequence and leaf hash of the last record; `None` before the first.
    last: Option<(u64, Hash)>,
}

impl State {
    /// The sequence of the next record.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.last.map_or(0, |(sequence, _)| sequence + 1)
    }

    /// The leaf hash that the next record names as its parent.
    pub(crate) fn parent(&self) -> Option<Hash> {
        self.last.map(|(_, hash)| hash)
    }

    pub(crate) fn get(&self, name: &TableName) -> Option<&CatalogEntry> {
        self.tables.get(name)
    }

    /// All tables, by name.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &CatalogEntry> {
        self.tables.values()
    }

    /// Tables without a name any more.
    pub(crate) fn dropped(&self) -> &[CatalogEntry] {
        &self.dropped
    }

    /// Applies the next record. A record that contradicts those before it is an error: writers check before they
    /// propose, so it can only come from a faulty or malicious one.
    pub(crate) fn apply(&mut self, change: Change, leaf_hash: Hash) -> Result<(), Error> {
        let sequence = self.next_sequence();
        let contradiction = |message: String| Error::Catalog { sequence, message };
        match change {
            Change::Create { name, table_id, path } => {
                if self.tables.contains_key(&name) {
                    return Err(contradiction(format!("table {name} exists already")));
                }
                check_folder(&path).map_err(contradiction)?;
                self.tables.insert(
                    name.clone(),
                    CatalogEntry {
                        name,
                        id: table_id,
                        path,
                    },
                );
            }
            Change::Drop { name, table_id } => match self.tables.remove(&name) {
                Some(entry) if entry.id == table_id => self.dropped.push(entry),
                Some(entry) => {
                    self.tables.insert(name.clone(), entry);
                    return Err(contradiction(format!("table {name} is not {table_id}")));
                }
                None => return Err(contradiction(format!("there is no table {name}"))),
            },
        }
        self.last = Some((sequence, leaf_hash));
        Ok(())
    }
}

/// A table's folder is one plain path segment.
fn check_folder(path: &str) -> Result<(), String> {
    let plain = path
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match plain && path.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => Ok(()),
        false => Err(format!("{path:?} is no table folder")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str, id: TableId) -> Change {
        Change::Create {
            name: TableName::parse(name).unwrap(),
            table_id: id,
            path: name.to_owned(),
        }
    }

    #[test]
    fn a_dropped_name_can_be_taken_again_by_another_table() {
        let (first, second) = (TableId::random(), TableId::random());
        let name = TableName::parse("t").unwrap();
        let mut state = State::default();
        let hash = dab_proof::hash::leaf_hash(b"");
        state.apply(create("t", first), hash).unwrap();
        assert!(state.clone().apply(create("t", second), hash).is_err());
        state
            .apply(
                Change::Drop {
                    name: name.clone(),
                    table_id: first,
                },
                hash,
            )
            .unwrap();
        state.apply(create("t", second), hash).unwrap();
        assert_eq!(state.get(&name).unwrap().id, second);
        assert_eq!(state.next_sequence(), 3);
    }

    #[test]
    fn a_drop_of_another_table_under_the_same_name_is_refused() {
        let mut state = State::default();
        let hash = dab_proof::hash::leaf_hash(b"");
        state.apply(create("t", TableId::random()), hash).unwrap();
        let name = TableName::parse("t").unwrap();
        assert!(
            state
                .apply(
                    Change::Drop {
                        name,
                        table_id: TableId::random()
                    },
                    hash
                )
                .is_err()
        );
    }

    #[test]
    fn records_read_back_and_two_of_the_same_change_differ_by_their_salt() {
        let change = create("orders", TableId::random());
        let (one, two) = (change.encode().unwrap(), change.encode().unwrap());
        assert_ne!(one, two);
        assert_eq!(Change::decode(0, &one).unwrap(), change);
        assert!(Change::decode(0, b"{\"format\":2,\"change\":\"drop\"}").is_err());
    }
}
