//! Hashes data files while they are being written, so that binding a file into its commit costs no second read.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

/// BLAKE3 and size of what one operation has written, by path below the table's folder.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    files: Mutex<HashMap<Path, FileDigest>>,
}

/// What was written under one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileDigest {
    /// Bytes.
    pub(crate) bytes: u64,
    /// BLAKE3 of them.
    pub(crate) blake3: [u8; 32],
}

impl FileDigests {
    /// The digest of a file that this operation has completed.
    pub(crate) fn get(&self, path: &Path) -> Option<FileDigest> {
        self.files.lock().get(path).copied()
    }

    fn set(&self, path: &Path, hasher: &blake3::Hasher) {
        let digest = FileDigest {
            bytes: hasher.count(),
            blake3: *hasher.finalize().as_bytes(),
        };
        self.files.lock().insert(path.clone(), digest);
    }
}

/// Passes everything through and notes the digest of each file that was written whole.
#[derive(Debug)]
pub(crate) struct HashingStore {
    inner: Arc<dyn ObjectStore>,
    digests: Arc<FileDigests>,
}

impl HashingStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, digests: Arc<FileDigests>) -> Self {
        Self { inner, digests }
    }
}

#[async_trait]
impl ObjectStore for HashingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mut hasher = blake3::Hasher::new();
        for chunk in payload.iter() {
            hasher.update(chunk);
        }
        let result = self.inner.put_opts(location, payload, options).await?;
        self.digests.set(location, &hasher);
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(HashingUpload {
            inner: self.inner.put_multipart_opts(location, options).await?,
            hasher: blake3::Hasher::new(),
            digests: self.digests.clone(),
            location: location.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    // A copy or a rename is not seen as bytes, so the file it makes has no digest here and a commit that adds it is
    // refused; DAB's writers do neither.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

impl std::fmt::Display for HashingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HashingStore({})", self.inner)
    }
}

/// Parts are hashed in the order in which they are handed over, which is their order in the file.
#[derive(Debug)]
struct HashingUpload {
    inner: Box<dyn MultipartUpload>,
    hasher: blake3::Hasher,
    digests: Arc<FileDigests>,
    location: Path,
}

#[async_trait]
impl MultipartUpload for HashingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        for chunk in data.iter() {
            self.hasher.update(chunk);
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        self.digests.set(&self.location, &self.hasher);
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn an_upload_in_parts_has_the_digest_of_the_whole() {
        let digests = Arc::new(FileDigests::default());
        let store = HashingStore::new(Arc::new(InMemory::new()), digests.clone());
        let path = Path::from("f.parquet");
        let mut upload = store.put_multipart(&path).await.unwrap();
        // handed over in order, awaited out of order
        let (first, second) = (upload.put_part("abc".into()), upload.put_part("def".into()));
        second.await.unwrap();
        assert_eq!(digests.get(&path), None, "a digest before the file is complete");
        first.await.unwrap();
        upload.complete().await.unwrap();
        let expected = FileDigest {
            bytes: 6,
            blake3: *blake3::hash(b"abcdef").as_bytes(),
        };
        assert_eq!(digests.get(&path), Some(expected));
    }
}
