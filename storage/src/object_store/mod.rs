//! The stack of stores that a table's bytes pass through, from the disk upwards.
//!
//! ```text
//! deltalake, DataFusion
//!        |
//!   GuardedStore    serves only commits that the ledger ratified, refuses every write below `_delta_log/`
//!        |
//!   HashingStore    BLAKE3 of every data file, while it is being written
//!        |
//!   DurableStore    what it has written is on the disk when it returns
//!        |
//!   LocalFileSystem
//! ```

mod durable;
mod guarded;
mod hashing;

pub use durable::DurableStore;
pub(crate) use guarded::GuardedStore;
pub(crate) use hashing::{FileDigests, HashingStore};

use object_store::path::Path;

/// The folder of a table's commits, below the table's own.
pub(crate) const DELTA_LOG: &str = "_delta_log";

/// The published place of a commit: `_delta_log/` and the version in twenty digits.
pub(crate) fn commit_path(version: crate::TableVersion) -> Path {
    Path::from_iter([DELTA_LOG, &format!("{:020}.json", version.0)])
}

/// The version of a published commit's path; `None` for every other path.
pub(crate) fn commit_version(path: &Path) -> Option<crate::TableVersion> {
    let name = path
        .as_ref()
        .strip_prefix(DELTA_LOG)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    let all_digits = name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| name.parse().ok().map(crate::TableVersion)).flatten()
}

/// Whether a path lies in the folder of commits.
pub(crate) fn is_in_delta_log(path: &Path) -> bool {
    path.parts().next().is_some_and(|part| part.as_ref() == DELTA_LOG)
}
