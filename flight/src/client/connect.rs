//! Connecting.

use std::{net::IpAddr, time::Duration};

use arrow_flight::{HandshakeRequest, flight_service_client::FlightServiceClient};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::stream;
use tonic::{
    Request,
    metadata::AsciiMetadataValue,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use super::Client;
use crate::{Error, error::reasons};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Largest message of a result: a node sends none larger.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// Where a node is and who calls.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `grpc+tls://HOST:PORT`, or `grpc://HOST:PORT` for plaintext on loopback.
    pub url: String,
    /// The authority to trust, PEM: content of the node's `tls/ca.pem`. Required for TLS.
    pub ca_pem: Option<String>,
    /// Who calls.
    pub credentials: Credentials,
}

/// How a caller shows who it is.
#[derive(Clone)]
pub enum Credentials {
    /// User and password.
    Password {
        /// The user.
        user: String,
        /// Its password or token.
        password: String,
    },
    /// A token of the form `dab_<user>_...`, as in `admin.token`.
    Token(String),
}

/// Never shows the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

impl Credentials {
    fn header(&self) -> Result<AsciiMetadataValue, Error> {
        let value = match self {
            Self::Password { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
            Self::Token(token) => format!("Bearer {}", token.trim()),
        };
        let mut header = AsciiMetadataValue::try_from(value)
            .map_err(|_| Error::Answer("a token with characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

pub(super) async fn connect(options: &ConnectOptions) -> Result<Client, Error> {
    let channel = endpoint(options)?.connect().await.map_err(|error| Error::Unreachable {
        url: options.url.clone(),
        reason: reasons(&error),
    })?;
    let mut service = FlightServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
    request
        .metadata_mut()
        .insert("authorization", options.credentials.header()?);
    let response = service.handshake(request).await?;
    let token = response.metadata().get("authorization").cloned();
    let mut authorization = token.ok_or_else(|| Error::Answer("no token after the handshake".to_owned()))?;
    authorization.set_sensitive(true);
    Ok(Client::new(service, authorization))
}

fn endpoint(options: &ConnectOptions) -> Result<Endpoint, Error> {
    let refused = |reason: &str| Error::Url {
        url: options.url.clone(),
        reason: reason.to_owned(),
    };
    let parts = options.url.split_once("://");
    let (scheme, address) = parts.ok_or_else(|| refused("it has no scheme, as in grpc+tls://127.0.0.1:32010"))?;
    let tls = match scheme {
        "grpc+tls" | "https" => true,
        "grpc" | "grpc+tcp" | "http" => false,
        _ => return Err(refused("its scheme is neither grpc+tls nor grpc")),
    };
    if !tls && !is_loopback(address) {
        return Err(refused(
            "without TLS the password would travel in the open: grpc:// is for loopback only",
        ));
    }
    let scheme = if tls { "https" } else { "http" };
    let endpoint =
        Endpoint::from_shared(format!("{scheme}://{address}")).map_err(|error| refused(&error.to_string()))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true);
    if !tls {
        return Ok(endpoint);
    }
    let ca = options
        .ca_pem
        .as_ref()
        .ok_or_else(|| refused("TLS needs the node's ca.pem"))?;
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    endpoint.tls_config(config).map_err(|error| refused(&reasons(&error)))
}

/// Whether an address is this very machine's, so that nobody on a network reads along.
fn is_loopback(address: &str) -> bool {
    let Ok(uri) = address.parse::<tonic::codegen::http::uri::Authority>() else {
        // whatever else is wrong with it is told next
        return true;
    };
    let host = uri.host().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> ConnectOptions {
        let credentials = Credentials::Password {
            user: "ann".into(),
            password: "very secret".into(),
        };
        ConnectOptions {
            url: url.into(),
            ca_pem: None,
            credentials,
        }
    }

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        for (url, reason) in [
            ("127.0.0.1:32010", "no scheme"),
            ("ftp://127.0.0.1:32010", "neither"),
            ("grpc+tls://127.0.0.1:32010", "ca.pem"),
            ("grpc://not an address", "invalid"),
            ("grpc://192.0.2.1:32010", "loopback only"),
            ("grpc://localhost.example.org:32010", "loopback only"),
        ] {
            let error = endpoint(&options(url)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        for url in ["grpc://[::1]:32010", "grpc://localhost:32010", "grpc://127.0.0.1:1"] {
            assert!(endpoint(&options(url)).is_ok(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_named_with_the_reason() {
        let error = connect(&options("grpc://127.0.0.1:9")).await.unwrap_err().to_string();
        assert!(
            error.contains("grpc://127.0.0.1:9") && error.contains("refused"),
            "{error}"
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", options("grpc://h:1"));
        assert!(shown.contains("ann") && !shown.contains("secret"), "{shown}");
    }
}
