//! A whole node in one process: ledger, lake, engine, service.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use dab_flight::{QueryThreads, ServerParts, Tls, Users, serve, serve_audit};
use dab_ledger::node::{Node, NodeConfig};
use dab_query::Engine;
use dab_storage::{Lake, Ledger};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::{LimitArgs, ListenArgs};
use crate::data_dir::DataDir;

/// A running node.
pub(crate) struct RunningNode {
    /// Where Flight SQL is served.
    pub(crate) url: String,
    /// Where the ledger's public files and health are served.
    pub(crate) audit_url: String,
    dir: DataDir,
    ledger: Arc<Node>,
    stop: watch::Sender<bool>,
    services: Vec<JoinHandle<Result<(), dab_flight::Error>>>,
}

impl RunningNode {
    /// Starts a node in a directory: keys and certificates at the first start, recovery at every other.
    pub(crate) async fn start(dir: &DataDir, listen: &ListenArgs, limits: &LimitArgs) -> Result<Self> {
        if listen.insecure_loopback {
            refuse_open_plaintext(&[listen.listen, listen.audit_listen])?;
        }
        // Before anything is opened: a taken port is the most likely mistake.
        let flight = bind(listen.listen, "--listen").await?;
        let audit = bind(listen.audit_listen, "--audit-listen").await?;

        // The address of a node that was killed must be gone before this one holds the lock, or clients take it for ours.
        if !dab_ledger::node::is_running(&dir.private())? {
            dir.retract();
        }
        let config = NodeConfig::in_dir(dir.path());
        let ledger = tokio::task::spawn_blocking(move || Node::start(config))
            .await?
            .context("cannot start the ledger")?;
        // And once more with the lock: the other may have died in between.
        dir.retract();
        let parts = Ledger {
            notary: ledger.clone(),
            reader: ledger.clone(),
            writer: Arc::new(ledger.writer().clone()),
        };
        dir.make_tables()?;
        let lake = Lake::open(&dir.tables(), parts)
            .await
            .context("cannot open the tables")?;
        let engine = Engine::new(lake, limits.to_limits()).context("cannot start the query engine")?;

        let tls = Tls::open(dir.path(), &listen.hosts).context("cannot open the certificates")?;
        let users = Arc::new(Users::open(dir.path()).context("cannot open the users")?);
        let tls = (!listen.insecure_loopback).then_some(tls);

        let (stop, stopped) = watch::channel(false);
        let url = url_of("grpc", "grpc+tls", &flight, tls.is_some())?;
        let audit_url = url_of("http", "https", &audit, tls.is_some())?;
        let query_threads = QueryThreads::start(threads()).context("cannot start the query engine")?;
        let routes = dab_ledger::http::router(dir.public(), ledger.clone(), vec![query_threads.clone()]);
        let service_limits = dab_flight::Limits::default();
        let audit_tls = tls.clone();
        let audit_limits = service_limits.clone();
        let audit_stopped = wait(stopped.clone());
        let parts = ServerParts {
            engine,
            users,
            tls,
            limits: service_limits,
            query_threads,
        };
        let services = vec![
            tokio::spawn(serve(vec![flight], parts, wait(stopped))),
            tokio::spawn(
                async move { serve_audit(vec![audit], routes, audit_tls, &audit_limits, audit_stopped).await },
            ),
        ];
        Ok(Self {
            url,
            audit_url,
            dir: dir.clone(),
            ledger,
            stop,
            services,
        })
    }

    /// Lets other commands find the node. One that lives for a single command stays unnamed: it would end under them.
    pub(crate) fn announce(&self) -> Result<()> {
        self.dir.announce(&self.url)
    }

    /// Waits until the ledger fails or a service ends by itself, which only a fault makes it do. The node then answers
    /// nothing new any more, and nobody shall be sent to it.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            error = self.ledger.failed() => {
                anyhow::Error::from(error).context("the ledger failed, restart the node when its cause is gone")
            }
            (ended, ..) = futures::future::select_all(&mut self.services) => match ended {
                Ok(Ok(())) => anyhow::anyhow!("the service ended"),
                Ok(Err(error)) => error.into(),
                Err(error) => error.into(),
            },
        };
        self.dir.retract();
        ended
    }

    /// Stops serving, lets what is under way finish, and closes the ledger.
    pub(crate) async fn stop(self) -> Result<()> {
        self.dir.retract();
        self.stop.send_replace(true);
        for service in self.services {
            if !service.is_finished() {
                service.await??;
            }
        }
        self.ledger.stop().await.context("cannot close the ledger")?;
        Ok(())
    }
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // A dropped sender means the same as a stop.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is another node running? choose another with {option}"))
}

/// The address as clients use it. The certificate names localhost, so a loopback address is written that way.
fn url_of(plain: &str, encrypted: &str, listener: &TcpListener, tls: bool) -> Result<String> {
    let address = listener.local_addr()?;
    let scheme = if tls { encrypted } else { plain };
    match address.ip().is_loopback() || address.ip().is_unspecified() {
        true if address.is_ipv4() => Ok(format!("{scheme}://127.0.0.1:{}", address.port())),
        true => Ok(format!("{scheme}://localhost:{}", address.port())),
        false => Ok(format!("{scheme}://{address}")),
    }
}

fn refuse_open_plaintext(addresses: &[SocketAddr]) -> Result<()> {
    if let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback()) {
        bail!(
            "--insecure-loopback serves passwords and data unencrypted, so not on {open}: only on 127.0.0.1 or [::1]"
        );
    }
    Ok(())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
