//! A node among changing members and writers: it follows when they change.

use std::sync::Arc;

use dab_proof::trust::Trust;

use super::Node;
use crate::Error;
use crate::durable::{self, Access};
use crate::epoch::Epoch;
use crate::identity::Directories;
use crate::members::{Member, Members};
use crate::peer::Transport;
use crate::shared::Shared;

impl Node {
    /// The replicas of the ledger, as far as they are certified; `None` where the node certifies alone.
    pub fn members(&self) -> Option<Members> {
        let epoch = self.shared.epoch_now().filter(|epoch| !epoch.is_alone());
        epoch.map(|epoch| epoch.members.clone())
    }

    /// What auditors of this ledger are given.
    pub fn trust(&self) -> Arc<Trust> {
        trust_now(&self.shared, &self.trust)
    }
}

/// What auditors are given of a ledger for which the node found `own` when it started.
pub(super) fn trust_now(shared: &Shared, own: &Arc<Trust>) -> Arc<Trust> {
    match shared.epoch_now() {
        Some(epoch) if epoch.is_alone() => Arc::new(Trust {
            writers: epoch.writers().clone(),
            ..Trust::clone(own)
        }),
        Some(epoch) => Arc::new(Trust {
            ledger: own.ledger.clone(),
            ..epoch.trust.clone()
        }),
        None => Arc::clone(own),
    }
}

/// Has the trust directory of a node that certifies alone be what its ledger says.
pub(super) fn follow_alone(shared: &Shared, dirs: &Directories) -> Result<(), Error> {
    match shared.epoch_now() {
        Some(epoch) => write_trust(shared, dirs, &epoch),
        None => Ok(()),
    }
}

/// Waits for the outcome of a change of the writers where the node certifies alone, and has the trust directory follow before
/// anybody hears of it. It goes on when the asker has gone.
pub(super) async fn followed_alone<T: Send + 'static>(
    shared: Arc<Shared>,
    dirs: Directories,
    outcome: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let following = async move {
        let outcome = outcome.await;
        let written = tokio::task::spawn_blocking(move || follow_alone(&shared, &dirs)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "cannot write who may write now; the next start does");
        }
        outcome
    };
    tokio::spawn(following).await.ok()
}

/// Keeps the connections and the trust directory those of the members, for as long as it runs.
pub(super) async fn follow(shared: Arc<Shared>, transport: Arc<Transport>, dirs: Directories) {
    let (mut epochs, mut peers) = (shared.epoch(), shared.peers());
    loop {
        let connected = peers.borrow_and_update().iter().map(Member::peer).collect();
        transport.set_peers(connected);
        let epoch = epochs.borrow_and_update().clone();
        if let Some(epoch) = epoch {
            let (shared, dirs) = (Arc::clone(&shared), dirs.clone());
            let written = tokio::task::spawn_blocking(move || write_trust(&shared, &dirs, &epoch)).await;
            if let Ok(Err(error)) = written {
                tracing::error!(%error, "cannot write whom auditors are to trust now");
            }
        }
        let changed = tokio::select! {
            changed = epochs.changed() => changed,
            changed = peers.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// The files that auditors are given: who counts now, and how those who trust earlier members come to trust these.
fn write_trust(shared: &Shared, dirs: &Directories, epoch: &Epoch) -> Result<(), Error> {
    let (changes, count) = shared.read(|_, state| {
        let changes = &state.meta.epoch_changes;
        Ok((changes.concat(), format!("{}\n", changes.len())))
    })?;
    if changes.is_empty() {
        // the founding's files stand
        return Ok(());
    }
    for (name, text) in [
        ("changes", &changes),
        ("epoch", &count),
        ("policy", &epoch.text.policy),
        ("writers", &epoch.text.writers),
    ] {
        if name == "policy" && epoch.is_alone() {
            // its operator's affair
            continue;
        }
        let path = dirs.trust.join(name);
        if durable::read(&path)?.as_deref() != Some(text.as_bytes()) {
            durable::write(&path, text.as_bytes(), Access::Everyone)?;
        }
    }
    Ok(())
}
