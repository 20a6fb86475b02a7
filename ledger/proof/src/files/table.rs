//! A table in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{open_file, unavailable};
use crate::audit::TableFiles;
use crate::commit_file::{name_of, storage_path};
use crate::error::Error;
use crate::source::OpenFile;

/// The files of a Delta table on a local disk.
#[derive(Debug, Clone)]
pub struct DirTable {
    root: PathBuf,
}

impl DirTable {
    /// The table whose `_delta_log` lies in `root`.
    pub fn new(root: impl Into<PathBuf>) -> DirTable {
        DirTable { root: root.into() }
    }

    fn log(&self) -> PathBuf {
        self.root.join("_delta_log")
    }
}

impl TableFiles for DirTable {
    fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let log = self.log();
        let entries = fs::read_dir(&log).map_err(|error| unavailable(&log, &error))?;
        for entry in entries {
            let kind = entry.and_then(|entry| Ok((entry.file_type()?, entry)));
            let (kind, entry) = kind.map_err(|error| unavailable(&log, &error))?;
            let mut name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                name.push('/');
            }
            visit(&name)?;
        }
        Ok(())
    }

    fn commit(&self, version: u64) -> Result<Option<OpenFile<'_>>, Error> {
        open_file(&self.log().join(name_of(version)))
    }

    fn data_file(&self, path: &str) -> Result<Option<OpenFile<'_>>, Error> {
        open_file(&below(&self.root, &storage_path(path)?))
    }
}

/// The segments of a storage path, one by one below `root`.
fn below(root: &Path, storage_path: &str) -> PathBuf {
    root.join(storage_path.split('/').collect::<PathBuf>())
}
