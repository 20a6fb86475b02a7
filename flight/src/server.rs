//! Serving Flight SQL.

use std::{future::Future, sync::Arc, time::Duration};

use dab_query::Engine;
use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::{
    Error, Limits, QueryThreads, Tls, auth::Authenticator, cancel::Cancel, guard::Guard, listener::Incoming,
    router::Router, service::Service,
};

/// How often the server looks whether its certificate has to be replaced.
const RENEWAL_CHECK_INTERVAL: Duration = Duration::from_secs(12 * 3600);
/// Time that answers to broken-off calls have to reach their clients before connections are closed. Serving ends sooner
/// where all have been read: this is for clients that do not.
const FAREWELL: Duration = Duration::from_secs(5);
/// Time that commits under way have to end when everything else has. On a disk that works they take milliseconds.
const COMMITS_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a server is made of.
#[derive(Debug)]
pub struct ServerParts {
    /// Plans and executes statements.
    pub engine: Arc<Engine>,
    /// Who may call.
    pub authenticator: Arc<Authenticator>,
    /// The server's identity. `None` serves plaintext: passwords and data can then be read by anybody on the way, so that
    /// the listeners must be on loopback.
    pub tls: Option<Arc<Tls>>,
    /// All limits.
    pub limits: Limits,
    /// Threads for queries and commits; the caller's runtime serves the network.
    pub query_threads: Arc<QueryThreads>,
}

/// Serves Flight SQL on `listeners` until `shutdown` completes, then stops in good order: no new connections or calls; the
/// calls under way have [`Limits::drain_timeout`] to finish and are then ended with `UNAVAILABLE`; commits that have begun
/// by then are waited for, within bounds.
///
/// Fails if it cannot start, and on errors of the listeners themselves; no client can make it fail.
pub async fn serve(
    listeners: Vec<TcpListener>,
    parts: ServerParts,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let limits = Arc::new(parts.limits);
    let authenticator = parts.authenticator;
    let engine = Arc::clone(&parts.engine);
    let service = Service::new(
        parts.engine,
        Arc::clone(&authenticator),
        parts.query_threads,
        Arc::clone(&limits),
    )?;
    let service = Arc::new(service);
    let guard = Guard::new(authenticator, Router::new(Arc::clone(&service)), &limits);

    let close = Cancel::new();
    let config = parts.tls.as_ref().map(|tls| tls.server_config(&["h2"])).transpose()?;
    let incoming = Incoming::listen(
        listeners,
        config,
        &limits,
        Some(limits.connection_anonymous_max),
        &close,
    )
    .map_err(|error| Error::Serve(error.to_string()))?;
    let renewal = tokio::spawn(renew(parts.tls));

    let stop = Cancel::new();
    let drain = drain(Arc::clone(&service), stop.clone(), close);
    let signal = async move {
        shutdown.await;
        stop.cancel();
    };
    let serving = builder(&limits).serve_with_incoming_shutdown(guard, incoming, signal);
    tokio::pin!(serving, drain);
    let served = tokio::select! {
        served = &mut serving => served,
        // the connections are closed now, so that serving ends
        () = &mut drain => serving.await,
    };
    renewal.abort();
    if tokio::time::timeout(COMMITS_WAIT_MAX, engine.finish_writes())
        .await
        .is_err()
    {
        // as after a crash: what the ledger ratified is published at the next start
        tracing::error!("commits under way did not end in time, the next start recovers them");
    }
    served.map_err(|error| Error::Serve(error.to_string()))
}

/// Every limit that the HTTP server knows, set. The age has no grace period: with one, tonic 0.14 cuts connections at age
/// plus grace without asking them to close before.
fn builder(limits: &Limits) -> Server {
    Server::builder()
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_frame_size(limits.frame_bytes_max)
        .http2_max_header_list_size(limits.header_list_bytes_max)
        .http2_keepalive_interval(Some(limits.ping_interval))
        .http2_keepalive_timeout(Some(limits.ping_timeout))
        .max_connection_age(limits.connection_age_max)
}

/// After the signal to stop: ends what has not finished in time, then the connections.
async fn drain(service: Arc<Service>, stop: Cancel, close: Cancel) {
    stop.cancelled().await;
    tokio::time::sleep(service.limits.drain_timeout).await;
    service.stopping.cancel();
    tokio::time::sleep(FAREWELL).await;
    close.cancel();
}

async fn renew(tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else { return };
    let mut ticks = tokio::time::interval(RENEWAL_CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let renewing = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || renewing.renew()).await {
            Ok(Ok(true)) => tracing::info!("the server's certificate was replaced, it neared its expiry"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the server's certificate nears its expiry and cannot be replaced")
            }
            Err(_) => return,
        }
    }
}
