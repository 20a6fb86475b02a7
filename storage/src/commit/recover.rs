//! Brings a table's folder back to what the ledger says, after whatever ended the process.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::commit::publish::publish;
use crate::commit::{Body, stage};
use crate::lake::Sharing;
use crate::object_store::{DELTA_LOG, commit_path, commit_version};
use crate::table_log::{RatifiedCommit, TableLog};
use crate::{Error, TableName, TableVersion};

/// Compares every ratified commit with its published file.
///
/// A missing file is published again, a torn one (a proper prefix of the ratified bytes, as a power cut leaves it) is
/// replaced; a file with other contents is left as it stands, for it is evidence, and reported: reading the table fails
/// until somebody decides. A crash in here leaves what the next start finds.
///
/// Where other nodes share the folder, temporary files stay, and so do staged commits that the ledger may yet ratify.
pub(crate) async fn recover(log: &TableLog, table: &TableName, sharing: Sharing) -> Result<(), Error> {
    let latest = log.latest().await?;
    let mut sound = true;
    if let Some(latest) = latest {
        for version in (0..=latest.0).map(TableVersion) {
            sound &= recover_version(log, table, version).await?;
            *log.next_unpublished.lock().await = TableVersion(version.0 + 1);
        }
    }
    report_foreign_commits(log, table, latest).await?;
    match sharing {
        Sharing::Alone => {
            remove_temporaries(log).await?;
            if sound {
                discard_staged(log, |_| true).await?;
            }
        }
        Sharing::WithOtherNodes if sound => discard_staged(log, |version| Some(version) <= latest).await?,
        Sharing::WithOtherNodes => {}
    }
    Ok(())
}

/// Removes staged copies of commits that are published, and of those that lost. The process that published them may have
/// ended before their names were durable, so that is made sure of first: the staged copy is the only other one.
async fn discard_staged(log: &TableLog, is_decided: impl Fn(TableVersion) -> bool) -> Result<(), Error> {
    for (version, staged) in stage::versions(&log.store).await? {
        if !is_decided(version) {
            continue;
        }
        if log.ratified(version).await?.is_some() {
            log.store.sync(&commit_path(version)).await?;
        }
        match log.store.delete(&staged).await {
            // its writer was quicker
            Err(object_store::Error::NotFound { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether the version's file is now the ratified one.
async fn recover_version(log: &TableLog, table: &TableName, version: TableVersion) -> Result<bool, Error> {
    let Some(commit) = log.ratified(version).await? else {
        return Ok(false);
    };
    let found = log.file_in_place(version).await?;
    if found.as_ref().is_some_and(|found| commit.is(found)) {
        return Ok(true);
    }
    let Some(ratified) = log.repair_copy(version, &commit).await? else {
        tracing::error!(%table, %version, "the commit file is missing or changed, and no copy of it is kept");
        return Ok(false);
    };
    match found {
        None => {
            tracing::info!(%table, %version, "publishing a commit that the last process had ratified");
            publish(log, version, &commit, ratified).await?;
            Ok(true)
        }
        Some(found) if ratified.bytes().starts_with(found.bytes()) => {
            tracing::warn!(%table, %version, bytes = found.bytes().len(), "replacing a torn commit file");
            replace(log, version, &commit, ratified).await?;
            Ok(true)
        }
        Some(_) => {
            tracing::error!(%table, %version, "the commit file is not the ratified one: run `dab audit table`");
            Ok(false)
        }
    }
}

async fn replace(log: &TableLog, version: TableVersion, commit: &RatifiedCommit, body: Body) -> Result<(), Error> {
    // This overwrites, so once more: two digests are compared, nothing is hashed.
    assert!(commit.is(&body), "only ratified bytes are published");
    Ok(log.store.replace(&commit_path(version), body.bytes().clone()).await?)
}

/// Commits that the ledger does not know are invisible to DAB's readers but not to others: say so.
async fn report_foreign_commits(log: &TableLog, table: &TableName, latest: Option<TableVersion>) -> Result<(), Error> {
    let listed = list_log(log).await?;
    let beyond = |latest: Option<TableVersion>| {
        let versions = listed.iter().filter_map(commit_version);
        versions.filter(move |version| latest.is_none_or(|latest| *version > latest))
    };
    if beyond(latest).next().is_none() {
        return Ok(());
    }
    // other nodes have gone on meanwhile, and what they have published was ratified before the folder was listed
    for version in beyond(log.latest().await?) {
        tracing::error!(%table, %version, "a commit file that the ledger never ratified: run `dab audit table`");
    }
    Ok(())
}

/// A write that was cut off before its link leaves `.tmp-*`; nothing reads it.
async fn remove_temporaries(log: &TableLog) -> Result<(), Error> {
    for path in list_log(log).await? {
        if path.filename().is_some_and(|name| name.starts_with(".tmp-")) {
            log.store.delete(&path).await?;
        }
    }
    Ok(())
}

async fn list_log(log: &TableLog) -> Result<Vec<Path>, Error> {
    let folder = Path::from(DELTA_LOG);
    let listed = log
        .store
        .list(Some(&folder))
        .map_ok(|meta| meta.location)
        .try_collect()
        .await?;
    Ok(listed)
}
