//! `/health`: is the node well, how far is its ledger, who certifies.
//!
//! ```text
//! status              the worst of the parts: "ok", "busy" (200) or "failed" (503)
//! parts               each part's own status: the ledger's, and those that the binary names
//! origin              the ledger's name
//! size, root          of the last checkpoint
//! checkpoint_unix_ms  when it was issued
//! certifies_alone     whether the policy asks for no cosigner
//! quorum              the policy's
//! figures             what parts tell besides, each under its name; left out where none does
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dab_proof::leaf::Subject;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::NO_CACHE;
use crate::Error;
use crate::reader::LedgerReader;

/// The node is asked for its health at most this often: anybody may ask, and each look takes a place in the ledger's queue.
const INTERVAL: Duration = Duration::from_secs(1);

/// The longest that a part may take to answer: whoever supervises the node needs an answer most when a part has none.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A part of the node beside the ledger, whose health is told too.
#[async_trait]
pub trait Part: Send + Sync {
    /// Its name in the answer.
    fn name(&self) -> &'static str;

    /// Does something small where the part does its work. `false` when it cannot any more. A part that takes long counts
    /// as busy.
    async fn works(&self) -> bool;

    /// Whether it works and lags behind, so that somebody should look: it then counts as busy.
    async fn lags(&self) -> bool {
        false
    }

    /// What else is told of it.
    async fn figures(&self) -> Option<Value> {
        None
    }
}

/// How well a part is; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok,
    Busy,
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone)]
struct Node {
    ledger: Arc<dyn LedgerReader>,
    parts: Vec<Arc<dyn Part>>,
    interval: Duration,
    part_wait_max: Duration,
    /// The last look and its time. Whoever asks meanwhile waits for the same look.
    last: Arc<Mutex<Option<(Instant, Health)>>>,
}

#[derive(Clone)]
struct Health {
    code: StatusCode,
    body: String,
}

pub(super) fn router(ledger: Arc<dyn LedgerReader>, parts: Vec<Arc<dyn Part>>) -> Router {
    let node = Node {
        ledger,
        parts,
        interval: INTERVAL,
        part_wait_max: WAIT_MAX,
        last: Arc::default(),
    };
    Router::new().route("/health", get(health)).with_state(node)
}

async fn health(State(node): State<Node>) -> Response {
    let mut last = node.last.lock().await;
    let health = match &*last {
        Some((at, health)) if at.elapsed() < node.interval => health.clone(),
        _ => {
            let health = look(&node).await;
            *last = Some((Instant::now(), health.clone()));
            health
        }
    };
    drop(last);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, NO_CACHE),
    ];
    (health.code, headers, health.body).into_response()
}

async fn look(node: &Node) -> Health {
    let (ledger, others) = tokio::join!(ledger_status(node), part_statuses(node));
    let statuses: Map<_, _> = std::iter::once(("ledger", ledger))
        .chain(others.iter().copied())
        .map(|(name, status)| (name.to_owned(), json!(status.word())))
        .collect();
    let worst = others.iter().map(|(_, status)| *status).fold(ledger, Status::max);
    let figures = part_figures(node).await;

    let certified = node.ledger.certified().await;
    let checkpoint = node.ledger.checkpoint().await.ok();
    let issued = node.ledger.checkpoints().await.last().map(|issued| issued.unix_ms);
    let mut body = json!({
        "status": worst.word(),
        "parts": statuses,
        "origin": node.ledger.origin(),
        "size": certified.size.0,
        "root": checkpoint.map(|signed| signed.checkpoint().root.to_string()),
        "checkpoint_unix_ms": issued,
        "certifies_alone": certified.certifies_alone,
        "quorum": certified.quorum,
    });
    if !figures.is_empty() {
        body["figures"] = Value::Object(figures);
    }
    let code = match worst {
        Status::Failed => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ok | Status::Busy => StatusCode::OK,
    };
    let body = format!("{body}\n");
    Health { code, body }
}

async fn ledger_status(node: &Node) -> Status {
    // a linearizable read answers only when the raft thread lives
    let subject = Subject::catalog();
    match tokio::time::timeout(WAIT_MAX, node.ledger.head(&subject)).await {
        Ok(Ok(_)) => Status::Ok,
        // it will catch up, and asking again does not help it
        Ok(Err(Error::Busy { .. } | Error::NoLeader | Error::NoQuorum)) => Status::Busy,
        Ok(Err(_)) | Err(_) => Status::Failed,
    }
}

async fn part_statuses(node: &Node) -> Vec<(&'static str, Status)> {
    let mut looks = JoinSet::new();
    for part in &node.parts {
        let (part, wait_max) = (Arc::clone(part), node.part_wait_max);
        looks.spawn(async move {
            let status = match tokio::time::timeout(wait_max, part.works()).await {
                Ok(true) if part.lags().await => Status::Busy,
                Ok(true) => Status::Ok,
                Ok(false) => Status::Failed,
                // It may just have much to do, and a supervisor that restarts the node for that ends all of it.
                Err(_) => Status::Busy,
            };
            (part.name(), status)
        });
    }
    looks.join_all().await
}

async fn part_figures(node: &Node) -> Map<String, Value> {
    let mut figures = Map::new();
    for part in &node.parts {
        if let Some(told) = part.figures().await {
            figures.insert(part.name().to_owned(), told);
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node as Ledger, NodeConfig};

    async fn ask(node: &Node) -> (StatusCode, serde_json::Value) {
        let answer = health(State(node.clone())).await;
        let code = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        (code, serde_json::from_slice(&body).unwrap())
    }

    fn node(ledger: &Arc<Ledger>, interval: Duration, parts: Vec<Arc<dyn Part>>) -> Node {
        Node {
            ledger: ledger.clone(),
            parts,
            interval,
            part_wait_max: Duration::from_millis(50),
            last: Arc::default(),
        }
    }

    /// Anybody may ask for the health, and each look takes a place in the queue that writers need.
    #[tokio::test]
    async fn those_who_ask_within_the_interval_share_one_look() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(NodeConfig::in_dir(dir.path())).unwrap();
        let shared = node(&ledger, Duration::MAX, vec![]);
        let fresh = node(&ledger, Duration::ZERO, vec![]);
        for node in [&shared, &fresh] {
            assert_eq!(ask(node).await.0, StatusCode::OK);
        }
        ledger.stop().await.unwrap();
        // a look of its own finds the node stopped
        assert_eq!(ask(&shared).await.0, StatusCode::OK);
        assert_eq!(ask(&fresh).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    /// A part that lags, and says by how much.
    struct Lagging;

    #[async_trait]
    impl Part for Lagging {
        fn name(&self) -> &'static str {
            "lagging"
        }

        async fn works(&self) -> bool {
            true
        }

        async fn lags(&self) -> bool {
            true
        }

        async fn figures(&self) -> Option<Value> {
            Some(json!({ "behind_ms": 7 }))
        }
    }

    #[tokio::test]
    async fn a_part_that_lags_is_busy_and_says_by_how_much() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(NodeConfig::in_dir(dir.path())).unwrap();
        let (code, health) = ask(&node(&ledger, Duration::ZERO, vec![Arc::new(Lagging)])).await;
        assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("busy")), "{health}");
        assert_eq!(health["parts"], json!({ "ledger": "ok", "lagging": "busy" }));
        assert_eq!(health["figures"], json!({ "lagging": { "behind_ms": 7 } }));
        assert_eq!(ask(&node(&ledger, Duration::ZERO, vec![])).await.1.get("figures"), None);
        ledger.stop().await.unwrap();
    }

    struct Told(&'static str, Option<bool>);

    #[async_trait]
    impl Part for Told {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn works(&self) -> bool {
            match self.1 {
                Some(works) => works,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test]
    async fn the_worst_part_decides_and_one_that_is_busy_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(NodeConfig::in_dir(dir.path())).unwrap();
        for (told, code, word) in [
            (Some(true), StatusCode::OK, "ok"),
            (None, StatusCode::OK, "busy"),
            (Some(false), StatusCode::SERVICE_UNAVAILABLE, "failed"),
        ] {
            let parts: Vec<Arc<dyn Part>> = vec![Arc::new(Told("well", Some(true))), Arc::new(Told("told", told))];
            let (found, health) = ask(&node(&ledger, Duration::ZERO, parts)).await;
            assert_eq!((found, health["status"].as_str()), (code, Some(word)), "{health}");
            assert_eq!(health["parts"]["told"], word, "{health}");
            assert_eq!(
                (&health["parts"]["well"], &health["parts"]["ledger"]),
                (&json!("ok"), &json!("ok"))
            );
        }
        ledger.stop().await.unwrap();
    }
}
