//! What all calls share.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    sql::{ProstMessageExt, TicketStatementQuery},
};
use dab_ledger::{notary::Once, reader::Certified};
use dab_query::{Engine, Session, WriteOutcome};
use prost::Message;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::{
    Error,
    auth::{Authenticator, Caller},
    bounded_store::{BoundedStore, Bounds},
    cancel::Cancel,
    handlers::prepared::PreparedStatements,
    limits::Limits,
    metrics,
    query_threads::QueryThreads,
    sql_info::SqlInfos,
    statements::Executable,
    status,
    ticket::{Sealer, StatementId},
    wire,
    xdbc_types::XdbcTypes,
};

/// The only catalog of a node.
pub(crate) const CATALOG: &str = "lake";
/// The schema of users' tables, and the default one.
pub(crate) const DEFAULT_SCHEMA: &str = "public";

/// The state of a running service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) engine: Arc<Engine>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) query_threads: Arc<QueryThreads>,
    pub(crate) statements: BoundedStore<StatementId, Arc<Executable>>,
    pub(crate) prepared: PreparedStatements,
    pub(crate) sealer: Sealer,
    pub(crate) sql_infos: SqlInfos,
    pub(crate) xdbc_types: XdbcTypes,
    /// Turns in which statements are planned.
    plannings: Semaphore,
    /// Places for uploads.
    uploads: Arc<Semaphore>,
    /// Given when results under way have to end.
    pub(crate) stopping: Cancel,
}

impl Service {
    pub(crate) fn new(
        engine: Arc<Engine>,
        authenticator: Arc<Authenticator>,
        query_threads: Arc<QueryThreads>,
        limits: Arc<Limits>,
    ) -> Result<Self, Error> {
        let unusable = |error: arrow_flight::error::FlightError| Error::Serve(error.to_string());
        Ok(Self {
            engine,
            authenticator,
            query_threads,
            statements: BoundedStore::new(Bounds {
                ttl: limits.statement_ttl,
                per_user_max: limits.statements_per_user_max,
                total_max: limits.statements_max,
                bytes_max: limits.statements_bytes_max,
            }),
            prepared: PreparedStatements::new(&limits),
            sealer: Sealer::new()?,
            sql_infos: SqlInfos::new(&limits).map_err(unusable)?,
            xdbc_types: XdbcTypes::new().map_err(unusable)?,
            plannings: Semaphore::new(limits.plannings_max),
            uploads: Arc::new(Semaphore::new(limits.uploads_max)),
            stopping: Cancel::new(),
            limits,
        })
    }

    /// The caller's session with the query engine.
    pub(crate) fn session(&self, caller: &Caller) -> Session {
        self.engine.session(&caller.user)
    }

    /// A place for an upload.
    pub(crate) async fn upload_place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.uploads).acquire_owned();
        turn(place, self.limits.upload_wait_max, self.limits.uploads_max, "uploads").await
    }

    /// Plans a statement on the query threads, when its turn comes.
    pub(crate) async fn prepare(&self, caller: &Caller, sql: String) -> Result<dab_query::Statement, Status> {
        let (wait_max, at_once_max) = (self.limits.planning_wait_max, self.limits.plannings_max);
        let _turn = turn(
            self.plannings.acquire(),
            wait_max,
            at_once_max,
            "statements being planned",
        )
        .await?;
        let session = self.session(caller);
        let planned = async move { session.prepare(&sql).await.map_err(|error| status::of_query(&error)) };
        let statement = self.query_threads.run(planned).await?;
        metrics::record_statement(statement.kind());
        Ok(statement)
    }

    /// What came of a request that was carried out before, at whichever node.
    pub(crate) async fn carried_out(
        &self,
        caller: &Caller,
        once: Option<Once>,
    ) -> Result<Option<WriteOutcome>, Status> {
        let Some(once) = once else {
            return Ok(None);
        };
        let found = self.session(caller).carried_out(&once).await;
        found.map_err(|error| match (&error, &caller.key) {
            (dab_query::Error::Storage(storage), Some(key)) => match storage.as_ref() {
                dab_storage::Error::OtherStatement { leaf_index } => key.other_statement(*leaf_index),
                _ => status::of_query(&error),
            },
            _ => status::of_query(&error),
        })
    }

    /// How far the ledger is certified, and by whom.
    pub(crate) async fn certified(&self) -> Certified {
        self.engine.lake().ledger().reader.certified().await
    }

    /// Keeps a statement of so many bytes for its user and returns the answer that names it.
    pub(crate) fn announce(
        &self,
        caller: &Caller,
        executable: Arc<Executable>,
        bytes: usize,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Status> {
        let id = StatementId::random().map_err(status::internal)?;
        let expires = SystemTime::now() + self.limits.statement_ttl;
        let schema = wire::encode_schema(&executable.schema).map_err(status::internal)?;
        self.statements
            .insert(id, &caller.user, executable, bytes, Instant::now());
        let handle = self.sealer.seal(&caller.user, id, expires).into();
        let ticket = Ticket::new(
            TicketStatementQuery {
                statement_handle: handle,
            }
            .as_any()
            .encode_to_vec(),
        );
        let mut info = info(schema, ticket, descriptor);
        let expiry = info.endpoint[0].expiration_time.insert(Default::default());
        expiry.seconds = expires
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        Ok(info)
    }

    /// The statement that a sealed handle names.
    pub(crate) fn executable(&self, caller: &Caller, handle: &[u8]) -> Result<Arc<Executable>, Status> {
        let id = self.sealer.open(&caller.user, handle, SystemTime::now())?;
        let gone = || Status::not_found("this statement is gone, execute it again");
        self.statements.get(id, &caller.user, Instant::now()).ok_or_else(gone)
    }
}

/// Waits for a turn, for so long and no longer: a client that hears nothing cannot tell a busy node from a dead one.
async fn turn<T>(
    turn: impl Future<Output = Result<T, AcquireError>>,
    wait_max: Duration,
    at_once_max: usize,
    what: &str,
) -> Result<T, Status> {
    match tokio::time::timeout(wait_max, turn).await {
        Ok(turn) => turn.map_err(|_| Status::unavailable("the node is stopping")),
        Err(_) => Err(Status::resource_exhausted(format!(
            "{at_once_max} {what}, as many as this node takes at once, left no turn within {} s; try again",
            wait_max.as_secs()
        ))),
    }
}

/// FlightInfo with one endpoint, to be read from this very service: no location, so that the answer is right behind any
/// proxy, and one endpoint, since JDBC reads several in no order.
pub(crate) fn info(schema: bytes::Bytes, ticket: Ticket, descriptor: FlightDescriptor) -> FlightInfo {
    FlightInfo {
        schema,
        ..FlightInfo::new()
    }
    .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
    .with_descriptor(descriptor)
}

/// Refuses a statement that belongs to a transaction: none can have been begun.
pub(crate) fn refuse_transaction(transaction_id: Option<&bytes::Bytes>) -> Result<(), Status> {
    match transaction_id {
        Some(id) if !id.is_empty() => Err(Status::invalid_argument("there are no transactions on this node")),
        _ => Ok(()),
    }
}
