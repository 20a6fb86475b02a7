//! A node for one test.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use arrow_flight::{
    FlightData, FlightDescriptor, FlightInfo, Ticket,
    flight_service_client::FlightServiceClient,
    sql::{CommandStatementQuery, ProstMessageExt, client::FlightSqlServiceClient},
};
use dab_flight::{
    Authenticator, Client, Limits, QueryThreads, ServerParts, Tls, Users,
    client::{ConnectOptions, Credentials},
    install_crypto, serve,
};
use dab_ledger::node::{Node as LedgerNode, NodeConfig};
use dab_query::{Engine, IngestMode};
use dab_storage::{Lake, Ledger, Sharing};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const OTHER_USER: &str = "bob";

pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    pub(crate) engine: Arc<Engine>,
    dir: TempDir,
    ledger: Arc<LedgerNode>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), dab_flight::Error>>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Limits)) -> Self {
        install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerNode::start(NodeConfig::in_dir(dir.path())).unwrap();
        let parts = Ledger {
            notary: ledger.clone(),
            reader: ledger.clone(),
            writer: Arc::new(ledger.writer().clone()),
        };
        let lake = Lake::open(&dir.path().join("tables"), parts, Sharing::Alone)
            .await
            .unwrap();
        let engine = Engine::new(lake, dab_query::Limits::default()).unwrap();
        let tls = Tls::open(dir.path(), &[]).unwrap();
        let users = Users::in_memory([(USER, PASSWORD), (OTHER_USER, PASSWORD)]).unwrap();
        let mut limits = Limits::default();
        change(&mut limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("grpc+tls://{}", listener.local_addr().unwrap());
        let ca_pem = tls.ca_pem().to_owned();
        let (stop, stopped) = oneshot::channel();
        let parts = ServerParts {
            engine: Arc::clone(&engine),
            authenticator: Arc::new(Authenticator::new(Arc::new(users), &limits).unwrap()),
            tls: Some(tls),
            limits,
            query_threads: QueryThreads::start(2).unwrap(),
        };
        let server = tokio::spawn(serve(vec![listener], parts, async { drop(stopped.await) }));
        Self {
            url,
            ca_pem,
            engine,
            dir,
            ledger,
            stop: Some(stop),
            server,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn options(&self, user: &str, password: &str) -> ConnectOptions {
        let credentials = Credentials::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        ConnectOptions {
            url: self.url.clone(),
            ca_pem: Some(self.ca_pem.clone()),
            credentials,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.options(USER, PASSWORD)).await.unwrap()
    }

    /// A client for the bare protocol, without credentials.
    pub(crate) async fn raw(&self) -> FlightServiceClient<Channel> {
        let url = self.url.replace("grpc+tls", "https");
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.ca_pem));
        let channel = Endpoint::from_shared(url)
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect()
            .await
            .unwrap();
        FlightServiceClient::new(channel).max_decoding_message_size(usize::MAX)
    }

    /// The client of `arrow-flight`, logged in.
    pub(crate) async fn stock(&self) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new_from_inner(self.raw().await);
        client.handshake(USER, PASSWORD).await.unwrap();
        client
    }

    /// Tells the server to stop; it is awaited by [`Self::stopped`].
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the server alone: the ledger goes on, and tables can be read from the engine.
    pub(crate) async fn served(&mut self) -> Result<(), dab_flight::Error> {
        (&mut self.server).await.unwrap()
    }

    pub(crate) async fn stopped(mut self) -> Result<(), dab_flight::Error> {
        let served = self.served().await;
        self.ledger.stop().await.unwrap();
        served
    }
}

pub(crate) fn basic(user: &str, password: &str) -> AsciiMetadataValue {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
        .parse()
        .unwrap()
}

/// A request with the credentials of [`USER`].
pub(crate) fn by_user<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", basic(USER, PASSWORD));
    request
}

pub(crate) fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

pub(crate) fn statement(sql: &str) -> FlightDescriptor {
    descriptor(&CommandStatementQuery {
        query: sql.to_owned(),
        transaction_id: None,
    })
}

pub(crate) async fn info(raw: &mut FlightServiceClient<Channel>, sql: &str) -> Result<FlightInfo, Status> {
    raw.get_flight_info(by_user(statement(sql)))
        .await
        .map(tonic::Response::into_inner)
}

pub(crate) fn ticket(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

/// All messages that a ticket gives.
pub(crate) async fn fetch(raw: &mut FlightServiceClient<Channel>, ticket: Ticket) -> Result<Vec<FlightData>, Status> {
    raw.do_get(by_user(ticket)).await?.into_inner().try_collect().await
}

/// `rows` rows of `id` from `first` on, and a `label`.
pub(crate) fn numbers(first: i64, rows: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(first..first + rows);
    let labels = StringArray::from_iter_values((first..first + rows).map(|id| format!("row {id}")));
    let columns = [
        ("id", Arc::new(ids) as ArrayRef, true),
        ("label", Arc::new(labels), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Makes a table of [`numbers`].
pub(crate) async fn make_table(client: &Client, name: &str, rows: i64) {
    let batch = numbers(0, rows);
    let batches = stream::iter([Ok(batch.clone())]).boxed();
    client
        .ingest(name, IngestMode::Create, batch.schema(), batches, &[])
        .await
        .unwrap();
}

/// The one number that a query gives.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    let batches = client.query(sql).await.unwrap().collect().await.unwrap();
    let [batch] = &batches[..] else {
        panic!("{sql}: {} batches", batches.len())
    };
    let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Int64).unwrap();
    column.as_primitive::<Int64Type>().value(0)
}

/// The versions that a table has.
pub(crate) async fn versions(client: &Client, table: &str) -> i64 {
    number(
        client,
        &format!("SELECT count(*) FROM dab.commits WHERE table_name = '{table}'"),
    )
    .await
}

/// A query that runs for longer than any test waits.
pub(crate) async fn endless(client: &Client) -> String {
    make_table(client, "wide", 3000).await;
    "SELECT sum(a.id * b.id % (c.id + 1)) FROM wide a, wide b, wide c".to_owned()
}

pub(crate) fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch
        .column_by_name(column)
        .unwrap_or_else(|| panic!("no column {column}"))
        .as_string::<i32>();
    column.iter().map(|text| text.unwrap_or("NULL").to_owned()).collect()
}

pub(crate) fn metadata_of(batch: &RecordBatch) -> &HashMap<String, String> {
    batch.schema_ref().metadata()
}
