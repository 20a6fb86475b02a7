//! A whole node in one process: ledger, lake, engine, service.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dab_flight::{Authenticator, QueryThreads, ServerParts, Tls, Users, WitnessUrl, add_router, serve, serve_audit};
use dab_ledger::clock::SystemClock;
use dab_ledger::epoch::WitnessAt;
use dab_ledger::members::Member;
use dab_ledger::node::{Node, NodeConfig};
use dab_ledger::witness::WitnessHttp;
use dab_proof::files::DirSource;
use dab_query::Engine;
use dab_storage::{Lake, Ledger, PublicCopy, Sharing};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::{LimitArgs, ListenArgs, ReplicaArgs, WitnessCaArg};
use crate::data_dir::DataDir;
use crate::public_copy::PublicCopyHealth;

/// Time within which the other replicas are usually there; then it is said that they are waited for.
const QUIET_WAIT: Duration = Duration::from_secs(3);

/// How often a replica looks for commits that another has left behind. One is published when two looks have seen it.
const ROLL_FORWARD_INTERVAL: Duration = Duration::from_secs(10);

/// How long a node that stops takes at most to bring the public copy up. What it leaves, the next start does.
const COPY_WAIT_MAX: Duration = Duration::from_secs(10);

/// A running node.
pub(crate) struct RunningNode {
    /// Where Flight SQL is served.
    pub(crate) url: String,
    /// Where the ledger's public files and health are served, and data that is not DAB's is taken.
    pub(crate) audit_url: String,
    /// Whose signatures make a checkpoint certified, in words.
    pub(crate) certified_by: String,
    dir: DataDir,
    ledger: Arc<Node>,
    public_copy: Arc<PublicCopy>,
    stop: watch::Sender<bool>,
    services: Vec<JoinHandle<Result<(), dab_flight::Error>>>,
}

impl RunningNode {
    /// Starts a node in a directory: keys and certificates at the first start, recovery at every other. A replica waits for
    /// a quorum first.
    pub(crate) async fn start(
        dir: &DataDir,
        listen: &ListenArgs,
        limits: &LimitArgs,
        replica: &ReplicaArgs,
    ) -> Result<Self> {
        if listen.insecure_loopback {
            refuse_open_plaintext(&[listen.listen, listen.audit_listen])?;
        }
        if dir.is_replica() && replica.tables.is_none() {
            bail!("a replica shares its tables with the others: name their folder with --tables");
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
        ask_witnesses(&ledger, &replica.witness_ca)?;
        join(&ledger, replica.peer_listen).await?;
        let parts = Ledger {
            notary: ledger.clone(),
            reader: ledger.clone(),
            writer: Arc::new(ledger.writer().clone()),
        };
        let (root, sharing) = table_root(dir, replica.tables.as_deref(), ledger.member())?;
        let lake = Lake::open(&root, parts.clone(), sharing)
            .await
            .context("cannot open the tables")?;
        let public_copy = open_public_copy(&root, &ledger)?;
        let engine = Engine::new(lake.clone(), limits.to_limits()).context("cannot start the query engine")?;

        let tls = Tls::open(dir.path(), &listen.hosts).context("cannot open the certificates")?;
        let users = Arc::new(Users::open(dir.path()).context("cannot open the users")?);
        let tls = (!listen.insecure_loopback).then_some(tls);

        let (stop, stopped) = watch::channel(false);
        let url = url_of("grpc", "grpc+tls", &flight, tls.is_some())?;
        let audit_url = url_of("http", "https", &audit, tls.is_some())?;
        let query_threads = QueryThreads::start(threads()).context("cannot start the query engine")?;
        let service_limits = dab_flight::Limits::default();
        let authenticator = Arc::new(Authenticator::new(users, &service_limits)?);
        let routes = dab_ledger::http::router(
            dir.public(),
            ledger.clone(),
            vec![query_threads.clone(), Arc::new(PublicCopyHealth(public_copy.clone()))],
        )
        .merge(add_router(authenticator.clone(), parts, &service_limits));
        let audit_tls = tls.clone();
        let audit_limits = service_limits.clone();
        let (audit_stopped, rolling_stopped) = (wait(stopped.clone()), stopped.clone());
        let (copy, copy_stopped) = (public_copy.clone(), wait(stopped.clone()));
        let parts = ServerParts {
            engine,
            authenticator,
            tls,
            limits: service_limits,
            query_threads,
        };
        let mut services = vec![
            tokio::spawn(serve(vec![flight], parts, wait(stopped))),
            tokio::spawn(
                async move { serve_audit(vec![audit], routes, audit_tls, &audit_limits, audit_stopped).await },
            ),
        ];
        services.push(tokio::spawn(async move {
            copy.follow(copy_stopped).await;
            Ok(())
        }));
        if ledger.member().is_some() {
            services.push(tokio::spawn(roll_forward(lake, wait(rolling_stopped))));
        }
        Ok(Self {
            url,
            audit_url,
            certified_by: certified_by(&ledger),
            dir: dir.clone(),
            ledger,
            public_copy,
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
        match tokio::time::timeout(COPY_WAIT_MAX, self.public_copy.catch_up()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the public copy is left behind"),
            Err(_) => tracing::warn!("the public copy is left behind: the table root is too slow"),
        }
        self.ledger.stop().await.context("cannot close the ledger")?;
        Ok(())
    }
}

/// Has the witnesses that the policy names cosign from now on, whoever comes and goes.
fn ask_witnesses(ledger: &Node, ca: &WitnessCaArg) -> Result<()> {
    let ca = ca.read()?;
    let reach = move |witness: &WitnessAt| {
        let http = WitnessUrl::new(&witness.url, ca.as_deref());
        http.map(|http| Arc::new(http) as Arc<dyn WitnessHttp>)
            .map_err(|error| error.to_string())
    };
    // what an operator has written can be written better; what a ledger has agreed on shall not keep its replicas away
    if ledger.member().is_none() {
        for witness in WitnessAt::all_of(&ledger.trust().policy) {
            reach(&witness).map_err(anyhow::Error::msg)?;
        }
    }
    ledger.ask_witnesses(Arc::new(reach), Arc::new(SystemClock));
    Ok(())
}

/// Connects a replica to the others and waits for a quorum of them.
async fn join(ledger: &Node, peer_listen: Option<SocketAddr>) -> Result<()> {
    let Some(member) = ledger.member() else {
        if peer_listen.is_some() {
            bail!("--peer-listen is for replicas, and this node is nobody's: see `dab node --help`");
        }
        return Ok(());
    };
    let address = &member.is.address;
    let address = match peer_listen {
        Some(address) => address,
        None => tokio::net::lookup_host(address)
            .await
            .with_context(|| format!("cannot look up {address}, where the other replicas look for this one"))?
            .next()
            .with_context(|| format!("{address}, where the other replicas look for this one, has no address"))?,
    };
    ledger.connect(bind(address, "--peer-listen").await?).await?;
    let ready = ledger.ready();
    tokio::pin!(ready);
    match tokio::time::timeout(QUIET_WAIT, &mut ready).await {
        Ok(ready) => ready?,
        Err(_) => {
            eprintln!("{} waits for a quorum of the other replicas", member.is.name);
            ready.await?;
        }
    }
    Ok(())
}

/// Where the tables lie, and who works there.
fn table_root(dir: &DataDir, tables: Option<&Path>, member: Option<&Member>) -> Result<(PathBuf, Sharing)> {
    match (tables, member) {
        (Some(tables), Some(_)) => Ok((tables.to_owned(), Sharing::WithOtherNodes)),
        (Some(_), None) => bail!("--tables is for replicas, and this node is nobody's: see `dab node --help`"),
        (None, None) => {
            dir.make_tables()?;
            Ok((dir.tables(), Sharing::Alone))
        }
        (None, Some(_)) => bail!("a replica has no tables of its own"),
    }
}

fn open_public_copy(root: &Path, ledger: &Arc<Node>) -> Result<Arc<PublicCopy>> {
    let files = Arc::new(DirSource::new(ledger.public_dir()));
    let members = Arc::clone(ledger);
    let policy = Box::new(move || members.trust().policy.clone());
    PublicCopy::in_folder(root, files, ledger.clone(), policy)
        .context("cannot open the table root for the ledger's public copy")
}

/// Publishes what another node had ratified and left behind, now and then.
async fn roll_forward(lake: Arc<Lake>, stopped: impl Future<Output = ()>) -> Result<(), dab_flight::Error> {
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = tokio::time::sleep(ROLL_FORWARD_INTERVAL) => {}
        }
        let rolled = tokio::select! {
            () = &mut stopped => return Ok(()),
            rolled = lake.roll_forward() => rolled,
        };
        if let Err(error) = rolled {
            // without a quorum nobody knows what is ratified
            tracing::debug!(%error, "cannot look for commits that were left behind");
        }
    }
}

fn certified_by(ledger: &Node) -> String {
    let trust = ledger.trust();
    let policy = &trust.policy;
    let replicas = match ledger.members() {
        None if policy.needs_no_cosigner() => {
            return "certifies alone: this node's signature only, no independent cosigner".to_owned();
        }
        None => "certified by this node".to_owned(),
        Some(members) => format!(
            "certified by {} of its {} replicas, of which {} may be faulty",
            members.quorum(),
            members.count(),
            members.faulty_max()
        ),
    };
    match policy.needs_outside() {
        false => replicas,
        true => format!("{replicas}; besides, {}", policy.outside_in_words()),
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
