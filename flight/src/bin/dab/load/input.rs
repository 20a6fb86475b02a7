//! One input of `load file`: where it is, what it is, and the digest that goes into the commit.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use chrono::Utc;
use dab_storage::LoadedSource;
use tempfile::NamedTempFile;
use url::Url;

use super::download::{Download, download};
use super::redact::redacted;
use crate::cli::InputFormat;

/// Bytes read at once while hashing.
const BUFFER_BYTES: usize = 1 << 20;

/// An input that is a local file now.
pub(crate) struct Input {
    /// Where its bytes are.
    pub(crate) path: PathBuf,
    /// What it is.
    pub(crate) format: InputFormat,
    /// What the commit says about it.
    pub(crate) source: LoadedSource,
    /// The file as it was when its digest was taken.
    hashed: Fingerprint,
    /// Removes a downloaded file when the load is over.
    _download: Option<NamedTempFile>,
}

/// What the system says of a file's bytes. The change time cannot be set back, so a file that was changed and changed
/// back has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Input {
    /// Fetches and hashes an input. Fails with the path or URL, without its secrets, and what is wrong with it.
    pub(crate) async fn open(input: &str, format: Option<InputFormat>, download_bytes_max: u64) -> Result<Self> {
        match Url::parse(input) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                let format = format.map_or_else(|| by_name(url.path()), Ok)?;
                let Download { file, etag } = download(&url, download_bytes_max).await?;
                let mut input = Self::hash(file.path(), format, redacted(&url))?;
                input.source.etag = etag;
                input._download = Some(file);
                Ok(input)
            }
            Ok(url) if url.scheme() == "file" => {
                let path = url.to_file_path().map_err(|()| anyhow!("{input} is no local path"))?;
                Self::local(&path, format)
            }
            Ok(url) if url.scheme().len() > 1 && input.contains("://") => bail!(
                "{}: {} is not supported; use a path or an http(s) URL",
                redacted(&url),
                url.scheme()
            ),
            // Whatever is wrong with it, it may hold a password.
            Err(error) if input.contains("://") => bail!("an input is no valid URL: {error}"),
            _ => Self::local(Path::new(input), format),
        }
    }

    fn local(path: &Path, format: Option<InputFormat>) -> Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot read {}", path.display()))?;
        // Looked at before it is opened: opening a pipe waits for whoever writes to it.
        let metadata = path
            .metadata()
            .with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_file() {
            bail!(
                "cannot load {}: it is {}, and only regular files are loaded",
                path.display(),
                kind(&metadata)
            );
        }
        let format = format.map_or_else(|| by_name(&path.to_string_lossy()), Ok)?;
        let url = Url::from_file_path(&path).map_err(|()| anyhow!("{} has no URL", path.display()))?;
        Self::hash(&path, format, url.to_string())
    }

    fn hash(path: &Path, format: InputFormat, url: String) -> Result<Self> {
        let fetched_unix_ms = Utc::now().timestamp_millis();
        let (hashed, digest) =
            fingerprint_and_digest(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            format,
            source: LoadedSource {
                url,
                etag: None,
                fetched_unix_ms,
                blake3: digest.to_hex().to_string(),
                bytes: hashed.bytes,
            },
            hashed,
            _download: None,
        })
    }

    /// Fails unless the file still is what its digest was taken of. Asked after the last row was read and before the
    /// commit: what was read in between was the notarized bytes then. Reading a file once more costs little beside
    /// parsing it, and a network's file system may be slow to tell of a change by its times alone.
    pub(crate) fn expect_unchanged(&self) -> Result<()> {
        let (now, digest) =
            fingerprint_and_digest(&self.path).with_context(|| format!("cannot read {} once more", self.source.url))?;
        if now != self.hashed || digest.to_hex().as_str() != self.source.blake3 {
            bail!(
                "{} changed while it was being loaded: nothing is committed, load it again when it is complete",
                self.source.url
            );
        }
        Ok(())
    }
}

/// Both of one open file; fails where it changes under the hashing.
fn fingerprint_and_digest(path: &Path) -> Result<(Fingerprint, blake3::Hash)> {
    let mut file = File::open(path)?;
    let before = Fingerprint::of(&file.metadata()?);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        };
    }
    if before != Fingerprint::of(&file.metadata()?) || before.bytes != hasher.count() {
        bail!("it changed while it was being read");
    }
    Ok((before, hasher.finalize()))
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn by_name(name: &str) -> Result<InputFormat> {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "parquet" | "pq" => Ok(InputFormat::Parquet),
        "csv" => Ok(InputFormat::Csv),
        "ndjson" | "jsonl" | "json" => Ok(InputFormat::Ndjson),
        "arrow" | "ipc" | "feather" => Ok(InputFormat::Arrow),
        _ => bail!("cannot tell what {name} is by its name; say it with --input-format"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_the_last_extension() {
        assert_eq!(by_name("/a/b.c.CSV").unwrap(), InputFormat::Csv);
        assert!(by_name("/a/b.csv.gz").is_err());
    }

    #[test]
    fn a_file_that_grows_after_it_was_hashed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "id\n1\n").unwrap();
        let input = Input::local(&path, None).unwrap();
        input.expect_unchanged().unwrap();
        std::fs::write(&path, "id\n1\n2\n").unwrap();
        let words = input.expect_unchanged().unwrap_err().to_string();
        assert!(words.contains("a.csv") && words.contains("changed while"), "{words}");
    }
}
