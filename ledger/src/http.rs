//! The static read path over HTTP: what any web server, CDN or USB stick could serve as well, and a health route.
//!
//! | route | content | caching |
//! | --- | --- | --- |
//! | `/checkpoint` | the latest checkpoint, `text/plain; charset=utf-8` | 2 seconds |
//! | `/tile/<L>/<N>[.p/<W>]` | a tile of hashes | immutable |
//! | `/tile/entries/<N>[.p/<W>]` | an entry bundle | immutable |
//! | `/audit/` | the auditor's page, which checks receipts in a browser | asked for each time |
//! | `/health` | JSON: are the node's parts well, how far is it, who certifies; at most a second old | none |
//!
//! A tile's path is parsed and written anew before a file is opened, so only the one spelling that C2SP tlog-tiles
//! gives it leads anywhere. A partial tile that was removed because its full tile exists is 404: clients ask for the
//! full one. TLS and listening are the binary's.

mod health;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dab_proof::tile::{BundlePath, TilePath};

pub use self::health::Part;
use crate::audit_page;
use crate::reader::LedgerReader;

/// A checkpoint may be served this old.
const CHECKPOINT_CACHE: HeaderValue = HeaderValue::from_static("max-age=2");
/// A tile's bytes never change.
const TILE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

/// The folder of the public files.
#[derive(Clone)]
struct PublicDir(PathBuf);

/// The routes for the public files in `public_dir`, and for the health of `ledger` and of the node's other `parts`. GET and
/// HEAD only.
pub fn router(public_dir: impl Into<PathBuf>, ledger: Arc<dyn LedgerReader>, parts: Vec<Arc<dyn Part>>) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*rest}", get(tile))
        .with_state(PublicDir(public_dir.into()))
        .merge(audit_page::router())
        .merge(health::router(ledger, parts))
}

async fn checkpoint(State(PublicDir(dir)): State<PublicDir>) -> Response {
    file(dir.join("checkpoint"), "text/plain; charset=utf-8", CHECKPOINT_CACHE).await
}

async fn tile(State(PublicDir(dir)): State<PublicDir>, Path(rest): Path<String>) -> Response {
    let asked = format!("tile/{rest}");
    let tile = asked.parse::<TilePath>().map(|path| path.to_string());
    let Ok(name) = tile.or_else(|_| asked.parse::<BundlePath>().map(|path| path.to_string())) else {
        return plain(StatusCode::NOT_FOUND, "no such tile\n");
    };
    file(dir.join(name), "application/octet-stream", TILE_CACHE).await
}

async fn file(path: PathBuf, content_type: &'static str, cache: HeaderValue) -> Response {
    match tokio::fs::read(&path).await {
        Ok(bytes) => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(content_type)),
                (CACHE_CONTROL, cache),
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                // an auditor's page may lie anywhere; everything here is public
                (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            ];
            (StatusCode::OK, headers, Body::from(bytes)).into_response()
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            plain(StatusCode::NOT_FOUND, "not there\n")
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read a public file");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot be read\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(CACHE_CONTROL, NO_CACHE)], text).into_response()
}
