//! What stands before every call.
//!
//! In this order: the caller is authenticated from the headers, before a byte of the call is decoded; calls other than
//! `DoPut` are held to small messages; a panic becomes an error of that call alone; a request that the client breaks off
//! is an error and never the end of an upload; and the trailers of a result say how many rows it had.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use arrow_flight::flight_service_server::FlightServiceServer;
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http_body::{Frame, SizeHint};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
};
use tracing::Instrument;

use crate::{
    auth::Authenticator,
    limits::Limits,
    listener::{Peer, client_of},
    metrics::{self, RowCount, Sending},
    router::Router,
};

/// Trailer with the number of rows of a complete result.
pub(crate) const ROWS_TRAILER: &str = "x-dab-rows";

/// The service as the HTTP server sees it.
#[derive(Clone)]
pub(crate) struct Guard {
    authenticator: Arc<Authenticator>,
    calls: FlightServiceServer<Router>,
    uploads: FlightServiceServer<Router>,
}

impl Guard {
    pub(crate) fn new(authenticator: Arc<Authenticator>, router: Router, limits: &Limits) -> Self {
        let service = |request_bytes_max| {
            FlightServiceServer::new(router.clone())
                .max_decoding_message_size(request_bytes_max)
                .max_encoding_message_size(limits.response_bytes_max)
        };
        Self {
            authenticator,
            calls: service(limits.request_bytes_max),
            uploads: service(limits.put_message_bytes_max),
        }
    }
}

impl Service<http::Request<Body>> for Guard {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self {
            authenticator,
            calls,
            uploads,
        } = self.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let peer = request.extensions().get::<Peer>().cloned();
        let (span, started) = (metrics::call_span(&method), Instant::now());
        let serve = async move {
            let address = peer.as_ref().map(|peer| client_of(peer.address.ip()));
            let caller = match authenticator.authenticate(request.headers(), address).await {
                Ok(caller) => caller,
                Err(status) => return status.into_http(),
            };
            if let Some(peer) = peer {
                peer.logged_in();
            }
            metrics::record_user(&caller.user);
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(caller);
            let request = http::Request::from_parts(parts, Body::new(UnbrokenBody(body)));
            let mut service = if method == "DoPut" { uploads } else { calls };
            let response = match AssertUnwindSafe(service.call(request)).catch_unwind().await {
                Ok(Ok(response)) => response,
                Err(_) => {
                    tracing::error!(method, "a call panicked");
                    Status::internal("internal error, the node's log has the details").into_http()
                }
            };
            metrics::answered(&response, started);
            with_row_count(response, started)
        };
        Box::pin(serve.instrument(span).map(Ok))
    }
}

fn with_row_count(mut response: http::Response<Body>, started: Instant) -> http::Response<Body> {
    match response.extensions_mut().remove::<RowCount>() {
        Some(rows) => {
            let sending = Sending::new(rows, started);
            response.map(|body| Body::new(CountedBody { body, sending }))
        }
        None => response,
    }
}

/// A request body that tells a broken request from a complete one.
///
/// tonic's decoder takes a request that the client cancels (HTTP/2 RST_STREAM with CANCEL) for one that ended: half an
/// upload would be committed as if it were whole. Under another code the decoder reports it.
struct UnbrokenBody(Body);

impl http_body::Body for UnbrokenBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|status| match status.code() {
                Code::Cancelled => Status::aborted("the client broke the request off"),
                _ => status,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A response body whose trailers carry the number of rows, if it ends well.
struct CountedBody {
    body: Body,
    sending: Sending,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|mut frame| {
                if let Some(trailers) = frame.trailers_mut()
                    && trailers.get("grpc-status").is_some_and(|code| code == "0")
                {
                    trailers.insert(ROWS_TRAILER, http::HeaderValue::from(self.sending.rows.get()));
                    self.sending.complete();
                }
                frame
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
