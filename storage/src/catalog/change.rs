//! Changes the catalog: by the ledger, like everything else.

use std::time::Instant;

use bytes::Bytes;
use dab_ledger::notary::Once;
use dab_proof::leaf::{BodyDigest, Subject};
use dab_proof::receipt::Receipt;

use super::record::Change;
use super::state::{CatalogEntry, State};
use crate::commit::ratify::{Draft, Ratified, ratify};
use crate::lake::Ledger;
use crate::{Error, TableId, TableName};

/// The catalog as this process knows it, and the way to bring it up to date.
#[derive(Debug)]
pub(crate) struct Catalog {
    ledger: Ledger,
    subject: Subject,
    state: State,
    /// When the last look at the ledger began.
    looked: Instant,
}

impl Catalog {
    /// Folds all records that the ledger has.
    pub(crate) async fn load(ledger: Ledger) -> Result<Self, Error> {
        let mut catalog = Self {
            ledger,
            subject: Subject::catalog(),
            state: State::default(),
            looked: Instant::now(),
        };
        catalog.refresh().await?;
        Ok(catalog)
    }

    /// Makes the catalog at least as new as it was in the ledger at `asked`. Many who waited for each other to look are
    /// served by one look that began after all of them had asked.
    pub(crate) async fn refresh_since(&mut self, asked: Instant) -> Result<(), Error> {
        match self.looked >= asked {
            true => Ok(()),
            false => self.refresh().await,
        }
    }

    /// Applies the records that came since.
    async fn refresh(&mut self) -> Result<(), Error> {
        let looking = Instant::now();
        self.read_on().await?;
        self.looked = looking;
        Ok(())
    }

    async fn read_on(&mut self) -> Result<(), Error> {
        let Some(head) = self.ledger.reader.head(&self.subject).await? else {
            return Ok(());
        };
        while self.state.next_sequence() <= head.sequence {
            let sequence = self.state.next_sequence();
            let missing = |what: &str| Error::Catalog {
                sequence,
                message: format!("the ledger has no {what} for it"),
            };
            let found = self.ledger.reader.notarized(&self.subject, sequence).await?;
            let leaf = found.ok_or_else(|| missing("leaf"))?.leaf;
            let body = self
                .ledger
                .reader
                .body(&self.subject, sequence)
                .await?
                .ok_or_else(|| missing("body"))?;
            if !leaf.leaf().body.matches(&body) {
                return Err(Error::Catalog {
                    sequence,
                    message: "the body is not the one the leaf names".into(),
                });
            }
            self.state.apply(Change::decode(sequence, &body)?, leaf.hash())?;
        }
        Ok(())
    }

    /// The table of that name, as far as this process knows.
    pub(crate) fn get(&self, name: &TableName) -> Option<&CatalogEntry> {
        self.state.get(name)
    }

    /// Tables without a name any more.
    pub(crate) fn dropped(&self) -> Vec<CatalogEntry> {
        self.state.dropped().to_vec()
    }

    /// All tables, by name.
    pub(crate) fn tables(&self) -> Vec<CatalogEntry> {
        self.state.tables().cloned().collect()
    }

    /// Has the ledger take a table's version 0 together with its name: both or neither.
    ///
    /// Fails with [`Error::TableExists`] where somebody else has the name. The receipt of version 0 comes first.
    pub(crate) async fn create(
        &mut self,
        name: &TableName,
        id: TableId,
        path: &str,
        version_zero: Draft,
        once: Option<Once>,
    ) -> Result<Ratified, Error> {
        let change = Change::Create {
            name: name.clone(),
            table_id: id,
            path: path.to_owned(),
        };
        loop {
            self.refresh().await?;
            if self.state.get(name).is_some() {
                return Err(Error::TableExists { name: name.clone() });
            }
            let record = self.draft(&change, "CREATE TABLE")?;
            match ratify(&self.ledger, vec![version_zero.clone(), record], once).await? {
                // Another name was given or freed meanwhile.
                Ratified::Conflict(subject) if subject == self.subject => {}
                decided => {
                    self.note_decision().await;
                    return Ok(decided);
                }
            }
        }
    }

    /// Frees a name. Fails with [`Error::TableNotFound`].
    pub(crate) async fn drop_table(&mut self, name: &TableName, once: Option<Once>) -> Result<Receipt, Error> {
        loop {
            self.refresh().await?;
            let not_found = || Error::TableNotFound { name: name.to_string() };
            let entry = self.state.get(name).ok_or_else(not_found)?;
            let change = Change::Drop {
                name: name.clone(),
                table_id: entry.id,
            };
            let record = self.draft(&change, "DROP TABLE")?;
            if let Ratified::Certified(receipts) = ratify(&self.ledger, vec![record], once).await? {
                self.note_decision().await;
                return Ok(receipts.into_iter().next().expect("one receipt per statement"));
            }
        }
    }

    /// Takes in what the ledger has just decided. It stands whether or not it can be read back this instant, and whoever
    /// looks next reads it anyway: a failure here must not make a done thing look undone.
    async fn note_decision(&mut self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "the catalog will be read again at the next look");
        }
    }

    fn draft(&self, change: &Change, operation: &str) -> Result<Draft, Error> {
        let body = Bytes::from(change.encode()?);
        Ok(Draft {
            subject: self.subject.clone(),
            sequence: self.state.next_sequence(),
            parent: self.state.parent(),
            digest: BodyDigest::of(&body),
            files: None,
            operation: operation.to_owned(),
            body: Some(body),
        })
    }
}
