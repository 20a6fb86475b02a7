//! The ledger's public files on a web server.
//!
//! What comes from there is checked like a file from anywhere: the connection is encrypted against onlookers, not trusted.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use dab_proof::Error;
use dab_proof::source::{Source, limit_of};
use reqwest::StatusCode;

/// How long a server may take for one file.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads files below a URL.
pub(crate) struct WebSource {
    base: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl WebSource {
    /// Prepares to read below `url`. `ca` is a certificate authority to accept besides the system's, where it exists.
    pub(crate) fn open(url: &str, ca: &Path) -> Result<Self> {
        let mut client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT);
        if let Ok(pem) = std::fs::read(ca) {
            let certificate =
                reqwest::Certificate::from_pem(&pem).with_context(|| format!("{} is no certificate", ca.display()))?;
            client = client.add_root_certificate(certificate);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
            client: client.build()?,
            runtime,
        })
    }

    async fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let explain = |error: reqwest::Error| {
            // reqwest says only "error sending request"; what is behind it tells whether a name or a certificate is wrong
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            text
        };
        let mut response = self
            .client
            .get(format!("{}/{path}", self.base))
            .send()
            .await
            .map_err(explain)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            other => return Err(format!("the server answers {other}")),
        }
        let limit = limit_of(path);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if bytes.len() + chunk.len() > limit {
                return Err(format!("longer than the {limit} bytes that such a file can have"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}

impl Source for WebSource {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.runtime
            .block_on(self.fetch(path))
            .map_err(|reason| Error::Unavailable {
                path: format!("{}/{path}", self.base),
                reason,
            })
    }
}
