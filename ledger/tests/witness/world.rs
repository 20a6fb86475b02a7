//! A witness on port 0, a ledger in memory whose key is at hand, and requests as raw bytes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use dab_ledger::clock::Clock;
use dab_ledger::witness::{AddCheckpoint, HttpAnswer, Witness, WitnessConfig, WitnessHttp, router};
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::leaf::Subject;
use dab_proof::note::VerifierKey;
use dab_proof::testing::TinyLedger;
use dab_proof::tree::TreeSize;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const NOW_UNIX_S: u64 = 1_800_000_000;

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn at(unix_s: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(unix_s)))
    }

    pub(crate) fn set(&self, unix_s: u64) {
        self.0.store(unix_s, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
}

/// A witness that serves.
pub(crate) struct World {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) clock: Arc<HandClock>,
    logs: Vec<VerifierKey>,
    running: Option<Running>,
}

struct Running {
    witness: Arc<Witness>,
    server: JoinHandle<()>,
    http: RawHttp,
}

/// Requests to one address, each on a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct RawHttp(pub(crate) SocketAddr);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn start(logs: Vec<VerifierKey>) -> Self {
        let mut world = Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            clock: HandClock::at(NOW_UNIX_S),
            logs,
            running: None,
        };
        world.restart().await;
        world
    }

    /// For the ledgers of tests, which all have one key.
    pub(crate) async fn for_tiny_ledgers() -> Self {
        Self::start(vec![TinyLedger::new().log.verifier().clone()]).await
    }

    pub(crate) fn open(&self) -> Result<Witness, dab_ledger::Error> {
        Witness::open(WitnessConfig {
            dir: self.state(),
            name: Some("witness.example/w1".to_owned()),
            logs: self.logs.clone(),
            clock: self.clock.clone(),
        })
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Ends the process's part of it at once, as a crash would: nothing is flushed or said farewell to.
    pub(crate) async fn crash(&mut self) {
        let Some(Running { witness, server, .. }) = self.running.take() else {
            return;
        };
        server.abort();
        let _ = server.await;
        Arc::into_inner(witness).expect("nobody else holds the witness");
    }

    pub(crate) async fn restart(&mut self) {
        self.crash().await;
        let witness = Arc::new(self.open().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = RawHttp(listener.local_addr().unwrap());
        let routes = router(witness.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        self.running = Some(Running { witness, server, http });
    }

    pub(crate) fn witness(&self) -> &Arc<Witness> {
        &self.running.as_ref().expect("it runs").witness
    }

    pub(crate) fn http(&self) -> &RawHttp {
        &self.running.as_ref().expect("it runs").http
    }

    pub(crate) async fn post(&self, request: &AddCheckpoint) -> Told {
        self.http().send("POST", "/add-checkpoint", &request.to_bytes()).await
    }

    /// The size and root that it says it cosigned last.
    pub(crate) async fn latest(&self) -> Option<SignedCheckpoint> {
        let log = log_hash(self.logs[0].name());
        let told = self.http().send("GET", &format!("/{log}/checkpoint"), b"").await;
        (told.status == 200).then(|| SignedCheckpoint::parse(told.body.as_bytes()).unwrap())
    }
}

impl RawHttp {
    pub(crate) async fn send(&self, method: &str, path: &str, body: &[u8]) -> Told {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        // a server that has heard enough closes before all is sent
        let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
                .to_owned()
        };
        Told {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: header("content-type: "),
            body: body.to_owned(),
        }
    }
}

#[async_trait]
impl WitnessHttp for RawHttp {
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String> {
        let told = self.send("POST", "/add-checkpoint", &body).await;
        Ok(HttpAnswer {
            status: told.status,
            body: told.body.into_bytes(),
        })
    }
}

pub(crate) fn log_hash(origin: &str) -> String {
    // the digest of a body is the plain SHA-256 of its bytes
    Hash::from_bytes(dab_proof::leaf::BodyDigest::of(origin.as_bytes()).sha256).to_hex()
}

/// A ledger of `size` leaves that all say `word`.
pub(crate) fn ledger(size: u64, word: &str) -> TinyLedger {
    let mut ledger = TinyLedger::new();
    for leaf in 0..size {
        ledger.append(&Subject::catalog(), format!("{word} {leaf}").as_bytes(), None, "WRITE");
    }
    ledger
}

/// The request that brings a witness from one size of the ledger to another.
pub(crate) fn request(ledger: &TinyLedger, old: u64, new: u64) -> AddCheckpoint {
    AddCheckpoint {
        old: TreeSize(old),
        proof: ledger.consistency(TreeSize(old), TreeSize(new)),
        checkpoint: ledger.checkpoint_at(TreeSize(new)),
    }
}

/// No file or folder from `path` downwards is open to others than its owner.
pub(crate) fn assert_closed(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    let mode = metadata.permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    if metadata.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| assert_closed(&entry.unwrap().path()));
    }
}
