//! Has witnesses outside cosign what the replicas agree on.

use std::sync::Arc;
use std::time::Duration;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::trust::Trust;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::Node;
use super::members::trust_now;
use crate::clock::Clock;
use crate::epoch::WitnessAt;
use crate::pool::{Command, Pool};
use crate::shared::Shared;
use crate::witness::{WitnessClient, WitnessError, WitnessHttp};

/// Pause after a witness did not cosign; it doubles with every time.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: commits wait for the witness.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Makes the way to a witness; why there is none, where its URL cannot be used.
pub type ReachWitness = dyn Fn(&WitnessAt) -> Result<Arc<dyn WitnessHttp>, String> + Send + Sync;

impl Node {
    /// Asks the witnesses to which the policy gives a URL from now on, until the node is dropped: the replica that leads asks,
    /// and tells the others. They are those of the present epoch, whoever comes or goes. Call it within a runtime.
    pub fn ask_witnesses(&self, reach: Arc<ReachWitness>, clock: Arc<dyn Clock>) {
        let asking = Asking {
            shared: Arc::clone(&self.shared),
            own: Arc::clone(&self.trust),
            pool: self.pool().clone(),
            reach,
            clock,
            asked: Vec::new(),
            tasks: JoinSet::new(),
        };
        self.beside.lock().spawn(asking.follow());
    }
}

/// One task for each witness that the policy names now.
struct Asking {
    shared: Arc<Shared>,
    /// What the node found when it started.
    own: Arc<Trust>,
    pool: Pool,
    reach: Arc<ReachWitness>,
    clock: Arc<dyn Clock>,
    asked: Vec<(WitnessAt, AbortHandle)>,
    /// Ended with this, as the node is dropped.
    tasks: JoinSet<()>,
}

impl Asking {
    /// An epoch is shown once its change is certified: until then the witnesses before have to be asked, and no others.
    async fn follow(mut self) {
        let mut epochs = self.shared.epoch();
        loop {
            epochs.borrow_and_update();
            self.ask_those_of_now();
            if epochs.changed().await.is_err() {
                return;
            }
        }
    }

    fn ask_those_of_now(&mut self) {
        let named = WitnessAt::all_of(&trust_now(&self.shared, &self.own).policy);
        self.asked.retain(|(witness, task)| {
            let is_named = named.contains(witness);
            if !is_named {
                tracing::info!(witness = witness.key.name(), "a witness is asked no more");
                task.abort();
            }
            is_named
        });
        for witness in named {
            if self.asked.iter().any(|(asked, _)| *asked == witness) {
                continue;
            }
            match (self.reach)(&witness) {
                Ok(http) => {
                    let client = WitnessClient::new(witness.key.clone(), http, Arc::clone(&self.clock));
                    let asking = keep_asking(client, Arc::clone(&self.shared), self.pool.clone());
                    self.asked.push((witness, self.tasks.spawn(asking)));
                }
                Err(reason) => tracing::error!(witness = witness.key.name(), %reason, "a witness cannot be asked"),
            }
        }
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
