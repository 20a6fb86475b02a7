//! What lies in a table's `_delta_log`, and the table id that its commits state.

use std::collections::BTreeSet;

use super::TableFiles;
use crate::commit_file::{name_of, table_id_in, version_of};
use crate::error::Error;
use crate::report::{Finding, Report, count};

/// Names in `_delta_log` that are looked at.
const LOG_NAMES_MAX: u64 = 10_000_000;

/// Files of one kind that a report lists one by one; further ones are counted.
pub(super) const LISTED_MAX: usize = 20;

/// Commit files in which the table id is looked for, from the first on, when the auditor does not give it.
const IDENTIFY_COMMITS_MAX: usize = 16;

/// Bytes at the beginning of each that are read for it.
const IDENTIFY_BYTES_MAX: usize = 1 << 20;

/// Commits that wait for the ledger's word; they are no part of the table yet.
const STAGED_COMMITS: &str = "_staged_commits/";

/// The names, sorted out. Of a log with very many names this holds a number for each commit and little more.
#[derive(Default)]
pub(super) struct Listing {
    /// Versions that have a commit file, in order.
    pub(super) versions: Vec<u64>,
    derived_state: Names,
    others: Names,
}

/// The first names in their order, and the number of all.
#[derive(Default)]
struct Names {
    first: BTreeSet<String>,
    all: u64,
}

impl Names {
    fn take(&mut self, name: &str) {
        self.all += 1;
        self.first.insert(name.to_owned());
        if self.first.len() > LISTED_MAX {
            self.first.pop_last();
        }
    }
}

impl Listing {
    /// Lists the log once.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be listed, or has more than `LOG_NAMES_MAX` names.
    pub(super) fn read(table: &dyn TableFiles) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut names: u64 = 0;
        table.list_log(&mut |name| {
            if names == LOG_NAMES_MAX {
                return Err(Error::Unavailable {
                    path: "_delta_log".to_owned(),
                    reason: format!("it has more than {LOG_NAMES_MAX} names"),
                });
            }
            names += 1;
            if let Some(version) = version_of(name) {
                listing.versions.push(version);
            } else if is_derived_state(name) {
                listing.derived_state.take(name);
            } else if !name.starts_with(STAGED_COMMITS) {
                listing.others.take(name);
            }
            Ok(())
        })?;
        listing.versions.sort_unstable();
        Ok(listing)
    }

    /// The table id that the first commits state, with the version of the one that does.
    ///
    /// # Errors
    /// When none states it: the commits that could not be read or parsed.
    pub(super) fn identify(&self, table: &dyn TableFiles) -> Result<(String, u64), Vec<(u64, Error)>> {
        let mut unread = Vec::new();
        for version in self.versions.iter().take(IDENTIFY_COMMITS_MAX) {
            let stated = match table.commit(*version) {
                Ok(Some(file)) => {
                    let is_whole = file.size <= IDENTIFY_BYTES_MAX as u64;
                    file.read_start("commit file", IDENTIFY_BYTES_MAX)
                        .and_then(|start| table_id_in(&start, is_whole))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            match stated {
                Ok(Some(table_id)) => return Ok((table_id, *version)),
                Ok(None) => {}
                Err(error) => unread.push((*version, error)),
            }
        }
        Err(unread)
    }

    /// Says why no table id was found, and what was in the way.
    pub(super) fn doubt_without_id(&self, report: &mut Report, unread: Vec<(u64, Error)>) {
        for (version, error) in unread {
            report.error(&error, Finding::default().version(version).file(name_of(version)));
        }
        let message = match self.versions.len() {
            0 => {
                "no commit file in _delta_log: this is no Delta table, or all of its commits are gone. If you know the \
                  table id, give --table-id"
                    .to_owned()
            }
            _ => format!(
                "no table id in the first {IDENTIFY_BYTES_MAX} bytes of the first {} here: this table was not written \
                 by DAB, or give --table-id",
                count(
                    self.versions.len().min(IDENTIFY_COMMITS_MAX) as u64,
                    ["commit file", "commit files"]
                )
            ),
        };
        report.doubt(Finding::new(message));
    }

    /// Reports the files that are no commits.
    pub(super) fn note_other_files(&self, report: &mut Report) {
        // Delta readers believe a checkpoint more than the commits that it stands for.
        for name in &self.derived_state.first {
            let message = "DAB writes no such file, nothing in the ledger binds it, and Delta readers believe it";
            report.fail(Finding::new(message).file(format!("_delta_log/{name}")));
        }
        report.fail_unlisted(self.derived_state.all - self.derived_state.first.len() as u64);
        if self.others.all <= LISTED_MAX as u64 {
            for name in &self.others.first {
                report.leave_out(format!("_delta_log/{name}: nothing in the ledger binds it"));
            }
        } else if let Some(name) = self.others.first.first() {
            report.leave_out(format!(
                "{} other files in _delta_log, {name} and so on: nothing in the ledger binds them",
                self.others.all
            ));
        }
    }
}

/// Whether Delta readers take the file for the state of the table, in place of commits: checkpoints in their three forms,
/// the pointer to one, and compacted commits.
fn is_derived_state(name: &str) -> bool {
    name == "_last_checkpoint"
        || name.starts_with("_sidecars")
        || name.contains(".checkpoint.")
        || name.ends_with(".compacted.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::OpenFile;
    use crate::testing::MemoryTable;

    /// A log with this many names, each made when it is asked for.
    struct Endless(u64);

    impl TableFiles for Endless {
        fn list_log(&self, visit: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
            (0..self.0).try_for_each(|name| visit(&format!("{name}.crc")))
        }

        fn commit(&self, _: u64) -> Result<Option<OpenFile<'_>>, Error> {
            Ok(None)
        }

        fn data_file(&self, _: &str) -> Result<Option<OpenFile<'_>>, Error> {
            Ok(None)
        }
    }

    #[test]
    fn file_that_does_not_parse_is_named_unless_it_is_only_its_beginning_that_was_read() {
        let unread = |bytes: usize| {
            let mut table = MemoryTable::default();
            table.commits.insert(7, vec![b'{'; bytes]);
            Listing::read(&table).unwrap().identify(&table).unwrap_err()
        };
        for whole in [1, IDENTIFY_BYTES_MAX] {
            let [(7, error)] = &unread(whole)[..] else {
                panic!("one file")
            };
            assert!(matches!(error, Error::Malformed { .. }), "{error}");
        }
        assert_eq!(unread(IDENTIFY_BYTES_MAX + 1), []);
    }

    #[test]
    fn log_with_endless_names_ends_undecided() {
        let refused = Listing::read(&Endless(u64::MAX)).err().unwrap();
        assert!(refused.is_undecided(), "{refused}");
    }

    #[test]
    fn only_the_first_names_are_kept_of_very_many() {
        let listing = Listing::read(&Endless(100_000)).unwrap();
        assert_eq!((listing.others.first.len(), listing.others.all), (20, 100_000));
        assert_eq!(listing.others.first.first().unwrap(), "0.crc");
    }
}
