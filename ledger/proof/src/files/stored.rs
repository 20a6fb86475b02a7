//! A ledger's folder on the local disk, as a place where public files are stored.

use std::fs;
use std::io::ErrorKind;

use super::{DirSource, unavailable};
use crate::error::Error;
use crate::narrow::Stored;

impl Stored for DirSource {
    fn read_stored(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read_stored_file(path)
    }

    fn list_stored(&self, folder: &str) -> Result<Vec<String>, Error> {
        let folder = self.path(folder);
        let found = match fs::read_dir(&folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            found => found.map_err(|error| unavailable(&folder, &error))?,
        };
        let name = |file: std::io::Result<fs::DirEntry>| {
            let name = file.map_err(|error| unavailable(&folder, &error))?.file_name();
            Ok(name.to_string_lossy().into_owned())
        };
        found.map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_that_is_not_there_is_empty_and_one_that_cannot_be_listed_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let source = DirSource::new(dir.path());
        assert_eq!(source.list_stored("nothing").unwrap(), Vec::<String>::new());
        assert_eq!(source.list_stored("file").unwrap(), Vec::<String>::new());
        assert!(matches!(source.list_stored("loop"), Err(Error::Unavailable { .. })));
        assert_eq!(source.list_stored(".").unwrap().len(), 2);
    }
}
