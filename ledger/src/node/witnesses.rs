//! Has witnesses outside cosign what the replicas agree on.

use std::sync::Arc;
use std::time::Duration;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::note::VerifierKey;
use tokio::sync::watch;

use super::Node;
use crate::clock::Clock;
use crate::pool::{Command, Pool};
use crate::shared::Shared;
use crate::witness::{WitnessClient, WitnessError, WitnessHttp};

/// Pause after a witness did not cosign; it doubles with every time.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: commits wait for the witness.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Node {
    /// Asks a witness of the policy from now on, until the node is dropped: the replica that leads asks, and tells the
    /// others. Call it for each witness that the policy gives a URL, within a runtime.
    pub fn ask_witness(&self, key: VerifierKey, http: Arc<dyn WitnessHttp>, clock: Arc<dyn Clock>) {
        let client = WitnessClient::new(key, http, clock);
        let asking = keep_asking(client, Arc::clone(&self.shared), self.pool().clone());
        self.beside.lock().spawn(asking);
    }
}

async fn keep_asking(mut client: WitnessClient, shared: Arc<Shared>, pool: Pool) {
    let mut offered = shared.offered();
    let mut pause = PAUSE_MIN;
    loop {
        let checkpoint = offered.borrow_and_update().clone();
        let cosigned = match checkpoint {
            Some(checkpoint) => cosign(&mut client, checkpoint, &shared).await,
            None => Ok(None),
        };
        match cosigned {
            Ok(cosigned) => {
                pause = PAUSE_MIN;
                if let Some(checkpoint) = cosigned
                    && !hand_over(checkpoint, pool.clone()).await
                {
                    return;
                }
                if offered.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a witness does not cosign");
                // another checkpoint may be what it takes
                if wait(&mut offered, pause).await.is_err() {
                    return;
                }
                pause = (2 * pause).min(PAUSE_MAX);
            }
        }
    }
}

async fn cosign(
    client: &mut WitnessClient,
    mut checkpoint: SignedCheckpoint,
    shared: &Shared,
) -> Result<Option<SignedCheckpoint>, WitnessError> {
    for line in client.cosign(&checkpoint, &shared.files).await? {
        // a note that is full has enough lines to be certified without this one
        let _ = checkpoint.add(line);
    }
    Ok(Some(checkpoint))
}

/// Whether the raft thread is there to take it.
async fn hand_over(checkpoint: SignedCheckpoint, pool: Pool) -> bool {
    let submitted = tokio::task::spawn_blocking(move || pool.submit_blocking(Command::Cosigned(checkpoint)));
    submitted.await.unwrap_or(false)
}

async fn wait(
    offered: &mut watch::Receiver<Option<SignedCheckpoint>>,
    pause: Duration,
) -> Result<(), watch::error::RecvError> {
    tokio::time::timeout(pause, offered.changed()).await.unwrap_or(Ok(()))
}
