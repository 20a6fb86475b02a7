//! A node among changing members: it changes them, and follows when they change.

use std::sync::Arc;

use dab_proof::epoch::{EPOCH_OPERATION, EpochNote};
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::trust::Trust;

use super::Node;
use crate::Error;
use crate::durable::{self, Access};
use crate::epoch::Epoch;
use crate::identity::Directories;
use crate::members::{Member, Members};
use crate::notary::{Notary, Outcome, Proposal, Statement};
use crate::peer::Transport;
use crate::reader::LedgerReader;
use crate::shared::Shared;

impl Node {
    /// Has the ledger's present members certify a change that enough of them have approved (`approval.rs`); returns once
    /// the new ones hold the ledger together.
    ///
    /// # Errors
    ///
    /// [`Error::Founding`] when it is none that may come next; [`Error::Refused`] when others have changed the members at the
    /// same time; those of [`Notary::notarize`].
    pub async fn change_members(&self, change: &EpochNote) -> Result<(), Error> {
        let subject = Subject::members();
        // what was certified anywhere before is known here now
        let head = self.head(&subject).await?;
        let epoch = self.shared.epoch_now();
        let epoch = epoch.ok_or_else(|| refused(&"this node certifies alone, and has no members"))?;
        let next = Epoch::read(change.text().clone()).map_err(|error| refused(&error))?;
        let judged = epoch.check_next(&next).and_then(|()| epoch.check_approved(change));
        judged.map_err(|error| refused(&error))?;
        let body = change.to_bytes();
        let leaf = Leaf {
            origin: change.text().origin.clone(),
            subject: subject.clone(),
            sequence: head.map_or(0, |head| head.sequence + 1),
            parent: head.map(|head| head.leaf_hash),
            body: BodyDigest::of(&body),
            files: None,
            operation: EPOCH_OPERATION.to_owned(),
        };
        let statement = Statement {
            leaf: leaf.sign(&self.writer)?,
            body: Some(body.into()),
        };
        let proposal = Proposal {
            statements: vec![statement],
        };
        match self.notarize(proposal).await? {
            Outcome::Certified(_) => Ok(()),
            Outcome::Conflict(_) => Err(Error::refused(
                Some(&subject),
                "others have changed the members at the same time: look at them, and try again",
            )),
        }
    }

    /// The replicas of the ledger, as far as they are certified; `None` where the node certifies alone.
    pub fn members(&self) -> Option<Members> {
        self.shared.epoch_now().map(|epoch| epoch.members.clone())
    }

    /// What auditors of this ledger are given.
    pub fn trust(&self) -> Arc<Trust> {
        match self.shared.epoch_now() {
            Some(epoch) => Arc::new(Trust {
                ledger: self.trust.ledger.clone(),
                ..epoch.trust.clone()
            }),
            None => Arc::clone(&self.trust),
        }
    }
}

/// Keeps the connections and the trust directory those of the members, for as long as it runs.
pub(super) async fn follow(shared: Arc<Shared>, transport: Arc<Transport>, dirs: Directories) {
    let mut epochs = shared.epoch();
    loop {
        let epoch = epochs.borrow_and_update().clone();
        if let Some(epoch) = epoch {
            transport.set_peers(epoch.members.iter().map(Member::peer).collect());
            let (shared, dirs) = (Arc::clone(&shared), dirs.clone());
            let written = tokio::task::spawn_blocking(move || write_trust(&shared, &dirs, &epoch)).await;
            if let Ok(Err(error)) = written {
                tracing::error!(%error, "cannot write whom auditors are to trust now");
            }
        }
        if epochs.changed().await.is_err() {
            return;
        }
    }
}

/// The files that auditors are given: who counts now, and how those who trust earlier members come to trust these.
fn write_trust(shared: &Shared, dirs: &Directories, epoch: &Epoch) -> Result<(), Error> {
    let changes = shared.read(|_, state| Ok(state.meta.epoch_changes.concat()))?;
    if changes.is_empty() {
        // the founding's files stand
        return Ok(());
    }
    for (name, text) in [
        ("changes", &changes),
        ("policy", &epoch.text.policy),
        ("writers", &epoch.text.writers),
    ] {
        let path = dirs.trust.join(name);
        if durable::read(&path)?.as_deref() != Some(text.as_bytes()) {
            durable::write(&path, text.as_bytes(), Access::Everyone)?;
        }
    }
    Ok(())
}

fn refused(reason: &dyn std::fmt::Display) -> Error {
    Error::Founding {
        reason: reason.to_string(),
    }
}
