//! The ledger's public files on a web server.
//!
//! What comes from there is checked like a file from anywhere: the connection is encrypted against onlookers, not trusted.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dab_proof::Error;
use dab_proof::source::{Source, limit_of};
use reqwest::{StatusCode, Url, redirect};

/// How long a server may take for one file.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads files below a URL.
pub(crate) struct WebSource {
    base: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    /// Past it nothing is read.
    deadline: Cell<Option<Instant>>,
}

/// Why a file was not read.
enum Refused {
    /// Nothing is known of it.
    Unavailable(String),
    /// The server has more for it than such a file can have.
    TooLarge { actual: u64, limit: u64 },
}

impl WebSource {
    /// Prepares to read below `url`. `ca` is a certificate authority to accept besides the system's, where it exists.
    ///
    /// It reads there and nowhere else: redirects are not followed and proxies of the environment not used, for whoever runs
    /// this may reach servers that the ledger's may not, and what they answer could end up as evidence.
    pub(crate) fn open(url: &str, ca: &Path) -> Result<Self> {
        // the address is not repeated: whoever reads these words may not be meant to have it
        let parsed = Url::parse(url).context("the ledger's URL is none")?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            bail!(
                "the ledger's URL has a user or a password in it, which messages and alarms would repeat: leave them out"
            );
        }
        let mut client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy();
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
            deadline: Cell::new(None),
        })
    }

    /// From now on all reading together may take this long; what is not there by then is unavailable.
    pub(crate) fn allow(&self, time: Duration) {
        self.deadline.set(Instant::now().checked_add(time));
    }

    async fn fetch_in_time(&self, path: &str) -> Result<Option<Vec<u8>>, Refused> {
        let Some(deadline) = self.deadline.get() else {
            return self.fetch(path).await;
        };
        let late = || Refused::Unavailable("the server is too slow: the time for this look is over".to_owned());
        // asked first, for a server that always has an answer at once
        if deadline <= Instant::now() {
            return Err(late());
        }
        let fetched = tokio::time::timeout_at(deadline.into(), self.fetch(path)).await;
        fetched.unwrap_or_else(|_| Err(late()))
    }

    async fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Refused> {
        let explain = |error: reqwest::Error| {
            // reqwest says only "error sending request"; what is behind it tells whether a name or a certificate is wrong
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            Refused::Unavailable(text)
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
            other if other.is_redirection() => {
                let reason = format!("the server answers {other}, and redirects are not followed: name where it leads");
                return Err(Refused::Unavailable(reason));
            }
            other => return Err(Refused::Unavailable(format!("the server answers {other}"))),
        }
        let limit = limit_of(path);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            let length = bytes.len() + chunk.len();
            if length > limit {
                let (actual, limit) = (length as u64, limit as u64);
                return Err(Refused::TooLarge { actual, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}

impl Source for WebSource {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let fetched = self.runtime.block_on(self.fetch_in_time(path));
        fetched.map_err(|refused| match refused {
            Refused::Unavailable(reason) => Error::Unavailable {
                path: format!("{}/{path}", self.base),
                reason,
            },
            Refused::TooLarge { actual, limit } => Error::TooLarge {
                what: "public file",
                actual,
                limit,
            },
        })
    }
}
