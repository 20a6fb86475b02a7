//! A Flight SQL client made of nothing but public parts: arrow-flight's client over tonic.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_flight::error::FlightError;
use arrow_flight::sql::CommandStatementIngest;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use futures::{TryStreamExt, stream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// The longest that one call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a call failed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One client, connected and logged in.
#[derive(Debug)]
pub struct Client {
    flight: FlightSqlServiceClient<Channel>,
}

impl Client {
    /// Connects to `grpc+tls://` or `grpc+tcp://`, trusting the certificate authority in the file `ca`, and logs in.
    ///
    /// # Errors
    /// When the node cannot be reached, is not trusted, or refuses user and password.
    pub async fn connect(url: &str, ca: &Path, user: &str, password: &str) -> Result<Self, Error> {
        // Two providers are in the tree and rustls refuses to choose. A second call finds the first one's choice.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (scheme, address) = url.split_once("://").ok_or("an address has a scheme")?;
        let endpoint = match scheme {
            "grpc+tls" => {
                let authority = Certificate::from_pem(fs::read(ca)?);
                let tls = ClientTlsConfig::new().ca_certificate(authority);
                Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?
            }
            _ => Endpoint::from_shared(format!("http://{address}"))?,
        };
        let channel = endpoint.timeout(CALL_TIMEOUT).connect().await?;
        let mut flight = FlightSqlServiceClient::new(channel);
        flight.handshake(user, password).await?;
        Ok(Self { flight })
    }

    /// The same client, whose statements carry an idempotency key.
    pub fn with_key(mut self, key: &str) -> Self {
        self.flight.set_header("dab-idempotency-key", key);
        self
    }

    /// The batches of a query.
    ///
    /// # Errors
    /// Those of the node, and of a connection that breaks.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        let info = self.flight.execute(sql.to_owned(), None).await?;
        let mut batches = Vec::new();
        for endpoint in info.endpoint {
            let ticket = endpoint.ticket.ok_or("an endpoint has a ticket")?;
            let received: Vec<RecordBatch> = self.flight.do_get(ticket).await?.try_collect().await?;
            batches.extend(received);
        }
        Ok(batches)
    }

    /// Runs a statement that changes something; the number of rows it says it changed.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn update(&mut self, sql: &str) -> Result<i64, Error> {
        Ok(self.flight.execute_update(sql.to_owned(), None).await?)
    }

    /// Appends a batch to a table by bulk ingest; makes the table where it does not exist.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn ingest(&mut self, table: &str, batch: RecordBatch) -> Result<i64, Error> {
        let command = CommandStatementIngest {
            table_definition_options: Some(TableDefinitionOptions {
                if_not_exist: TableNotExistOption::Create.into(),
                if_exists: TableExistsOption::Append.into(),
            }),
            table: table.to_owned(),
            ..Default::default()
        };
        Ok(self
            .flight
            .execute_ingest(command, stream::iter([Ok::<_, FlightError>(batch)]))
            .await?)
    }

    /// The rows of a query as text, `NULL` where there is nothing.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        Ok(rows_of(&self.query(sql).await?)?)
    }

    /// The integers in the first column of a query.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn integers(&mut self, sql: &str) -> Result<Vec<i64>, Error> {
        let mut integers = Vec::new();
        for batch in self.query(sql).await? {
            let column = arrow::compute::cast(batch.column(0), &DataType::Int64)?;
            integers.extend(column.as_primitive::<Int64Type>().iter().flatten());
        }
        Ok(integers)
    }

    /// The one integer that a query gives.
    ///
    /// # Errors
    /// As [`Client::query`]; where there is none, or more than one.
    pub async fn integer(&mut self, sql: &str) -> Result<i64, Error> {
        match self.integers(sql).await?.as_slice() {
            [integer] => Ok(*integer),
            others => Err(format!("{} integers instead of one", others.len()).into()),
        }
    }
}

/// The rows of batches as text, `NULL` where there is nothing.
///
/// # Errors
/// For a type that has no text.
pub fn rows_of(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    Ok(rows)
}
