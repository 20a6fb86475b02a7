//! `POST /add`: other programs have digests of their data bound, with what every HTTP client can do.
//!
//! It is served beside the auditor's files, under the same certificate, and asks for a user and a password or a token as
//! Flight SQL does. The answer is the receipt, the text of a `.tlog-proof` file.
//!
//! | status | what it means |
//! | --- | --- |
//! | 200 | bound, now or before: the receipt; the header `dab-leaf-index` has its place |
//! | 400 | the request cannot be understood |
//! | 401 | no credentials, or not accepted |
//! | 403 | the subject is not one of `digest/...`, or the leaf's writer may not write it; a browser asks for another site |
//! | 409 | another leaf stands there, and the answer names the subject's head; or the key stands for another request |
//! | 413 | the body is too long |
//! | 429 | too many failed logins; the answer says for how long |
//! | 503 | not certified in time, or the ledger cannot take it now: send the same again, it is bound once |
//!
//! A `dab-idempotency-key` makes a request one that is carried out once. Nothing of the body is read before the caller is
//! known.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use dab_proof::receipt::Receipt;
use dab_storage::Ledger;
use tonic::{Code, Status};

use crate::{
    Limits,
    add::{AddRequest, add},
    auth::{Authenticator, Caller},
};

const LEAF_INDEX: HeaderName = HeaderName::from_static("dab-leaf-index");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"dab\", charset=\"UTF-8\", Bearer realm=\"dab\"");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The address that a request came from, as the listener tells it to the routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// What the handler needs.
#[derive(Clone)]
struct Door {
    authenticator: Arc<Authenticator>,
    ledger: Ledger,
    limits: Arc<Limits>,
}

/// The route, for [`crate::serve_audit`], which knows where requests come from.
pub fn add_router(authenticator: Arc<Authenticator>, ledger: Ledger, limits: &Limits) -> Router {
    let door = Door {
        authenticator,
        ledger,
        limits: Arc::new(limits.clone()),
    };
    Router::new().route("/add", post(handle)).with_state(door)
}

async fn handle(State(door): State<Door>, request: Request) -> Response {
    match door.answer(request).await {
        Ok(receipt) => answer(StatusCode::OK, receipt.to_text(), Some(&receipt)),
        Err(Refusal::TooLong(bytes_max)) => {
            let text = format!("the body has more than {bytes_max} bytes\n");
            answer(StatusCode::PAYLOAD_TOO_LARGE, text, None)
        }
        Err(Refusal::Status(status)) => {
            let mut response = answer(http_status(status.code()), format!("{}\n", status.message()), None);
            if status.code() == Code::Unauthenticated {
                response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
            }
            response
        }
    }
}

enum Refusal {
    TooLong(usize),
    Status(Status),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Door {
    async fn answer(&self, request: Request) -> Result<Receipt, Refusal> {
        let (parts, body) = request.into_parts();
        refuse_browsers(&parts.headers)?;
        let address = parts.extensions.get::<ClientAddress>().map(|client| client.0);
        let caller: Caller = self.authenticator.authenticate(&parts.headers, address).await?;
        let body = self.read(body).await?;
        let request = AddRequest::parse(&body)?;
        Ok(add(&self.ledger, &caller, request, self.limits.add_wait_max).await?)
    }

    async fn read(&self, body: Body) -> Result<Bytes, Refusal> {
        let bytes_max = self.limits.add_bytes_max;
        let read = tokio::time::timeout(self.limits.add_body_timeout, axum::body::to_bytes(body, bytes_max)).await;
        let read = read.map_err(|_| Status::invalid_argument("the body did not come in time"))?;
        // axum tells a long body from a broken one only deep inside the error; whoever broke off reads no answer
        read.map_err(|_| Refusal::TooLong(bytes_max))
    }
}

/// A page of another site can have a browser send a request with the password that it remembers for this one. Browsers
/// say where such a request comes from; programs do not.
fn refuse_browsers(headers: &HeaderMap) -> Result<(), Status> {
    match headers.contains_key(ORIGIN) {
        false => Ok(()),
        true => Err(Status::permission_denied(
            "this is for programs, not for pages in a browser",
        )),
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn answer(status: StatusCode, text: String, receipt: Option<&Receipt>) -> Response {
    let headers = [
        (CONTENT_TYPE, TEXT),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    let mut response = (status, headers, text).into_response();
    if let Some(receipt) = receipt {
        response
            .headers_mut()
            .insert(LEAF_INDEX, HeaderValue::from(receipt.index.0));
    }
    response
}
