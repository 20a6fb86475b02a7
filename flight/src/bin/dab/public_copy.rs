//! The public copy as a part of the node, in `/health`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dab_ledger::http::Part;
use dab_storage::PublicCopy;
use serde_json::{Value, json};

/// How far behind the copy may be before somebody should look: longer than the nodes leave it to each other.
const LAG_MAX: Duration = Duration::from_secs(30);

/// Tells how far the copy follows.
pub(crate) struct PublicCopyHealth(pub(crate) Arc<PublicCopy>);

#[async_trait]
impl Part for PublicCopyHealth {
    fn name(&self) -> &'static str {
        "public_copy"
    }

    /// No commit waits for it, so it never makes a node fail.
    async fn works(&self) -> bool {
        true
    }

    async fn lags(&self) -> bool {
        let status = self.0.status().await;
        status.trouble.is_some() || status.behind_for.is_some_and(|behind| behind > LAG_MAX)
    }

    async fn figures(&self) -> Option<Value> {
        let status = self.0.status().await;
        Some(json!({
            "size": status.size.0,
            "behind_ms": status.behind_for.map_or(0, |behind| behind.as_millis() as u64),
            "trouble": status.trouble,
        }))
    }
}
