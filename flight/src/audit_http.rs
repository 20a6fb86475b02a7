//! The audit port: static files for auditors and the node's health, over HTTPS with the certificate of the service.

use std::{future::Future, sync::Arc};

use tokio::net::TcpListener;

use crate::{Error, Limits, Tls, cancel::Cancel, listener::Incoming};

/// Serves `routes` (those of `dab_ledger::http::router`, for instance) on `listeners` until `shutdown` completes; requests
/// under way may finish within [`Limits::drain_timeout`]. Without `tls` it serves plaintext, which reveals nothing, since all
/// it serves is public, but lets somebody on the way change it.
pub async fn serve_audit(
    listeners: Vec<TcpListener>,
    routes: axum::Router,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Serve(error.to_string());
    let close = Cancel::new();
    let config = tls.as_ref().map(|tls| tls.server_config(&["http/1.1"])).transpose()?;
    let incoming =
        Incoming::listen(listeners, config, limits, Some(limits.audit_connection_age_max), &close).map_err(failed)?;
    let (drain_timeout, stop) = (limits.drain_timeout, Cancel::new());
    let stopped = stop.clone();
    let signal = async move {
        shutdown.await;
        stop.cancel();
    };
    tokio::spawn(async move {
        stopped.cancelled().await;
        tokio::time::sleep(drain_timeout).await;
        close.cancel();
    });
    axum::serve(incoming, routes)
        .with_graceful_shutdown(signal)
        .await
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;

    #[tokio::test]
    async fn files_are_served_under_the_certificate_of_the_service() {
        crate::install_crypto();
        let dir = tempfile::tempdir().unwrap();
        let tls = Tls::open(dir.path(), &[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/checkpoint", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let routes = axum::Router::new().route("/checkpoint", get(|| async { "origin\n1\nroot\n" }));
        let (config, limits) = (Some(Arc::clone(&tls)), Limits::default());
        let server = tokio::spawn(async move {
            serve_audit(vec![listener], routes, config, &limits, async { drop(stopped.await) }).await
        });
        let ca = reqwest::Certificate::from_pem(tls.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().add_root_certificate(ca).build().unwrap();
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (200, "origin\n1\nroot\n")
        );
        drop(client);
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }
}
