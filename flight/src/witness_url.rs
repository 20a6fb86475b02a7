//! A witness at a URL: how the ledger's requests reach it.

use std::time::Duration;

use async_trait::async_trait;
use dab_ledger::witness::{ANSWER_BYTES_MAX, HttpAnswer, WitnessHttp};
use reqwest::{Client, Url, header, redirect};

use crate::{Error, reasons};

/// How long a witness may take for one answer: commits wait for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: the next checkpoint is not far.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Reaches one witness over http or https.
#[derive(Debug, Clone)]
pub struct WitnessUrl {
    add_checkpoint: String,
    client: Client,
}

impl WitnessUrl {
    /// The witness whose submission prefix is `url`, which has no user or password in it. `ca_pem` is a certificate authority
    /// to accept besides the system's. Proxies of the environment are not used.
    pub fn new(url: &str, ca_pem: Option<&[u8]>) -> Result<Self, Error> {
        let parsed = Url::parse(url).map_err(|error| Error::Tls(format!("a witness's URL is none: {error}")))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // without the URL itself: these words are logged
            let reason = "a witness's URL has a user or a password in it, which messages would repeat: leave them out";
            return Err(Error::Tls(reason.to_owned()));
        }
        let unusable =
            |error: &reqwest::Error| Error::Tls(format!("cannot reach a witness at {url}: {}", reasons(error)));
        let mut client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(pem) = ca_pem {
            let ca = reqwest::Certificate::from_pem(pem).map_err(|error| unusable(&error))?;
            client = client.add_root_certificate(ca);
        }
        Ok(Self {
            add_checkpoint: format!("{}/add-checkpoint", url.trim_end_matches('/')),
            client: client.build().map_err(|error| unusable(&error))?,
        })
    }
}

#[async_trait]
impl WitnessHttp for WitnessUrl {
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String> {
        let explain = |error: reqwest::Error| reasons(&error);
        let request = self
            .client
            .post(&self.add_checkpoint)
            .header(header::CONTENT_TYPE, "text/plain");
        let mut response = request.body(body).send().await.map_err(explain)?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, serve_http};
    use axum::{
        http::{HeaderMap, StatusCode},
        response::Redirect,
        routing::post,
    };
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn an_answer_comes_as_it_is_and_neither_redirects_nor_long_ones_do() {
        crate::install_crypto();
        let echo = |headers: HeaderMap, body: String| async move {
            assert_eq!(headers["content-type"], "text/plain");
            (StatusCode::CONFLICT, body)
        };
        let routes = axum::Router::new()
            .route("/w/add-checkpoint", post(echo))
            .route(
                "/elsewhere/add-checkpoint",
                post(|| async { Redirect::temporary("/w/add-checkpoint") }),
            )
            .route(
                "/long/add-checkpoint",
                post(|| async { "x".repeat(ANSWER_BYTES_MAX + 1) }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            serve_http(vec![listener], routes, None, &Limits::default(), async {
                drop(stopped.await)
            })
            .await
        });
        let ask = |prefix: &str| {
            let witness = WitnessUrl::new(&format!("{base}{prefix}"), None).unwrap();
            async move { witness.add_checkpoint(b"old 0\n".to_vec()).await }
        };
        let told = HttpAnswer {
            status: 409,
            body: b"old 0\n".to_vec(),
        };
        assert_eq!(ask("/w").await, Ok(told.clone()));
        assert_eq!(ask("/w/").await, Ok(told));
        assert_eq!(ask("/elsewhere").await.unwrap().status, 307);
        assert!(ask("/long").await.unwrap_err().contains("longer than"));
        let named = WitnessUrl::new("https://ann:secret@witness.example/", None)
            .unwrap_err()
            .to_string();
        assert!(
            named.contains("a user or a password") && !named.contains("secret"),
            "{named}"
        );
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        assert!(ask("/w").await.is_err(), "nobody listens any more");
    }
}
