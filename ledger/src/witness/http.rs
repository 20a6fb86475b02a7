//! A witness over HTTP.
//!
//! | route | content |
//! | --- | --- |
//! | `POST /add-checkpoint` | a request ([`AddCheckpoint`](super::AddCheckpoint)); the cosignature, or why there is none |
//! | `GET /<sha256 of origin>/checkpoint` | the last checkpoint cosigned for a ledger |
//!
//! Submission and monitoring prefix are the same. TLS and listening are the binary's.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::cosigner::{Answer, Witness};
use super::request::REQUEST_BYTES_MAX;

/// How long a client may take to send its request's body.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Requests that are decided at once; each waits for the disk. One that is still being read takes no place: whoever sends
/// nothing must not keep others out.
const REQUESTS_MAX: usize = 32;

/// How long a request that was read waits for its place: less than a ledger waits for an answer.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(4);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const TREE_SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

#[derive(Clone)]
struct Parts {
    witness: Arc<Witness>,
    places: Arc<Semaphore>,
}

/// The routes of a witness.
pub fn router(witness: Arc<Witness>) -> Router {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{log}/checkpoint", get(checkpoint))
        .with_state(Parts { witness, places })
}

async fn add_checkpoint(State(parts): State<Parts>, body: Body) -> Response {
    let body = match tokio::time::timeout(BODY_WAIT_MAX, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long, or broke off\n"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the request took too long to come\n"),
    };
    let Ok(Ok(place)) = tokio::time::timeout(PLACE_WAIT_MAX, parts.places.acquire_owned()).await else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at once, ask again\n",
        );
    };
    // a client that hangs up does not end this: what was begun is made durable
    let decided = tokio::task::spawn_blocking(move || {
        let answer = parts.witness.add_checkpoint(&body);
        drop(place);
        answer
    });
    match decided.await {
        Ok(answer) => answer.into_response(),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n"),
    }
}

async fn checkpoint(State(parts): State<Parts>, Path(log): Path<String>) -> Response {
    // the lock may be held by a request that waits for the disk
    let latest = tokio::task::spawn_blocking(move || parts.witness.latest(&log)).await;
    match latest {
        Ok(Some(signed)) => plain(StatusCode::OK, signed.to_bytes()),
        Ok(None) => plain(StatusCode::NOT_FOUND, "nothing of that ledger was cosigned here\n"),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n"),
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let told = |status, reason: String| plain(status, format!("{reason}\n"));
        match self {
            Answer::Cosigned(cosignature) => plain(StatusCode::OK, cosignature.line()),
            Answer::Malformed(reason) => told(StatusCode::BAD_REQUEST, reason),
            Answer::NotSigned(reason) => told(StatusCode::FORBIDDEN, reason),
            Answer::UnknownLog => plain(StatusCode::NOT_FOUND, "this witness does not know the ledger\n"),
            Answer::Conflict(size) => typed(StatusCode::CONFLICT, TREE_SIZE, format!("{size}\n")),
            Answer::Inconsistent(reason) => told(StatusCode::UNPROCESSABLE_ENTITY, reason),
            Answer::Failed(reason) => told(StatusCode::INTERNAL_SERVER_ERROR, reason),
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    typed(status, TEXT, text)
}

fn typed(status: StatusCode, content_type: HeaderValue, text: impl Into<Body>) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, NO_CACHE),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, text.into()).into_response()
}
