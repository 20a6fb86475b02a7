//! A local store whose writes survive a power cut.
//!
//! `object_store` 0.13 renames a finished file into place and never syncs: after a power cut the name may stand over
//! zero bytes, which Delta readers take for an empty commit. Here a write returns when the file and the folder that
//! names it are on the disk.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

use crate::Error;

const STORE: &str = "durable local store";

/// A table's folder on a local disk. Puts and completed uploads are durable on return; reads and listings are
/// `object_store`'s own.
///
/// After a failed sync the kernel may have dropped the dirty pages and report success the next time, so nothing that
/// follows could be believed: the store then refuses every further write with [`Error::StoreStopped`].
#[derive(Debug, Clone)]
pub struct DurableStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    local: LocalFileSystem,
    stopped: Mutex<Option<(PathBuf, String)>>,
    /// Folders whose names this process has synced. One that another writer made this instant is there already, and
    /// still only in memory.
    durable_folders: Mutex<HashSet<PathBuf>>,
    /// What was read, in its order: tests count it.
    #[cfg(test)]
    read: Mutex<Vec<Path>>,
}

impl DurableStore {
    /// Opens the store at `root`, making the folder (durably) where it is missing.
    pub fn open(root: &FsPath) -> std::result::Result<Self, Error> {
        make_root(root)?;
        let local = LocalFileSystem::new_with_prefix(root)?;
        // The prefix is canonical, so that a path taken from it names the file that `LocalFileSystem` names.
        let root = fs::canonicalize(root).map_err(|e| Error::io(root, e))?;
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                local,
                stopped: Mutex::default(),
                durable_folders: Mutex::default(),
                #[cfg(test)]
                read: Mutex::default(),
            }),
        })
    }

    /// What was read since the last look.
    #[cfg(test)]
    pub(crate) fn take_read(&self) -> Vec<Path> {
        std::mem::take(&mut self.shared.read.lock())
    }

    /// Makes a file that is there durable, and its name: whoever wrote it may have ended before doing so.
    pub(crate) async fn sync(&self, location: &Path) -> Result<()> {
        let (shared, location) = (self.shared.clone(), location.clone());
        blocking(move || {
            shared.check_running()?;
            shared.sync_uploaded(&location)
        })
        .await
    }

    /// Replaces a file durably and atomically. For repair of a file whose contents are known to be torn; everything
    /// else goes through `put`.
    pub(crate) async fn replace(&self, location: &Path, bytes: Bytes) -> Result<()> {
        self.put_opts(
            location,
            bytes.into(),
            PutOptions {
                mode: PutMode::Overwrite,
                ..Default::default()
            },
        )
        .await?;
        Ok(())
    }
}

impl Shared {
    fn check_running(&self) -> Result<()> {
        match &*self.stopped.lock() {
            None => Ok(()),
            Some((path, message)) => Err(generic(Error::StoreStopped {
                path: path.display().to_string(),
                message: message.clone(),
            })),
        }
    }

    fn path(&self, location: &Path) -> Result<PathBuf> {
        self.local.path_to_filesystem(location)
    }

    /// Syncs a file or a folder; a failure stops the store.
    fn sync(&self, path: &FsPath, file: &File) -> Result<()> {
        file.sync_all().map_err(|error| {
            *self.stopped.lock() = Some((path.to_owned(), error.to_string()));
            generic(Error::StoreStopped {
                path: path.display().to_string(),
                message: error.to_string(),
            })
        })
    }

    fn sync_folder_of(&self, path: &FsPath) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        let handle = File::open(folder).map_err(|e| io_error(folder, e))?;
        self.sync(folder, &handle)
    }

    /// Makes a folder below the root and its missing ancestors, each name synced into its parent. A folder that is there
    /// already is synced too, once: the process that made it may have ended before it did.
    fn make_folder(&self, folder: &FsPath) -> Result<()> {
        if folder == self.root {
            return Ok(());
        }
        // whoever looks after the store may have removed one since
        if self.durable_folders.lock().contains(folder) && folder.is_dir() {
            return Ok(());
        }
        self.make_folder(folder.parent().unwrap_or(&self.root))?;
        make_one(folder).map_err(|e| io_error(folder, e))?;
        self.sync_folder_of(folder)?;
        self.durable_folders.lock().insert(folder.to_owned());
        Ok(())
    }

    fn put(&self, location: &Path, payload: &PutPayload, mode: &PutMode) -> Result<()> {
        self.check_running()?;
        let path = self.path(location)?;
        let folder = path.parent().unwrap_or(&self.root);
        self.make_folder(folder)?;
        // A crash before the link leaves `.tmp-*`, which no listing of a table looks at and recovery removes.
        let temporary = folder.join(format!(".tmp-{}", uuid::Uuid::new_v4().simple()));
        let written = self.write_temporary(&temporary, payload).and_then(|()| match mode {
            PutMode::Create => fs::hard_link(&temporary, &path).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists {
                    path: location.to_string(),
                    source: Box::new(e),
                },
                _ => io_error(&path, e),
            }),
            PutMode::Overwrite => fs::rename(&temporary, &path).map_err(|e| io_error(&path, e)),
            PutMode::Update(_) => Err(object_store::Error::NotImplemented {
                operation: "conditional update".into(),
                implementer: STORE.into(),
            }),
        });
        // After a rename there is nothing to remove, after a failure the leftover is harmless.
        let _ = fs::remove_file(&temporary);
        written?;
        self.sync_folder_of(&path)
    }

    fn write_temporary(&self, temporary: &FsPath, payload: &PutPayload) -> Result<()> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .open(temporary)
            .map_err(|e| io_error(temporary, e))?;
        for chunk in payload.iter() {
            file.write_all(chunk).map_err(|e| io_error(temporary, e))?;
        }
        self.sync(temporary, &file)
    }

    fn sync_uploaded(&self, location: &Path) -> Result<()> {
        let path = self.path(location)?;
        let file = File::open(&path).map_err(|e| io_error(&path, e))?;
        self.sync(&path, &file)?;
        self.sync_folder_of(&path)
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let shared = self.shared.clone();
        let location = location.clone();
        blocking(move || shared.put(&location, &payload, &options.mode)).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let shared = self.shared.clone();
        let path = shared.path(location)?;
        blocking(move || {
            shared.check_running()?;
            shared.make_folder(path.parent().unwrap_or(&shared.root))
        })
        .await?;
        let inner = self.shared.local.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload {
            inner,
            shared: self.shared.clone(),
            location: location.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        #[cfg(test)]
        if !options.head {
            self.shared.read.lock().push(location.clone());
        }
        self.shared.local.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        #[cfg(test)]
        self.shared.read.lock().push(location.clone());
        self.shared.local.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.shared.local.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.shared.local.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.shared.local.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.shared.local.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.shared.check_running()?;
        self.shared.local.copy_opts(from, to, options).await?;
        let (shared, to) = (self.shared.clone(), to.clone());
        blocking(move || shared.sync_uploaded(&to)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.shared.check_running()?;
        self.shared.local.rename_opts(from, to, options).await?;
        let (shared, to) = (self.shared.clone(), to.clone());
        blocking(move || shared.sync_uploaded(&to)).await
    }
}

impl std::fmt::Display for DurableStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DurableStore({})", self.shared.root.display())
    }
}

/// An upload that is durable once complete. A crash before that leaves a file that no commit names.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    shared: Arc<Shared>,
    location: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let (shared, location) = (self.shared.clone(), self.location.clone());
        blocking(move || shared.sync_uploaded(&location)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// Folders whose sync failed in this process, and the system's words: a second sync of one would be believed for nothing, also
/// by a store that is opened later.
static UNSYNCED: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// Makes the store's own folder and its missing ancestors, and syncs each name into its parent.
fn make_root(folder: &FsPath) -> std::result::Result<(), Error> {
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(FsPath::new("."));
    if !parent.is_dir() {
        make_root(parent)?;
    }
    make_one(folder).map_err(|e| Error::io(folder, e))?;
    let stopped = |message| Error::StoreStopped {
        path: parent.display().to_string(),
        message,
    };
    let mut unsynced = UNSYNCED.lock();
    if let Some(message) = unsynced.get(parent) {
        return Err(stopped(message.clone()));
    }
    let handle = File::open(parent).map_err(|e| Error::io(parent, e))?;
    handle.sync_all().map_err(|error| {
        unsynced.insert(parent.to_owned(), error.to_string());
        stopped(error.to_string())
    })
}

/// Makes a folder unless it is there.
fn make_one(folder: &FsPath) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| object_store::Error::JoinError { source: error })?
}

fn io_error(path: &FsPath, error: io::Error) -> object_store::Error {
    generic(Error::io(path, error))
}

fn generic(error: Error) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn create_refuses_an_existing_name_and_keeps_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::open(&folder.path().join("a/b")).unwrap();
        let path = Path::from("_delta_log/x.json");
        let create = PutOptions {
            mode: PutMode::Create,
            ..Default::default()
        };
        store.put_opts(&path, "one".into(), create.clone()).await.unwrap();
        let error = store.put_opts(&path, "two".into(), create).await.unwrap_err();
        assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");
        let leftovers: Vec<_> = fs::read_dir(folder.path().join("a/b/_delta_log")).unwrap().collect();
        assert_eq!(leftovers.len(), 1, "temporary files stay behind: {leftovers:?}");
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::open(folder.path()).unwrap();
        let path = Path::from("a/b/file");
        store.put(&path, "one".into()).await.unwrap();
        fs::remove_dir_all(folder.path().join("a")).unwrap();
        store.put(&path, "two".into()).await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "two");
        // but not the store's own: it may be a mount that is gone
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(store.put(&path, "three".into()).await.is_err());
    }

    #[tokio::test]
    async fn an_upload_into_a_new_folder_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::open(folder.path()).unwrap();
        let path = Path::from("part=1/f.parquet");
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("abc".into()).await.unwrap();
        upload.put_part("def".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "abcdef");
    }
}
