//! Shows Delta exactly the commits that the ledger ratified, and nothing derived from them.
//!
//! Delta readers trust what lies in `_delta_log/`: whoever can write there could add a commit, poison a Delta
//! checkpoint, or let a torn file pass for an empty commit. Here the folder's listing is made from the ledger, each
//! commit file is compared with its ratified digest as it is read, and every other file in it (`_last_checkpoint`,
//! checkpoints, `.crc`, compacted logs) does not exist.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use super::{DELTA_LOG, commit_path, commit_version, is_in_delta_log};
use crate::TableVersion;
use crate::table_log::TableLog;

const STORE: &str = "guarded table store";

/// A table's folder as DAB lets deltalake and DataFusion see it.
#[derive(Debug)]
pub(crate) struct GuardedStore {
    inner: Arc<dyn ObjectStore>,
    log: Arc<TableLog>,
}

impl GuardedStore {
    /// `inner` holds the data files (through a hashing store where they are written); commits are read through `log`.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, log: Arc<TableLog>) -> Self {
        Self { inner, log }
    }

    async fn commits(log: Arc<TableLog>) -> Result<Vec<ObjectMeta>> {
        let Some(latest) = log.latest().await.map_err(generic)? else {
            return Ok(Vec::new());
        };
        let mut listing = Vec::new();
        for version in 0..=latest.0 {
            let version = TableVersion(version);
            if let Some(commit) = log.ratified(version).await.map_err(generic)? {
                listing.push(commit_meta(version, commit.body().bytes));
            }
        }
        Ok(listing)
    }

    fn list_commits(&self) -> BoxStream<'static, Result<ObjectMeta>> {
        let log = self.log.clone();
        stream::once(Self::commits(log))
            .map_ok(|listing| stream::iter(listing.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    async fn commit(&self, location: &Path) -> Result<Bytes> {
        let bytes = match commit_version(location) {
            Some(version) => self.log.bytes(version).await.map_err(generic)?,
            None => None,
        };
        bytes.ok_or_else(|| object_store::Error::NotFound {
            path: location.to_string(),
            source: "the ledger ratified no such file".into(),
        })
    }
}

#[async_trait]
impl ObjectStore for GuardedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        refuse_in_delta_log(location)?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        refuse_in_delta_log(location)?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_in_delta_log(location) {
            return self.inner.get_opts(location, options).await;
        }
        let bytes = self.commit(location).await?;
        let size = bytes.len() as u64;
        let meta = ObjectMeta {
            location: location.clone(),
            ..commit_meta(TableVersion(0), size)
        };
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..size,
            Some(range) => range.as_range(size).map_err(|error| object_store::Error::Generic {
                store: STORE,
                source: Box::new(error),
            })?,
        };
        let part = bytes.slice(range.start as usize..range.end as usize);
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(part) }).boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_in_delta_log(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let bytes = self.commit(location).await?;
        let size = bytes.len() as u64;
        ranges
            .iter()
            .map(|range| match range.start <= range.end && range.end <= size {
                true => Ok(bytes.slice(range.start as usize..range.end as usize)),
                false => Err(object_store::Error::Generic {
                    store: STORE,
                    source: format!("{location} has {size} bytes, not {range:?}").into(),
                }),
            })
            .collect()
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let checked = locations
            .and_then(|path| async move { refuse_in_delta_log(&path).map(|()| path) })
            .boxed();
        self.inner.delete_stream(checked)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match prefix {
            Some(prefix) if is_in_delta_log(prefix) => self.list_commits(),
            _ => {
                let data = self.inner.list(prefix).try_filter(|meta| {
                    let visible = !is_in_delta_log(&meta.location);
                    async move { visible }
                });
                match prefix.is_none_or(|prefix| prefix.as_ref().is_empty()) {
                    true => self.list_commits().chain(data).boxed(),
                    false => data.boxed(),
                }
            }
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        self.list(prefix)
            .try_filter(move |meta| {
                let after = meta.location > offset;
                async move { after }
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if prefix.is_some_and(is_in_delta_log) {
            let objects = Self::commits(self.log.clone()).await?;
            return Ok(ListResult {
                objects,
                common_prefixes: Vec::new(),
            });
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        refuse_in_delta_log(to)?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        refuse_in_delta_log(from)?;
        refuse_in_delta_log(to)?;
        self.inner.rename_opts(from, to, options).await
    }
}

impl std::fmt::Display for GuardedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuardedStore({})", self.inner)
    }
}

/// Delta takes nothing from a commit file's modification time here (time travel asks `commitInfo`), so it is the epoch:
/// the same on every node and after every repair.
fn commit_meta(version: TableVersion, size: u64) -> ObjectMeta {
    ObjectMeta {
        location: commit_path(version),
        last_modified: DateTime::<Utc>::UNIX_EPOCH,
        size,
        e_tag: None,
        version: None,
    }
}

fn refuse_in_delta_log(location: &Path) -> Result<()> {
    match is_in_delta_log(location) {
        false => Ok(()),
        true => Err(object_store::Error::PermissionDenied {
            path: location.to_string(),
            source: format!("{DELTA_LOG} is written by the ledger's publisher alone").into(),
        }),
    }
}

fn generic(error: crate::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: Box::new(error),
    }
}
