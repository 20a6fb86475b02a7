//! The ledger's public files as one look reads them: in a folder, or on a server that gets no longer than the look may take.

use std::time::Duration;

use dab_proof::Error;
use dab_proof::files::DirSource;
use dab_proof::source::Source;

use crate::audit::web_source::WebSource;

/// Where a monitor reads.
pub(super) enum LedgerFiles {
    /// A folder.
    Folder(DirSource),
    /// A server.
    Web(Box<WebSource>),
}

impl LedgerFiles {
    /// Begins a look. What a server has not sent after `time` counts as unreadable until the next one begins.
    pub(super) fn begin(&self, time: Duration) {
        if let LedgerFiles::Web(source) = self {
            source.allow(time);
        }
    }
}

impl Source for LedgerFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        match self {
            LedgerFiles::Folder(source) => source.read(path),
            LedgerFiles::Web(source) => source.read(path),
        }
    }
}
