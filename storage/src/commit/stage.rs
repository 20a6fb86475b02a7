//! Keeps a commit's bytes safe before the ledger is asked.
//!
//! A small commit travels inside the ledger's entry: the raft log's one sync stages and proposes it at once. A large one
//! is staged as `_delta_log/_staged_commits/<version>.<operation>.json`, a folder that Delta readers pass over.

use bytes::Bytes;
use dab_ledger::notary::BODY_BYTES_MAX;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use uuid::Uuid;

use crate::commit::Body;
use crate::object_store::{DELTA_LOG, DurableStore};
use crate::table_log::{RatifiedCommit, read_whole};
use crate::{Error, TableVersion};

const STAGED_COMMITS: &str = "_staged_commits";

/// Where a commit's bytes are safe.
#[derive(Debug)]
pub(crate) enum Staged {
    /// They go with the leaf, as its private body.
    WithLeaf(Bytes),
    /// They are a durable file.
    AsFile(Path),
}

impl Staged {
    /// The body to hand to the ledger.
    pub(crate) fn body(&self) -> Option<Bytes> {
        match self {
            Staged::WithLeaf(bytes) => Some(bytes.clone()),
            Staged::AsFile(_) => None,
        }
    }

    /// Removes a staged file that is published, or that lost. A leftover is harmless; recovery removes it.
    pub(crate) async fn discard(self, store: &DurableStore) {
        if let Staged::AsFile(path) = self
            && let Err(error) = store.delete(&path).await
        {
            tracing::warn!(%path, %error, "a staged commit could not be removed");
        }
    }
}

/// Stages the bytes of a commit; they are durable, or about to travel with the leaf, when it returns.
pub(crate) async fn stage(
    store: &DurableStore,
    version: TableVersion,
    operation_id: Uuid,
    bytes: &Bytes,
) -> Result<Staged, Error> {
    if bytes.len() <= BODY_BYTES_MAX {
        return Ok(Staged::WithLeaf(bytes.clone()));
    }
    let path = folder().join(format!("{:020}.{}.json", version.0, operation_id.hyphenated()));
    // A retry at the same version carries other bytes, so the file may be replaced until the ledger has decided.
    let options = PutOptions {
        mode: PutMode::Overwrite,
        ..Default::default()
    };
    store.put_opts(&path, bytes.clone().into(), options).await?;
    Ok(Staged::AsFile(path))
}

/// Looks for the staged bytes of a ratified version.
pub(crate) async fn find(
    store: &DurableStore,
    version: TableVersion,
    ratified: &RatifiedCommit,
) -> Result<Option<Body>, Error> {
    let prefix = format!("{:020}.", version.0);
    for path in list(store).await? {
        if path.filename().is_some_and(|name| name.starts_with(&prefix))
            && let Some(body) = read_whole(store, &path).await?.map(Body::of)
            && ratified.is(&body)
        {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// The staged files, each with its version. Others that lie there are nobody's.
pub(crate) async fn versions(store: &DurableStore) -> Result<Vec<(TableVersion, Path)>, Error> {
    let version_of = |path: &Path| path.filename()?.split('.').next()?.parse().ok().map(TableVersion);
    let staged = list(store).await?;
    Ok(staged
        .into_iter()
        .filter_map(|path| Some((version_of(&path)?, path)))
        .collect())
}

async fn list(store: &DurableStore) -> Result<Vec<Path>, Error> {
    let listed = store
        .list(Some(&folder()))
        .map_ok(|meta| meta.location)
        .try_collect()
        .await?;
    Ok(listed)
}

fn folder() -> Path {
    Path::from_iter([DELTA_LOG, STAGED_COMMITS])
}
