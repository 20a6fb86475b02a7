//! The audit port: static files for auditors, the node's health, and the door for data that is not DAB's, over HTTPS with
//! the certificate of the service.

use std::{future::Future, sync::Arc};

use futures::StreamExt;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet};
use tower::Service;

use crate::{
    Error, Limits, Tls,
    add_http::ClientAddress,
    cancel::Cancel,
    listener::{Connection, Incoming, client_of},
};

/// Serves `routes` (those of `dab_ledger::http::router` and [`crate::add_router`], for instance) on `listeners` until
/// `shutdown` completes; requests under way may finish within [`Limits::drain_timeout`]. Without `tls` it serves plaintext:
/// somebody on the way can change the files, and read passwords sent to `/add`, so that the listeners must be on loopback.
pub async fn serve_audit(
    listeners: Vec<TcpListener>,
    routes: axum::Router,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let config = tls.as_ref().map(|tls| tls.server_config(&["http/1.1"])).transpose()?;
    serve_http(listeners, routes, config, limits, shutdown).await
}

/// [`serve_audit`] for whoever has a TLS configuration of another make, such as [`crate::tls::config_of_files`].
pub async fn serve_http(
    listeners: Vec<TcpListener>,
    routes: axum::Router,
    config: Option<Arc<rustls::ServerConfig>>,
    limits: &Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let (stop, close) = (Cancel::new(), Cancel::new());
    let mut incoming = Incoming::listen(listeners, config, limits, Some(limits.audit_connection_age_max), &close)
        .map_err(|error| Error::Serve(error.to_string()))?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.audit_header_timeout)
        .max_header_size(limits.header_list_bytes_max as usize);

    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(Ok(connection)) = incoming.next() => {
                connections.spawn(serve_one(http.clone(), connection, routes.clone(), stop.clone()));
            }
            // those that have ended are let go
            Some(_) = connections.join_next() => {}
        }
    }
    drop(incoming);
    stop.cancel();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        // whoever does not read what it asked for must not keep the node from stopping
        close.cancel();
        connections.shutdown().await;
    }
    Ok(())
}

/// Answers the requests of one connection. After the signal to stop it ends with the request under way.
async fn serve_one(http: http1::Builder, connection: Connection, routes: axum::Router, stop: Cancel) {
    let peer = connection.address();
    let client = ClientAddress(client_of(peer.ip()));
    let told = tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(client);
        // always ready, and cheap to clone
        routes.clone().call(request)
    });
    let serving = http.serve_connection(TokioIo::new(connection), TowerToHyperService::new(told));
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection to the audit port broke off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

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

    /// Whoever sends a byte now and then is never idle, and would keep a place for as long as a connection may live.
    #[tokio::test]
    async fn a_client_that_never_finishes_its_headers_loses_its_connection() {
        let limits = Limits {
            audit_header_timeout: Duration::from_millis(300),
            ..Limits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = axum::Router::new().route("/", get(|| async { "here" }));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            serve_audit(vec![listener], routes, None, &limits, async { drop(stopped.await) }).await
        });

        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        let (mut answer, mut sender) = slow.into_split();
        let trickle = tokio::spawn(async move {
            while sender.write_all(b"x: y\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut said = Vec::new();
        // a reset ends it as well: the server has closed with bytes of the client's unread
        let closed = tokio::time::timeout(Duration::from_secs(60), answer.read_to_end(&mut said)).await;
        assert!(closed.is_ok(), "not kept until its age");
        assert_eq!(said, b"", "closed without an answer");
        trickle.await.unwrap();

        let mut quick = TcpStream::connect(address).await.unwrap();
        quick
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut said = String::new();
        quick.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("here"), "{said}");
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }

    /// A client that asks for much and reads none of it: its connection waits to write, and nothing is read from it.
    async fn asks_and_never_reads(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        for _ in 0..64 {
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        }
        client
    }

    #[tokio::test]
    async fn a_client_that_never_reads_ends_with_its_age_and_does_not_hold_up_the_stop() {
        for (age_max, stops) in [(Duration::from_millis(300), false), (Duration::from_secs(3600), true)] {
            let limits = Limits {
                audit_connection_age_max: age_max,
                drain_timeout: Duration::from_millis(100),
                ..Limits::default()
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let routes = axum::Router::new().route("/", get(|| async { vec![0_u8; 4 << 20] }));
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let server = tokio::spawn(async move {
                serve_audit(vec![listener], routes, None, &limits, async { drop(stopped.await) }).await
            });
            let mut client = asks_and_never_reads(address).await;
            if !stops {
                // it learns that the other side is gone by what it can no longer send
                let gone = async {
                    while client.write_all(b"x").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                assert!(
                    tokio::time::timeout(Duration::from_secs(60), gone).await.is_ok(),
                    "kept beyond its age"
                );
            }
            stop.send(()).unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(60), server).await;
            ended.expect("the stop waits for it").unwrap().unwrap();
        }
    }
}
