//! Head proofs over HTTP, of the last heads leaf that there is.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use dab_proof::leaf::Subject;

use super::{CHECKPOINT_CACHE, plain, public};
use crate::reader::LedgerReader;

/// How many leaves the proof speaks about.
const LEAVES_COVERED: HeaderName = HeaderName::from_static("dab-leaves-covered");

pub(super) fn router(ledger: Arc<dyn LedgerReader>) -> Router {
    Router::new().route("/head/{*subject}", get(head)).with_state(ledger)
}

async fn head(State(ledger): State<Arc<dyn LedgerReader>>, Path(subject): Path<String>) -> Response {
    let subject = subject.parse::<Subject>().ok().filter(|subject| !subject.is_heads());
    let Some(subject) = subject else {
        return plain(StatusCode::NOT_FOUND, "no such subject\n");
    };
    match ledger.last_head_proof(&subject).await {
        Ok(Some(proof)) => {
            let mut response = public(proof.to_text(), "text/plain; charset=utf-8", CHECKPOINT_CACHE);
            response
                .headers_mut()
                .insert(LEAVES_COVERED, HeaderValue::from(proof.size.0));
            response
        }
        Ok(None) => plain(
            StatusCode::NOT_FOUND,
            "no heads leaf is certified here, or a newer one is about to be: ask again, or for one to be written\n",
        ),
        Err(error) => {
            tracing::warn!(%error, "cannot make a head proof");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot be made\n")
        }
    }
}
