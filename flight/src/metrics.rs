//! What the node's trace says of calls: who called what, for how long, and how it ended.
//!
//! Each call is a span `call` with the fields `method`, `user` and `statement` (`SELECT`, `INSERT`, ...), and ends with one
//! event `answered` at level info; a result that was streamed ends with a second one, `sent`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tonic::{body::Body, codegen::http};
use tracing::{Span, field::Empty};

/// The span of a call. Everything that the call does, on whatever thread, happens inside.
pub(crate) fn call_span(method: &str) -> Span {
    tracing::info_span!("call", method, user = Empty, statement = Empty)
}

/// Notes who calls.
pub(crate) fn record_user(user: &str) {
    Span::current().record("user", user);
}

/// Notes which kind of statement the call is about.
pub(crate) fn record_statement(kind: dab_query::StatementKind) {
    Span::current().record("statement", kind.word());
}

/// Notes that a call was answered; a result may follow.
pub(crate) fn answered(response: &http::Response<Body>, started: Instant) {
    let code = response
        .headers()
        .get("grpc-status")
        .and_then(|code| code.to_str().ok())
        .unwrap_or("0");
    let elapsed_ms = started.elapsed().as_millis();
    tracing::info!(code, elapsed_ms, "answered");
}

/// Rows of a result sent so far. The router puts one into the extensions of a response whose trailers shall carry it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowCount(Arc<AtomicU64>);

impl RowCount {
    pub(crate) fn add(&self, rows: usize) {
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A result under way. Dropped, it notes how it ended.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) rows: RowCount,
    started: Instant,
    span: Span,
    complete: bool,
}

impl Sending {
    pub(crate) fn new(rows: RowCount, started: Instant) -> Self {
        Self {
            rows,
            started,
            span: Span::current(),
            complete: false,
        }
    }

    /// Notes that the result was sent whole.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let (rows, complete, elapsed_ms) = (self.rows.get(), self.complete, self.started.elapsed().as_millis());
        self.span
            .in_scope(|| tracing::info!(rows, complete, elapsed_ms, "sent"));
    }
}
