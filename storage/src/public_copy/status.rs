//! How far the public copy follows the ledger.

use std::time::Duration;

use dab_proof::tree::TreeSize;
use tokio::time::Instant;

use super::PublicCopy;
use crate::Error;

/// How far the public copy follows the ledger, as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicCopyStatus {
    /// Leaves of the checkpoint that it has.
    pub size: TreeSize,
    /// Leaves of the ledger's last checkpoint.
    pub certified: TreeSize,
    /// For how long it has been behind; `None` where it is not.
    pub behind_for: Option<Duration>,
    /// Why the last attempt to bring it up failed; `None` where it did not.
    pub trouble: Option<String>,
}

/// The same as it was at the last look.
#[derive(Default)]
pub(super) struct Lag {
    size: TreeSize,
    behind_since: Option<Instant>,
    trouble: Option<String>,
}

impl Lag {
    /// Notes what was found.
    pub(super) fn note(&mut self, size: TreeSize, certified: TreeSize, trouble: Option<&Error>) {
        self.size = size;
        self.trouble = trouble.map(ToString::to_string);
        self.is_behind(certified);
    }

    /// Whether the copy is behind, and since when as far as is known.
    pub(super) fn is_behind(&mut self, certified: TreeSize) -> Option<Instant> {
        self.behind_since = (self.size < certified).then(|| self.behind_since.unwrap_or_else(Instant::now));
        self.behind_since
    }
}

impl PublicCopy {
    /// How far the copy follows.
    pub async fn status(&self) -> PublicCopyStatus {
        let certified = self.reader.certified().await.size;
        let mut lag = self.lag.lock();
        PublicCopyStatus {
            size: lag.size,
            certified,
            behind_for: lag.is_behind(certified).map(|since| since.elapsed()),
            trouble: lag.trouble.clone(),
        }
    }
}
