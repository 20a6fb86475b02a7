//! Makes ratified commits readable: `N.json`, in order, once, with the ratified bytes.

use object_store::{ObjectStore, PutMode, PutOptions};

use crate::commit::Body;
use crate::commit::crash_point::crash_point;
use crate::object_store::commit_path;
use crate::table_log::{RatifiedCommit, TableLog, divergence};
use crate::{Error, TableVersion};

/// How many ratified commits of one table may wait for publication (a full disk, say) before new ones are refused.
pub(crate) const UNPUBLISHED_COMMITS_MAX: u64 = 10;

/// Publishes every ratified version up to and including `version`, in order. Concurrent writers of one table take
/// turns, and whoever comes first publishes for the others: the bytes of any version are the ledger's to give, but for
/// those of `version` itself, which its writer may still have.
pub(crate) async fn publish_up_to(log: &TableLog, version: TableVersion, own: Option<&Body>) -> Result<(), Error> {
    let mut next = log.next_unpublished.lock().await;
    while next.0 <= version.0 {
        let commit = log.ratified(*next).await?.ok_or_else(|| Error::commit_lost(*next))?;
        match own.filter(|_| *next == version) {
            Some(own) => publish(log, *next, &commit, own.clone()).await?,
            None => publish_unless_there(log, *next, &commit).await?,
        }
        *next = TableVersion(next.0 + 1);
    }
    Ok(())
}

/// Publishes what somebody else had ratified. Mostly they have published it themselves, so that it is read before anything
/// is written. A file that its publisher did not make durable may vanish once more: recovery publishes it again.
async fn publish_unless_there(log: &TableLog, version: TableVersion, commit: &RatifiedCommit) -> Result<(), Error> {
    if let Some(found) = log.file_in_place(version).await? {
        return match commit.is(&found) {
            true => Ok(()),
            false => Err(divergence(version, commit, &found)),
        };
    }
    match log.repair_copy(version, commit).await? {
        Some(body) => publish(log, version, commit, body).await,
        // published, and its staged copy removed, between the two looks
        None => log
            .bytes(version)
            .await?
            .map(drop)
            .ok_or_else(|| Error::commit_lost(version)),
    }
}

/// Publishes one ratified version. Anyone may do so at any time, and again.
///
/// Fails with [`Error::Divergence`] where another file stands in its place; that is never overwritten.
pub(crate) async fn publish(
    log: &TableLog,
    version: TableVersion,
    commit: &RatifiedCommit,
    body: Body,
) -> Result<(), Error> {
    // Compares two digests: whoever made the body has hashed it.
    assert!(commit.is(&body), "only ratified bytes are published");
    crash_point!("publish::before");
    let options = PutOptions {
        mode: PutMode::Create,
        ..Default::default()
    };
    let payload = body.bytes().clone().into();
    let put = log.store.put_opts(&commit_path(version), payload, options).await;
    crash_point!("publish::after");
    match put {
        Ok(_) => return Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) => {}
        // A failed sync, say: the name may stand, but nothing says that it will stand after a power cut.
        Err(error) => return Err(error.into()),
    }
    // The name may be taken by ourselves, in an attempt that ended before its folder was synced. What stands there
    // decides, once it is durable.
    match log.file_in_place(version).await? {
        Some(found) if commit.is(&found) => {
            log.store.sync(&commit_path(version)).await?;
            Ok(())
        }
        Some(found) => Err(divergence(version, commit, &found)),
        None => Err(Error::commit_lost(version)),
    }
}
