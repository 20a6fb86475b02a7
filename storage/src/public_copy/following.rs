//! When a node brings the public copy up.

use std::time::Duration;

use tokio::time::Instant;

use super::PublicCopy;

/// How often a node looks whether its ledger has grown: the copy is about as far behind when all is well.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a node that does not lead leaves the copy to the one that does.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often the checkpoint of the copy is looked at although nothing has grown: somebody may have set it back.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The longest pause after a failure; it doubles with every one.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl PublicCopy {
    /// Keeps the copy up until `stopped`. A failure is told in [`Self::status`] and tried again.
    pub async fn follow(&self, stopped: impl Future<Output = ()>) {
        tokio::pin!(stopped);
        let mut pause = LOOK_INTERVAL;
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(pause) => {}
            }
            if !self.is_due().await {
                continue;
            }
            // what has begun is finished: half of it would be harmless, and done again
            pause = match self.catch_up().await {
                Ok(()) => LOOK_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "the public copy cannot be brought up");
                    (2 * pause).min(PAUSE_MAX)
                }
            };
        }
    }

    async fn is_due(&self) -> bool {
        let certified = self.reader.certified().await.size;
        let behind_since = self.lag.lock().is_behind(certified);
        let looked = self.turn.lock().await.looked;
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN) {
            return true;
        }
        let replicas = self.reader.replicas().await;
        let leads = replicas.iter().any(|replica| replica.is_asked && replica.leads);
        behind_since.is_some_and(|since| leads || is_over(since, PATIENCE))
    }
}

fn is_over(since: Instant, patience: Duration) -> bool {
    since.elapsed() >= patience
}
