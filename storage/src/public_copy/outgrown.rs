//! Partial files that no checkpoint needs any more, and their removal.

use std::collections::{HashSet, VecDeque};

use chrono::{TimeDelta, Utc};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::Error;

/// Checkpoints whose partial files stay, the newest included: whoever has just read one reads its files next.
const SIZES_KEPT: usize = 8;

/// A file that is younger may be another node's, who puts the checkpoint that needs it next.
const AGE_MIN: TimeDelta = TimeDelta::seconds(60);

/// The partial files of the last sizes, and those that may be nobody's.
#[derive(Default)]
pub(super) struct Outgrown {
    kept: VecDeque<HashSet<Path>>,
    doubted: HashSet<Path>,
}

impl Outgrown {
    /// Notes files that were found there, or outgrown.
    pub(super) fn doubt(&mut self, paths: impl IntoIterator<Item = Path>) {
        self.doubted.extend(paths);
    }

    /// Notes the partial files of the checkpoint that was put just now.
    pub(super) fn keep(&mut self, paths: HashSet<Path>) {
        self.kept.push_back(paths);
        if self.kept.len() > SIZES_KEPT {
            let outgrown = self.kept.pop_front().unwrap_or_default();
            self.doubt(outgrown);
        }
    }

    /// Removes what nobody needs. What is too young waits for the next time.
    pub(super) async fn remove_old(&mut self, store: &dyn ObjectStore) -> Result<(), Error> {
        let kept = &self.kept;
        self.doubted
            .retain(|path| !kept.iter().any(|needed| needed.contains(path)));
        let paths: Vec<_> = self.doubted.iter().cloned().collect();
        for path in paths {
            let gone = match store.head(&path).await {
                Ok(object) if Utc::now() - object.last_modified < AGE_MIN => false,
                Ok(_) => store.delete(&path).await.map(|()| true).or_else(gone_already)?,
                Err(error) => gone_already(error)?,
            };
            if gone {
                self.doubted.remove(&path);
            }
        }
        Ok(())
    }
}

/// Another node was first.
fn gone_already(error: object_store::Error) -> Result<bool, Error> {
    match error {
        object_store::Error::NotFound { .. } => Ok(true),
        error => Err(error.into()),
    }
}
