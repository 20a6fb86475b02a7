//! The public files, read as any auditor reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dab_proof::narrow::{Stored, read_or_narrow};
use dab_proof::source::{Source, limit_of};

use crate::disk::Disk;

/// The public files of one replica.
#[derive(Clone, Debug)]
pub(crate) struct PublicFiles {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

impl PublicFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self {
            disk,
            root: root.to_path_buf(),
        }
    }

    /// Where a public file lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn unavailable(&self, name: &str, error: &crate::Error) -> dab_proof::Error {
        dab_proof::Error::Unavailable {
            path: self.path(name).display().to_string(),
            reason: error.to_string(),
        }
    }
}

impl Source for PublicFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        read_or_narrow(self, path)
    }
}

impl Stored for PublicFiles {
    fn read_stored(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        let (place, limit) = (self.path(path), limit_of(path) as u64);
        if let Some(actual) = self.disk.length(&place).filter(|length| *length > limit) {
            let what = "public file";
            return Err(dab_proof::Error::TooLarge { what, actual, limit });
        }
        self.disk.read(&place).map_err(|error| self.unavailable(path, &error))
    }

    fn list_stored(&self, folder: &str) -> Result<Vec<String>, dab_proof::Error> {
        let names = self.disk.list(&self.path(folder));
        names.map_err(|error| self.unavailable(folder, &error))
    }
}
