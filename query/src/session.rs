//! One client's session: statements in, results and commits out.

use std::sync::Arc;

use dab_ledger::notary::Once;
use dab_storage::LoadedSource;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;

use crate::ingest::{IngestTarget, ingest};
use crate::panics::or_error;
use crate::sql::plan::plan_statement;
use crate::statement::{Statement, WriteOutcome, carried_out};
use crate::{Engine, Error};

/// A user's session. Cheap to clone; it holds no state that one statement could leave to the next.
#[derive(Debug, Clone)]
pub struct Session {
    engine: Arc<Engine>,
    user: Arc<str>,
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>, user: &str) -> Self {
        Self {
            engine,
            user: user.into(),
        }
    }

    /// The authenticated user, as commits name them.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The engine that the session belongs to.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Parses, judges and plans one statement; nothing runs yet. The tables it reads are fixed at their latest
    /// versions, or at those that it names.
    ///
    /// No clock bounds this work, which goes on between two pauses for as long as it takes: the length of the text, its
    /// tokens and the limits on nesting, joins, queries and the size of expressions do, all of them in
    /// [`Limits`](crate::Limits).
    pub async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        let planned = or_error(plan_statement(&self.engine, sql)).await?;
        Statement::new(self.engine.clone(), self.user.clone(), planned)
    }

    /// What came of a request that a write carried out before, at whichever node; `None` where none has, or it is forgotten.
    /// Fails with [`Error::Storage`] where the request stands for another statement.
    pub async fn carried_out(&self, once: &Once) -> Result<Option<WriteOutcome>, Error> {
        carried_out(&self.engine, once).await
    }

    /// Writes rows in bulk, in one commit, as they arrive. `sources` says where they were loaded from, if from outside.
    ///
    /// Columns are matched by name; a type may differ where every value can be told exactly in the table's type. Fails
    /// with [`Error::SchemaMismatch`], which names every column that does not fit, with [`Error::InvalidData`] at the
    /// first value that does not, and then leaves nothing behind.
    pub async fn ingest(
        &self,
        target: IngestTarget,
        schema: SchemaRef,
        input: SendableRecordBatchStream,
        sources: Vec<LoadedSource>,
    ) -> Result<WriteOutcome, Error> {
        ingest(self.engine.clone(), self.user.clone(), target, schema, input, sources).await
    }
}
