//! Which state of a table a reader asks for.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::table_log::TableLog;
use crate::{Error, TableName, TableVersion};

/// A state of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionSpec {
    /// The latest that the ledger has certified.
    Latest,
    /// That version.
    Version(TableVersion),
    /// The last version at or before that time, in milliseconds since the epoch, UTC.
    Timestamp(i64),
}

/// Finds the version. A version's time is its `commitInfo.timestamp`, which the ledger binds: not the time of a file.
pub(crate) async fn resolve(log: &TableLog, table: &TableName, spec: VersionSpec) -> Result<TableVersion, Error> {
    let latest = log.latest().await?.ok_or_else(|| Error::TableNotFound {
        name: table.to_string(),
    })?;
    match spec {
        VersionSpec::Latest => Ok(latest),
        VersionSpec::Version(version) if version <= latest => Ok(version),
        VersionSpec::Version(version) => Err(Error::VersionNotFound {
            table: table.clone(),
            version,
            latest,
        }),
        VersionSpec::Timestamp(timestamp) => at_time(log, table, latest, timestamp).await,
    }
}

/// Times grow with versions, so half the remaining versions fall away with each step.
async fn at_time(
    log: &TableLog,
    table: &TableName,
    latest: TableVersion,
    timestamp: i64,
) -> Result<TableVersion, Error> {
    let (mut low, mut high) = (0, latest.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match log.timestamp(TableVersion(middle)).await? {
            Some(time) if time <= timestamp => low = middle + 1,
            _ => high = middle,
        }
    }
    match TableVersion(low).previous() {
        Some(version) => Ok(version),
        None => Err(Error::TimestampBeforeFirstVersion {
            table: table.clone(),
            timestamp: rfc3339(timestamp),
            first: log.timestamp(TableVersion(0)).await?.map_or_else(String::new, rfc3339),
        }),
    }
}

fn rfc3339(unix_ms: i64) -> String {
    match DateTime::<Utc>::from_timestamp_millis(unix_ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{unix_ms} ms"),
    }
}
