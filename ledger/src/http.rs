//! The static read path over HTTP: what any web server, CDN or USB stick could serve as well, and a health route.
//!
//! | route | content | caching |
//! | --- | --- | --- |
//! | `/checkpoint` | the latest checkpoint, `text/plain; charset=utf-8` | 2 seconds |
//! | `/tile/<L>/<N>[.p/<W>]` | a tile of hashes | immutable |
//! | `/tile/entries/<N>[.p/<W>]` | an entry bundle | immutable |
//! | `/head/<subject>` | a head proof under the last heads leaf; the header `dab-leaves-covered` has its third line's number | 2 seconds |
//! | `/audit/` | the auditor's page, which checks receipts in a browser | asked for each time |
//! | `/health` | JSON: are the node's parts well, how far is it, who certifies; at most a second old | none |
//!
//! A tile's path is parsed and written anew before a file is opened, so only the one spelling that C2SP tlog-tiles
//! gives it leads anywhere. A partial tile that was removed is cut from the wider one that took its place, so that
//! every size ever certified can be read. A head proof is as old as the last heads leaf: asking here writes none, so strangers
//! cannot make the ledger grow. TLS and listening are the binary's.

mod head;
mod health;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dab_proof::files::DirSource;
use dab_proof::source::Source;

pub use self::health::Part;
use crate::audit_page;
use crate::public_path::{CHECKPOINT, public_path};
use crate::reader::LedgerReader;

/// A checkpoint may be served this old.
const CHECKPOINT_CACHE: HeaderValue = HeaderValue::from_static("max-age=2");
/// A tile's bytes never change.
const TILE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

/// The folder of the public files.
#[derive(Clone)]
struct PublicDir(DirSource);

/// The routes for the public files in `public_dir`, and for the health of `ledger` and of the node's other `parts`. GET and
/// HEAD only.
pub fn router(public_dir: impl Into<PathBuf>, ledger: Arc<dyn LedgerReader>, parts: Vec<Arc<dyn Part>>) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*rest}", get(tile))
        .with_state(PublicDir(DirSource::new(public_dir)))
        .merge(head::router(Arc::clone(&ledger)))
        .merge(audit_page::router())
        .merge(health::router(ledger, parts))
}

async fn checkpoint(State(PublicDir(files)): State<PublicDir>) -> Response {
    file(
        files,
        CHECKPOINT.to_owned(),
        "text/plain; charset=utf-8",
        CHECKPOINT_CACHE,
    )
    .await
}

async fn tile(State(PublicDir(files)): State<PublicDir>, Path(rest): Path<String>) -> Response {
    let Some(name) = public_path(&format!("tile/{rest}")) else {
        return plain(StatusCode::NOT_FOUND, "no such tile\n");
    };
    file(files, name, "application/octet-stream", TILE_CACHE).await
}

async fn file(files: DirSource, name: String, content_type: &'static str, cache: HeaderValue) -> Response {
    let read = tokio::task::spawn_blocking(move || files.read(&name)).await;
    match read
        .map_err(|error| error.to_string())
        .and_then(|read| read.map_err(|error| error.to_string()))
    {
        Ok(Some(bytes)) => public(bytes, content_type, cache),
        Ok(None) => plain(StatusCode::NOT_FOUND, "not there\n"),
        Err(error) => {
            tracing::warn!(%error, "cannot read a public file");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot be read\n")
        }
    }
}

fn public(bytes: impl Into<Body>, content_type: &'static str, cache: HeaderValue) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, cache),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // an auditor's page may lie anywhere; everything here is public
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (StatusCode::OK, headers, bytes.into()).into_response()
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(CACHE_CONTROL, NO_CACHE)], text).into_response()
}
