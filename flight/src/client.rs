//! A client for DAB's verbs and tests.
//!
//! It does what a stock Flight SQL client does and reads the receipts as well. One client is one session on one
//! connection; clones share both.

mod connect;
mod rows;

use std::collections::HashMap;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, IpcMessage,
    flight_service_client::FlightServiceClient,
    sql::{
        CommandGetTables, CommandStatementIngest, CommandStatementQuery, CommandStatementUpdate, ProstMessageExt,
        TableDefinitionOptions, TableExistsOption, TableNotExistOption,
    },
};
use bytes::Bytes;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_query::IngestMode;
use dab_storage::LoadedSource;
use futures::{Stream, StreamExt, stream};
use prost::Message;
use serde::de::DeserializeOwned;
use tonic::{Request, metadata::AsciiMetadataValue, transport::Channel};

use crate::{
    DigestRequest, Error, IDEMPOTENCY_KEY_HEADER, SubjectHead,
    handlers::ingest::SOURCES_OPTION,
    messages::UpdateResult,
    receipt_metadata::{self, BoundReceipt, ResultPins, StatementMetadata, UpdateReceipt},
    wire,
};

pub use connect::{ConnectOptions, Credentials};
pub use rows::Rows;

/// Bytes of record batches in one message of an ingest.
const INGEST_BYTES_TARGET: usize = 8 << 20;

/// A session with a node.
#[derive(Debug, Clone)]
pub struct Client {
    service: FlightServiceClient<Channel>,
    authorization: AsciiMetadataValue,
}

/// What a statement gave.
#[derive(Debug)]
pub enum Answer {
    /// Rows to be fetched, and where they come from.
    Rows(Rows),
    /// The statement was executed.
    Done(UpdateReceipt),
}

/// A table as [`Client::tables`] lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTable {
    /// `lake`.
    pub catalog: String,
    /// `public` for users' tables.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `TABLE`, `VIEW` or `SYSTEM TABLE`.
    pub kind: String,
}

impl Client {
    /// Connects and opens a session. [`Error::Unreachable`] if there is no node or its certificate is not trusted,
    /// [`Error::Refused`] if the credentials are not accepted.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Error> {
        connect::connect(options).await
    }

    pub(crate) fn new(service: FlightServiceClient<Channel>, authorization: AsciiMetadataValue) -> Self {
        Self { service, authorization }
    }

    /// Executes any statement: a query's rows are fetched as they are read, anything else is done when this returns.
    pub async fn execute(&self, sql: &str) -> Result<Answer, Error> {
        self.execute_once(sql, None).await
    }

    /// The same under a key: a statement that writes is then carried out once, however often it is sent, and each time
    /// answered as the first time.
    pub async fn execute_once(&self, sql: &str, key: Option<&str>) -> Result<Answer, Error> {
        let command = CommandStatementQuery {
            query: sql.to_owned(),
            transaction_id: None,
        };
        let info = self.flight_info(&command, key).await?;
        let metadata: StatementMetadata = serde_json::from_slice(&info.app_metadata)
            .map_err(|error| Error::Answer(format!("metadata that cannot be read ({error})")))?;
        match metadata {
            StatementMetadata::Update(update) => Ok(Answer::Done(update)),
            StatementMetadata::Query(pins) => Ok(Answer::Rows(self.fetch(info, Some(pins)).await?)),
        }
    }

    /// Executes a query. [`Error::Answer`] if the statement was something else; it is executed nevertheless.
    pub async fn query(&self, sql: &str) -> Result<Rows, Error> {
        match self.execute(sql).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Done(update) => Err(Error::Answer(format!("no rows, the statement {}", update.message))),
        }
    }

    /// Executes a statement that writes; a query is refused.
    pub async fn update(&self, sql: &str) -> Result<UpdateReceipt, Error> {
        let command = CommandStatementUpdate {
            query: sql.to_owned(),
            transaction_id: None,
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let message = arrow_flight::FlightData::new().with_descriptor(descriptor);
        self.put(stream::iter([message])).await
    }

    /// Streams batches into a table, in one commit. Nothing is committed if `batches` fails.
    pub async fn ingest(
        &self,
        table: &str,
        mode: IngestMode,
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch, Error>> + Send + 'static,
        sources: &[LoadedSource],
    ) -> Result<UpdateReceipt, Error> {
        let sources = serde_json::to_string(sources).map_err(|error| Error::Answer(error.to_string()))?;
        let command = CommandStatementIngest {
            table_definition_options: Some(definition(mode)),
            table: table.to_owned(),
            options: HashMap::from([(SOURCES_OPTION.to_owned(), sources)]),
            ..Default::default()
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let wire = wire::plain_schema(&schema);
        let mut encoder = wire::Encoder::new(wire.clone());
        let first = encoder.schema().with_descriptor(descriptor);
        let messages = batches.flat_map(move |batch| {
            let mut pieces = Vec::new();
            let conformed = batch.and_then(|batch| Ok(wire::conform(&batch, &wire)?));
            let messages = conformed.and_then(|batch| {
                wire::split(batch, INGEST_BYTES_TARGET, &mut pieces);
                pieces
                    .iter()
                    .map(|piece| Ok(encoder.batch(piece)?))
                    .collect::<Result<Vec<_>, Error>>()
            });
            match messages {
                Ok(messages) => stream::iter(messages).map(Ok).left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            }
        });
        rows::put_unbroken(self, first, messages).await
    }

    /// The tables whose names match a pattern of `LIKE`, or all.
    pub async fn tables(&self, pattern: Option<&str>) -> Result<Vec<ListedTable>, Error> {
        let command = CommandGetTables {
            table_name_filter_pattern: pattern.map(str::to_owned),
            ..CommandGetTables::default()
        };
        let info = self.flight_info(&command, None).await?;
        let batches = self.fetch(info, None).await?.collect().await?;
        let mut tables = Vec::new();
        for batch in &batches {
            let text = |column: usize, row| rows::text(batch, column, row);
            for row in 0..batch.num_rows() {
                let [catalog, schema, name, kind] = [text(0, row)?, text(1, row)?, text(2, row)?, text(3, row)?];
                tables.push(ListedTable {
                    catalog,
                    schema,
                    name,
                    kind,
                });
            }
        }
        Ok(tables)
    }

    /// Has the ledger bind data that is not DAB's. Asking again changes nothing.
    pub async fn notarize(&self, request: &DigestRequest) -> Result<BoundReceipt, Error> {
        self.bound("Notarize", receipt_metadata::json(request)).await
    }

    /// The same for a leaf that its own writer has signed; whoever that is has to be registered for its subject.
    pub async fn notarize_leaf(&self, leaf: &SignedLeaf) -> Result<BoundReceipt, Error> {
        self.bound("Notarize", leaf.bytes().to_vec()).await
    }

    /// What whoever signs the next leaf of a subject has to know. It is the node's word: where it is wrong, the leaf is none
    /// that follows.
    pub async fn head(&self, subject: &Subject) -> Result<SubjectHead, Error> {
        self.told("Head", subject.as_str().to_owned()).await
    }

    /// Has the ledger certify a change of its members or writers that enough of its members have signed; the receipt is that
    /// of its leaf.
    pub async fn change_epoch(&self, change: Vec<u8>) -> Result<BoundReceipt, Error> {
        self.bound("ChangeEpoch", change).await
    }

    /// Ends the session; the node forgets it soon enough anyway.
    pub async fn close(self) -> Result<(), Error> {
        self.action("CloseSession", Vec::new()).await.map(drop)
    }

    /// The receipt that an action gives.
    async fn bound(&self, name: &str, body: impl Into<Bytes>) -> Result<BoundReceipt, Error> {
        self.told(name, body).await
    }

    /// What an action gives as JSON.
    async fn told<T: DeserializeOwned>(&self, name: &str, body: impl Into<Bytes>) -> Result<T, Error> {
        let body = self.action(name, body).await?;
        let missing = || Error::Answer("no result of an action".to_owned());
        serde_json::from_slice(&body.ok_or_else(missing)?).map_err(|error| Error::Answer(error.to_string()))
    }

    /// The body of an action's first result.
    async fn action(&self, name: &str, body: impl Into<Bytes>) -> Result<Option<Bytes>, Error> {
        let request = self.request(Action::new(name, body));
        let mut results = self.service.clone().do_action(request).await?.into_inner();
        Ok(results.message().await?.map(|result| result.body))
    }

    async fn flight_info(&self, command: &impl ProstMessageExt, key: Option<&str>) -> Result<FlightInfo, Error> {
        let mut request = self.request(FlightDescriptor::new_cmd(command.as_any().encode_to_vec()));
        if let Some(key) = key {
            let value = key.parse().map_err(|_| Error::IdempotencyKey { key: key.to_owned() })?;
            request.metadata_mut().insert(IDEMPOTENCY_KEY_HEADER, value);
        }
        Ok(self.service.clone().get_flight_info(request).await?.into_inner())
    }

    async fn fetch(&self, info: FlightInfo, pins: Option<ResultPins>) -> Result<Rows, Error> {
        let schema = arrow::datatypes::Schema::try_from(IpcMessage(info.schema))?;
        let [endpoint] = &info.endpoint[..] else {
            return Err(Error::Answer(format!(
                "{} endpoints where there is one",
                info.endpoint.len()
            )));
        };
        let ticket = endpoint
            .ticket
            .clone()
            .ok_or_else(|| Error::Answer("an endpoint without a ticket".to_owned()))?;
        let response = self.service.clone().do_get(self.request(ticket)).await?;
        Ok(Rows::new(schema.into(), pins, response))
    }

    async fn put(
        &self,
        messages: impl Stream<Item = arrow_flight::FlightData> + Send + 'static,
    ) -> Result<UpdateReceipt, Error> {
        let mut results = self.service.clone().do_put(self.request(messages)).await?.into_inner();
        let missing = || Error::Answer("no result of an update".to_owned());
        let result = results.message().await?.ok_or_else(missing)?;
        let result = UpdateResult::decode(result.app_metadata).map_err(|error| Error::Answer(error.to_string()))?;
        serde_json::from_str(&result.receipt).map_err(|error| Error::Answer(error.to_string()))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        request
    }
}

fn definition(mode: IngestMode) -> TableDefinitionOptions {
    let (if_not_exist, if_exists) = match mode {
        IngestMode::Create => (TableNotExistOption::Create, TableExistsOption::Fail),
        IngestMode::Append => (TableNotExistOption::Fail, TableExistsOption::Append),
        IngestMode::Replace => (TableNotExistOption::Create, TableExistsOption::Replace),
        IngestMode::CreateOrAppend => (TableNotExistOption::Create, TableExistsOption::Append),
    };
    TableDefinitionOptions {
        if_not_exist: if_not_exist as i32,
        if_exists: if_exists as i32,
    }
}
