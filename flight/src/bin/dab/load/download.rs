//! Fetches a file over http or https.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dab_flight::reasons;
use futures::StreamExt;
use reqwest::{Client, Response, StatusCode, redirect};
use tempfile::NamedTempFile;
use url::Url;

use super::redact::redacted;
use crate::progress::Progress;

/// How long a web server may take to accept a connection, and to send the next bytes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a server may send us elsewhere.
const REDIRECTS_MAX: usize = 10;

/// A whole file, and what the server said about it.
pub(super) struct Download {
    /// Its bytes, in a file that nobody else may read and that goes when this is dropped.
    pub(super) file: NamedTempFile,
    /// The entity tag, if the server gave one.
    pub(super) etag: Option<String>,
}

/// Fetches a file of at most `bytes_max`. Fails with the URL, without its secrets, on any answer but the whole file.
pub(super) async fn download(url: &Url, bytes_max: u64) -> Result<Download> {
    let named = redacted(url);
    let response = client()?
        .get(url.clone())
        .send()
        .await
        .map_err(|error| anyhow!("cannot fetch {named}: {}", reasons(&error.without_url())))?;
    // A part, or nothing, is no file either.
    if response.status() != StatusCode::OK {
        bail!("cannot fetch {named}: the server answers {}", response.status());
    }
    if response.content_length().is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(&named, bytes_max));
    }
    let etag = response
        .headers()
        .get("etag")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let file = keep(response, &named, bytes_max).await?;
    Ok(Download { file, etag })
}

fn client() -> Result<Client> {
    let follow = redirect::Policy::custom(|attempt| {
        let downgraded =
            attempt.url().scheme() != "https" && attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("too many redirects")
        } else if downgraded {
            attempt.error("a redirect from https to http")
        } else {
            attempt.follow()
        }
    });
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(follow)
        // It would tell the query of a signed URL to whomever we are sent to.
        .referer(false)
        .build()?;
    Ok(client)
}

async fn keep(response: Response, named: &str, bytes_max: u64) -> Result<NamedTempFile> {
    let mut progress = Progress::new("fetching", response.content_length(), "bytes");
    let mut file = NamedTempFile::new().context("cannot make a temporary file; TMPDIR says where")?;
    let mut bytes = 0;
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| anyhow!("{named} broke off: {}", reasons(&error.without_url())))?;
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            return Err(too_large(named, bytes_max));
        }
        file.write_all(&chunk)
            .with_context(|| format!("cannot write the temporary file {}", file.path().display()))?;
        progress.advance(chunk.len() as u64);
    }
    progress.finish();
    Ok(file)
}

fn too_large(named: &str, bytes_max: u64) -> anyhow::Error {
    anyhow!(
        "{named} is too large: more than {} MiB; --download-mib allows more",
        bytes_max >> 20
    )
}
