//! Replicas on the loopback, and others who would like to be.

mod files;
mod membership;
mod messages;
mod protocol;
mod strangers;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dab_proof::source::Source;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::client::TlsStream;

use super::frame::{self, Frame, Kind};
use super::hello::{Hello, Purpose};
use super::tls::{Pins, Tls, server_name};
use super::{Inbox, OwnReplica, Peer, PeerIdentity, PeerKey, PeerLimits, PeerStatus, ReplicaId, Transport};

/// What would take longer has failed. It is never waited for otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longer than any test: what is bounded by it does not fail because a machine is busy. A test in which one of the
/// bounds has to be met sets that one.
const NEVER: Duration = Duration::from_secs(3600);

const ORIGIN: &str = "dab/test";

/// Limits that let a test see soon what happens later.
fn limits() -> PeerLimits {
    PeerLimits {
        connect_max: NEVER,
        handshake_max: NEVER,
        silence_max: NEVER,
        frame_wait_max: NEVER,
        file_idle_max: NEVER,
        file_wait_max: NEVER,
        ping_interval: Duration::from_millis(50),
        reconnect_pause_min: Duration::from_millis(5),
        reconnect_pause_max: Duration::from_millis(50),
        ..PeerLimits::default()
    }
}

fn new_identity() -> PeerIdentity {
    let dir = tempfile::tempdir().unwrap();
    PeerIdentity::open(&dir.path().join("peer.key")).unwrap()
}

/// Waits for what must come.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

/// Waits until a condition holds that nobody announces.
async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Public files in memory.
#[derive(Default)]
struct Files {
    bytes: Mutex<HashMap<String, Vec<u8>>>,
    /// Reads of the one path that hangs until the other end of this is gone.
    hanging: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    hanging_reads: AtomicUsize,
}

const PANICS: &str = "tile/0/666";
const HANGS: &str = "tile/0/777";

impl Source for Files {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        assert_ne!(path, PANICS, "a planted panic");
        if path == HANGS {
            self.hanging_reads.fetch_add(1, Ordering::SeqCst);
            let _ = self.hanging.lock().as_ref().map(|gone| gone.recv());
        }
        Ok(self.bytes.lock().get(path).cloned())
    }
}

impl Files {
    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.bytes.lock().insert(path.to_owned(), bytes.into());
    }

    /// Lets reads of one path hang until what it gives back is dropped.
    fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (sender, receiver) = std::sync::mpsc::channel();
        *self.hanging.lock() = Some(receiver);
        sender
    }
}

struct Received {
    messages: mpsc::UnboundedSender<(ReplicaId, Bytes)>,
    unreachable: Mutex<Vec<ReplicaId>>,
}

impl Inbox for Received {
    fn receive(&self, from: ReplicaId, message: Bytes) {
        let _ = self.messages.send((from, message));
    }

    fn unreachable(&self, to: ReplicaId) {
        self.unreachable.lock().push(to);
    }
}

/// A replica that runs.
struct Replica {
    id: ReplicaId,
    identity: PeerIdentity,
    transport: Arc<Transport>,
    files: Arc<Files>,
    inbox: Arc<Received>,
    messages: mpsc::UnboundedReceiver<(ReplicaId, Bytes)>,
    stop: oneshot::Sender<()>,
    sent: u64,
}

impl Replica {
    async fn start(id: u64, limits: PeerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_as(id, new_identity(), listener, limits).await
    }

    async fn start_as(id: u64, identity: PeerIdentity, listener: TcpListener, limits: PeerLimits) -> Self {
        let id = ReplicaId(id);
        let (sender, messages) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let files = Arc::new(Files::default());
        let inbox = Arc::new(Received {
            messages: sender,
            unreachable: Mutex::default(),
        });
        let shutdown = async {
            let _ = stopped.await;
        };
        let own = OwnReplica {
            id,
            origin: ORIGIN.to_owned(),
            identity: identity.clone(),
        };
        let transport = Transport::start(own, listener, inbox.clone(), files.clone(), limits, shutdown);
        Self {
            id,
            identity,
            transport: transport.await.unwrap(),
            files,
            inbox,
            messages,
            stop,
            sent: 0,
        }
    }

    fn address(&self) -> SocketAddr {
        self.transport.address()
    }

    fn as_peer(&self) -> Peer {
        peer(self.id.0, self.address(), &self.identity)
    }

    fn status_of(&self, id: u64) -> PeerStatus {
        let status = self.transport.status();
        let found = status.into_iter().find(|status| status.id == ReplicaId(id));
        found.expect("a peer")
    }

    async fn received(&mut self) -> (ReplicaId, Bytes) {
        soon(self.messages.recv()).await.expect("the inbox is open")
    }

    /// Ends as a node does that is told to; gives back what it needs to start again.
    async fn stop(self) -> (PeerIdentity, SocketAddr) {
        let address = self.address();
        self.stop.send(()).unwrap();
        soon(self.transport.ended()).await;
        (self.identity, address)
    }

    /// A connection to this replica in the name of `identity`, TLS done and nothing said.
    async fn dial_as(&self, identity: &PeerIdentity) -> std::io::Result<TlsStream<TcpStream>> {
        let tls = Tls::new(identity.clone(), Arc::new(Nobody)).unwrap();
        let stream = TcpStream::connect(self.address()).await?;
        stream.set_nodelay(true)?;
        let connector = tls.connector(self.identity.key()).unwrap();
        connector.connect(server_name(), stream).await
    }

    /// The same, the hello of replica `from` accepted.
    async fn greet_as(&self, from: u64, identity: &PeerIdentity, purpose: Purpose) -> TlsStream<TcpStream> {
        let mut stream = self.dial_as(identity).await.unwrap();
        let hello = hello(from, self.id.0, purpose);
        frame::write(&mut stream, Kind::Hello, &hello.to_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.unwrap().kind, Kind::Welcome);
        stream
    }
}

fn peer(id: u64, address: SocketAddr, identity: &PeerIdentity) -> Peer {
    Peer {
        id: ReplicaId(id),
        address: address.to_string(),
        key: identity.key(),
    }
}

fn hello(from: u64, to: u64, purpose: Purpose) -> Hello {
    Hello {
        purpose,
        from: ReplicaId(from),
        to: ReplicaId(to),
        origin: ORIGIN.to_owned(),
    }
}

/// Makes these replicas, and `others`, peers of each other.
fn introduce(replicas: &[&Replica], others: &[Peer]) {
    let mut peers: Vec<Peer> = replicas.iter().map(|replica| replica.as_peer()).collect();
    peers.extend(others.iter().cloned());
    for replica in replicas {
        replica.transport.set_peers(peers.clone());
    }
}

/// A message of `from` reaches `to`. What arrives before is skipped; what is lost is sent again, as raft would.
async fn reaches(from: &mut Replica, to: &mut Replica) {
    from.sent += 1;
    let message = Bytes::from(format!("message {} of {}", from.sent, from.id));
    let arrives = async {
        loop {
            from.transport.send(to.id, message.clone());
            let again = tokio::time::sleep(Duration::from_millis(100));
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    received = to.messages.recv() => {
                        if received == Some((from.id, message.clone())) {
                            return;
                        }
                    }
                }
            }
        }
    };
    soon(arrives).await;
}

/// The next frame of a connection, of whatever kind a replica may send.
async fn answer(stream: &mut TlsStream<TcpStream>) -> Result<Frame, frame::FrameError> {
    let any = [
        (Kind::Welcome, 0),
        (Kind::Refused, 1024),
        (Kind::Message, 4 << 20),
        (Kind::Ping, 8),
        (Kind::Pong, 8),
        (Kind::File, 1 << 20),
        (Kind::NoFile, 0),
    ];
    soon(frame::read(stream, &any)).await
}

/// Whether the other side ended the connection.
async fn is_ended(stream: &mut TlsStream<TcpStream>) -> bool {
    matches!(answer(stream).await, Err(frame::FrameError::Io(_)))
}

#[derive(Debug)]
struct Nobody;

impl Pins for Nobody {
    fn is_pinned(&self, _key: &PeerKey) -> bool {
        false
    }
}

/// What a server pins that lets everybody in.
#[derive(Debug)]
struct Everybody;

impl Pins for Everybody {
    fn is_pinned(&self, _key: &PeerKey) -> bool {
        true
    }
}

/// A peer that keeps to the protocol as far as its test wants it to.
struct Puppet {
    identity: PeerIdentity,
    listener: TcpListener,
}

impl Puppet {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let identity = new_identity();
        Self { identity, listener }
    }

    fn as_peer(&self, id: u64) -> Peer {
        peer(id, self.listener.local_addr().unwrap(), &self.identity)
    }

    /// The next connection that somebody makes, hello read and welcomed. Those that come to nothing are skipped.
    async fn accept(&self) -> (tokio_rustls::server::TlsStream<TcpStream>, Hello) {
        let tls = Tls::new(self.identity.clone(), Arc::new(Everybody)).unwrap();
        let accepting = async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let Ok(mut stream) = tls.acceptor().accept(stream).await else {
                    continue;
                };
                let Ok(hello) = frame::read(&mut stream, &[(Kind::Hello, 512)]).await else {
                    continue;
                };
                if frame::write(&mut stream, Kind::Welcome, &[]).await.is_ok() {
                    return (stream, Hello::from_bytes(&hello.payload).unwrap());
                }
            }
        };
        soon(accepting).await
    }

    /// Connections that are made for files, as they come; those for messages are kept open and left alone.
    fn serve_files(self) -> mpsc::UnboundedReceiver<tokio_rustls::server::TlsStream<TcpStream>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (stream, hello) = self.accept().await;
                match hello.purpose {
                    Purpose::Messages => kept.push(stream),
                    Purpose::Files => {
                        if sender.send(stream).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        receiver
    }
}

/// Numbers that a seed decides (xorshift64*).
struct Seeded(u64);

impl Seeded {
    /// A seed from the system, which a failing test prints.
    fn new() -> Self {
        let seed = getrandom::u64().unwrap() | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}
