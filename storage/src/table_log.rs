//! What the ledger says about one table's commits, and the bytes that bear it out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dab_ledger::reader::Head;
use dab_proof::leaf::{BodyDigest, Subject};
use dab_proof::receipt::Receipt;
use dab_proof::tree::LeafIndex;
use dab_proof::{hash::Hash, leaf::SignedLeaf};
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;

use crate::commit::{Body, stage};
use crate::find::FilePlaces;
use crate::lake::Ledger;
use crate::object_store::{DurableStore, commit_path};
use crate::{Error, TableId, TableVersion};

/// A commit that the ledger ratified.
#[derive(Debug, Clone)]
pub(crate) struct RatifiedCommit {
    pub(crate) leaf_index: LeafIndex,
    pub(crate) leaf_hash: Hash,
    pub(crate) leaf: SignedLeaf,
}

impl RatifiedCommit {
    /// The commit that a receipt speaks about.
    pub(crate) fn of(receipt: &Receipt) -> Self {
        Self {
            leaf_index: receipt.index,
            leaf_hash: receipt.leaf.hash(),
            leaf: receipt.leaf.clone(),
        }
    }

    /// The digests of the commit file.
    pub(crate) fn body(&self) -> &BodyDigest {
        &self.leaf.leaf().body
    }

    /// Whether these bytes are the ones that the ledger ratified.
    pub(crate) fn is(&self, body: &Body) -> bool {
        self.body() == body.digest()
    }
}

/// One table's commits as the ledger has them. The list only grows, so what was read once is kept.
#[derive(Debug)]
pub(crate) struct TableLog {
    pub(crate) id: TableId,
    pub(crate) subject: Subject,
    pub(crate) store: DurableStore,
    pub(crate) ledger: Ledger,
    ratified: RwLock<Vec<RatifiedCommit>>,
    /// The commits' times, of those versions that somebody asked for.
    timestamps: RwLock<HashMap<TableVersion, i64>>,
    /// The first version that is not known to be published. Recovery sets it; whoever publishes holds it.
    pub(crate) next_unpublished: AsyncMutex<TableVersion>,
    /// Which versions add which data files, as far as somebody asked.
    pub(crate) file_places: FilePlaces,
}

impl TableLog {
    pub(crate) fn new(id: TableId, store: DurableStore, ledger: Ledger) -> Arc<Self> {
        let subject = id.subject();
        Arc::new(Self {
            id,
            subject,
            store,
            ledger,
            ratified: RwLock::default(),
            timestamps: RwLock::default(),
            next_unpublished: AsyncMutex::new(TableVersion(0)),
            file_places: FilePlaces::default(),
        })
    }

    /// The latest ratified version; `None` before the first. Linearizable.
    pub(crate) async fn latest(&self) -> Result<Option<TableVersion>, Error> {
        Ok(self.head().await?.map(|head| TableVersion(head.sequence)))
    }

    pub(crate) async fn head(&self) -> Result<Option<Head>, Error> {
        Ok(self.ledger.reader.head(&self.subject).await?)
    }

    /// The ratified commit of a version; `None` where the ledger has none.
    pub(crate) async fn ratified(&self, version: TableVersion) -> Result<Option<RatifiedCommit>, Error> {
        if let Some(known) = self.known(version) {
            return Ok(Some(known));
        }
        let Some(head) = self.head().await? else {
            return Ok(None);
        };
        if version.0 > head.sequence {
            return Ok(None);
        }
        let mut next = self.ratified.read().len() as u64;
        while next <= head.sequence {
            let Some(found) = self.ledger.reader.notarized(&self.subject, next).await? else {
                return Ok(None);
            };
            let commit = RatifiedCommit {
                leaf_index: found.leaf_index,
                leaf_hash: found.leaf.hash(),
                leaf: found.leaf,
            };
            let mut ratified = self.ratified.write();
            if ratified.len() as u64 == next {
                ratified.push(commit);
            }
            next = ratified.len() as u64;
        }
        Ok(self.known(version))
    }

    /// The sizes of the commit files, by version, as far as they have been asked for.
    pub(crate) fn sizes_known(&self) -> Vec<u64> {
        let ratified = self.ratified.read();
        ratified.iter().map(|commit| commit.body().bytes).collect()
    }

    fn known(&self, version: TableVersion) -> Option<RatifiedCommit> {
        self.ratified.read().get(usize::try_from(version.0).ok()?).cloned()
    }

    /// Takes in a commit that this process has just had ratified: nobody needs to ask for it any more.
    pub(crate) fn note(&self, version: TableVersion, commit: RatifiedCommit, timestamp: i64) {
        self.timestamps.write().insert(version, timestamp);
        let mut ratified = self.ratified.write();
        // A reader may have asked the ledger for it already. Those before it are known: its writer named their last as parent.
        if ratified.len() as u64 == version.0 {
            ratified.push(commit);
        }
    }

    /// The bytes of a ratified commit: its published file or, where that is missing, the copy kept for repair. Either
    /// is checked against the ledger; a file that differs is [`Error::Divergence`], never served and never overwritten.
    pub(crate) async fn bytes(&self, version: TableVersion) -> Result<Option<Bytes>, Error> {
        let Some(commit) = self.ratified(version).await? else {
            return Ok(None);
        };
        if let Some(published) = self.file_in_place(version).await? {
            return match commit.is(&published) {
                true => Ok(Some(published.bytes().clone())),
                false => Err(divergence(version, &commit, &published)),
            };
        }
        if let Some(copy) = self.repair_copy(version, &commit).await? {
            return Ok(Some(copy.bytes().clone()));
        }
        // published, and its staged copy removed, between the two looks
        match self.file_in_place(version).await? {
            Some(published) if commit.is(&published) => Ok(Some(published.bytes().clone())),
            Some(published) => Err(divergence(version, &commit, &published)),
            None => Err(Error::commit_lost(version)),
        }
    }

    /// Whether a file stands where the version's is published.
    pub(crate) async fn is_taken(&self, version: TableVersion) -> Result<bool, Error> {
        match self.store.head(&commit_path(version)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The published file as it stands, unchecked; `None` where there is none.
    pub(crate) async fn file_in_place(&self, version: TableVersion) -> Result<Option<Body>, Error> {
        let found = read_whole(&self.store, &commit_path(version)).await?;
        Ok(found.map(Body::of))
    }

    /// The copy of a commit that the ledger keeps (small ones) or that was staged (large ones). It has lain on a disk, so
    /// it is compared like the file that it stands for.
    pub(crate) async fn repair_copy(
        &self,
        version: TableVersion,
        commit: &RatifiedCommit,
    ) -> Result<Option<Body>, Error> {
        let kept = self.ledger.reader.body(&self.subject, version.0).await?;
        if let Some(body) = kept.map(Body::of)
            && commit.is(&body)
        {
            return Ok(Some(body));
        }
        stage::find(&self.store, version, commit).await
    }

    /// The time of a commit, in milliseconds since the epoch, from its own `commitInfo`; versions only ever move it
    /// forward.
    pub(crate) async fn timestamp(&self, version: TableVersion) -> Result<Option<i64>, Error> {
        if let Some(known) = self.timestamps.read().get(&version) {
            return Ok(Some(*known));
        }
        let Some(bytes) = self.bytes(version).await? else {
            return Ok(None);
        };
        let timestamp = commit_timestamp(&bytes).ok_or_else(|| Error::InvalidCommit {
            message: format!("{} has no commitInfo.timestamp", commit_path(version)),
        })?;
        self.timestamps.write().insert(version, timestamp);
        Ok(Some(timestamp))
    }
}

/// `commitInfo.timestamp` of a commit file, in milliseconds since the epoch.
pub(crate) fn commit_timestamp(commit: &[u8]) -> Option<i64> {
    commit
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|action| action.get("commitInfo")?.get("timestamp")?.as_i64())
}

pub(crate) fn divergence(version: TableVersion, commit: &RatifiedCommit, found: &Body) -> Error {
    Error::Divergence {
        path: commit_path(version).to_string(),
        version,
        expected: hex::encode(commit.body().blake3),
        found: hex::encode(found.digest().blake3),
    }
}

/// Reads an object that strangers may have written, of at most `bytes_max` bytes; `what` names it in the error. `None` where
/// there is none.
pub(crate) async fn read_small(
    store: &dyn ObjectStore,
    path: &object_store::path::Path,
    what: &'static str,
    bytes_max: usize,
) -> Result<Option<Bytes>, Error> {
    let found = match store.get(path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // nothing beyond what the store stated is read
    let (actual, limit) = (found.meta.size, bytes_max as u64);
    if actual > limit {
        return Err(dab_proof::Error::TooLarge { what, actual, limit }.into());
    }
    Ok(Some(found.bytes().await?))
}

/// Reads an object whole; `None` where there is none.
pub(crate) async fn read_whole(
    store: &dyn ObjectStore,
    path: &object_store::path::Path,
) -> Result<Option<Bytes>, Error> {
    match store.get(path).await {
        Ok(found) => Ok(Some(found.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
