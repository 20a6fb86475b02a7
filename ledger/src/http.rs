//! The static read path over HTTP: what any web server, CDN or USB stick could serve as well, and a health route.
//!
//! | route | content | caching |
//! | --- | --- | --- |
//! | `/checkpoint` | the latest checkpoint, `text/plain; charset=utf-8` | 2 seconds |
//! | `/tile/<L>/<N>[.p/<W>]` | a tile of hashes | immutable |
//! | `/tile/entries/<N>[.p/<W>]` | an entry bundle | immutable |
//! | `/health` | JSON: is the node well, how far is it, who certifies; at most a second old | none |
//!
//! A tile's path is parsed and written anew before a file is opened, so only the one spelling that C2SP tlog-tiles
//! gives it leads anywhere. A partial tile that was removed because its full tile exists is 404: clients ask for the
//! full one. TLS and listening are the binary's.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dab_proof::leaf::Subject;
use dab_proof::tile::{BundlePath, TilePath};
use serde_json::json;
use tokio::sync::Mutex;

use crate::Error;
use crate::reader::LedgerReader;

/// A checkpoint may be served this old.
const CHECKPOINT_CACHE: HeaderValue = HeaderValue::from_static("max-age=2");
/// A tile's bytes never change.
const TILE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

/// The node is asked for its health at most this often: anybody may ask, and each look takes a place in the ledger's queue.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// A ledger that takes longer to answer counts as failed: whoever supervises it needs an answer then more than ever.
const HEALTH_WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Parts {
    public_dir: PathBuf,
    ledger: Arc<dyn LedgerReader>,
    health_interval: Duration,
    /// The last look at the node's health and its time. Whoever asks meanwhile waits for the same look.
    health: Arc<Mutex<Option<(Instant, Health)>>>,
}

#[derive(Clone)]
struct Health {
    code: StatusCode,
    body: String,
}

/// The routes for the public files in `public_dir` and the health of `ledger`. GET and HEAD only.
pub fn router(public_dir: impl Into<PathBuf>, ledger: Arc<dyn LedgerReader>) -> Router {
    let parts = Parts {
        public_dir: public_dir.into(),
        ledger,
        health_interval: HEALTH_INTERVAL,
        health: Arc::default(),
    };
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*rest}", get(tile))
        .route("/health", get(health))
        .with_state(parts)
}

async fn checkpoint(State(parts): State<Parts>) -> Response {
    file(
        parts.public_dir.join("checkpoint"),
        "text/plain; charset=utf-8",
        CHECKPOINT_CACHE,
    )
    .await
}

async fn tile(State(parts): State<Parts>, Path(rest): Path<String>) -> Response {
    let asked = format!("tile/{rest}");
    let tile = asked.parse::<TilePath>().map(|path| path.to_string());
    let Ok(name) = tile.or_else(|_| asked.parse::<BundlePath>().map(|path| path.to_string())) else {
        return plain(StatusCode::NOT_FOUND, "no such tile\n");
    };
    file(parts.public_dir.join(name), "application/octet-stream", TILE_CACHE).await
}

async fn health(State(parts): State<Parts>) -> Response {
    let mut last = parts.health.lock().await;
    let health = match &*last {
        Some((at, health)) if at.elapsed() < parts.health_interval => health.clone(),
        _ => {
            let health = look(parts.ledger.as_ref()).await;
            *last = Some((Instant::now(), health.clone()));
            health
        }
    };
    drop(last);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, NO_CACHE),
    ];
    (health.code, headers, health.body).into_response()
}

async fn look(ledger: &dyn LedgerReader) -> Health {
    // a linearizable read answers only when the raft thread lives
    let subject = Subject::catalog();
    let status = match tokio::time::timeout(HEALTH_WAIT_MAX, ledger.head(&subject)).await {
        Ok(Ok(_)) => "ok",
        // it will catch up, and asking again does not help it
        Ok(Err(Error::Busy { .. } | Error::NoLeader)) => "busy",
        Ok(Err(_)) | Err(_) => "failed",
    };
    let certified = ledger.certified().await;
    let checkpoint = ledger.checkpoint().await.ok();
    let issued = ledger.checkpoints().await.last().map(|issued| issued.unix_ms);
    let body = json!({
        "status": status,
        "origin": ledger.origin(),
        "size": certified.size.0,
        "root": checkpoint.map(|signed| signed.checkpoint().root.to_string()),
        "checkpoint_unix_ms": issued,
        "certifies_alone": certified.certifies_alone,
        "quorum": certified.quorum,
    });
    let code = if status == "failed" {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let body = format!("{body}\n");
    Health { code, body }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, NodeConfig};

    /// Anybody may ask for the health, and each look takes a place in the queue that writers need.
    #[tokio::test]
    async fn those_who_ask_within_the_interval_share_one_look() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::start(NodeConfig::in_dir(dir.path())).unwrap();
        let parts = |health_interval| Parts {
            public_dir: dir.path().join("public"),
            ledger: node.clone(),
            health_interval,
            health: Arc::default(),
        };
        let (shared, fresh) = (parts(Duration::MAX), parts(Duration::ZERO));
        for parts in [&shared, &fresh] {
            assert_eq!(health(State(parts.clone())).await.status(), StatusCode::OK);
        }
        node.stop().await.unwrap();
        // a look of its own finds the node stopped
        assert_eq!(health(State(shared)).await.status(), StatusCode::OK);
        assert_eq!(health(State(fresh)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
