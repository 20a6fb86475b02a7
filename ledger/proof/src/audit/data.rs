//! The data files of a table: which version added and removed them, and whether they are still the same.

use std::collections::BTreeMap;

use super::TableFiles;
use crate::commit_file::{AddedFile, CommitFile};
use crate::report::{Finding, Report, count};
use crate::verify::{Found, Hasher};

/// All data files that any version added.
#[derive(Default)]
pub(super) struct Files {
    /// By path as it stands in the actions.
    by_path: BTreeMap<String, History>,
    pub(super) deletion_vectors: u64,
    pub(super) change_files: u64,
}

/// What the versions say about one path.
#[derive(Default)]
struct History {
    /// Each `add`, in order of the versions.
    adds: Vec<Added>,
    /// The version that removed the file, unless a later one added it again.
    removed_by: Option<u64>,
}

/// An `add` action and the commit that it stands in.
struct Added {
    version: u64,
    file: AddedFile,
    /// Whether the commit is the notarized one.
    genuine: bool,
}

impl Files {
    /// Takes in the commit of `version`, be it the notarized one or not; versions come in their order.
    pub(super) fn take(&mut self, version: u64, commit: CommitFile, genuine: bool) {
        for path in commit.removes {
            // a file that no version added is not the table's
            if let Some(history) = self.by_path.get_mut(&path) {
                history.removed_by = Some(version);
            }
        }
        for add in commit.adds {
            self.deletion_vectors += u64::from(add.has_deletion_vector);
            let history = self.by_path.entry(add.path.clone()).or_default();
            history.removed_by = None;
            history.adds.push(Added {
                version,
                file: add,
                genuine,
            });
        }
        self.change_files += commit.change_files.len() as u64;
    }
}

/// Checks the data files: sizes of the current ones, or with `deep` the contents of all that are there.
pub(super) fn check_data(report: &mut Report, table: &dyn TableFiles, files: &Files, deep: bool) {
    let mut check = Check {
        hasher: deep.then(Hasher::new),
        good: Tally::default(),
        gone: BTreeMap::new(),
    };
    let mut skipped = 0;
    for (path, history) in &files.by_path {
        if !deep && history.removed_by.is_some() {
            skipped += 1;
        } else {
            check.file(report, table, path, history);
        }
    }
    let Tally { files: good, bytes } = check.good;
    if good > 0 || files.by_path.is_empty() {
        report.check(match deep {
            true => format!(
                "contents of {}, {bytes} bytes, against their BLAKE3",
                count(good, ["data file", "data files"])
            ),
            false => format!(
                "presence and size of {}",
                count(good, ["current data file", "current data files"])
            ),
        });
    }
    if !deep {
        report.leave_out("contents of the data files: give --deep");
    }
    if skipped > 0 {
        report.leave_out(format!(
            "{} that later versions removed: give --deep",
            count(skipped, ["data file", "data files"])
        ));
    }
    note_gone(report, &check.gone);
}

/// Versions that removed files which are gone now, of which a report names each.
const GONE_LISTED_MAX: usize = 20;

fn note_gone(report: &mut Report, gone: &BTreeMap<u64, u64>) {
    for (version, gone) in gone.iter().take(GONE_LISTED_MAX) {
        report.leave_out(format!(
            "{} gone: removed by version {version}",
            count(*gone, ["data file", "data files"])
        ));
    }
    let more: u64 = gone.values().skip(GONE_LISTED_MAX).sum();
    if more > 0 {
        report.leave_out(format!(
            "{} gone: removed by later versions",
            count(more, ["more data file", "more data files"])
        ));
    }
}

/// The check of one data file after the other.
struct Check {
    /// None when sizes are enough.
    hasher: Option<Hasher>,
    good: Tally,
    /// Files that are gone, by the version that removed them.
    gone: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
}

impl Check {
    fn file(&mut self, report: &mut Report, table: &dyn TableFiles, path: &str, history: &History) {
        let Some(added_by) = history.adds.last().map(|added| added.version) else {
            return;
        };
        let place = |version: u64| Finding::default().version(version).file(path);
        let file = match (table.data_file(path), history.removed_by) {
            (Ok(Some(file)), _) => file,
            (Ok(None), Some(removed_by)) => {
                *self.gone.entry(removed_by).or_default() += 1;
                return;
            }
            (Ok(None), None) => {
                let message = "the data file that this version added is missing".into();
                return report.fail(Finding {
                    message,
                    ..place(added_by)
                });
            }
            (Err(error), _) => return report.error(&error, place(added_by)),
        };
        let stated = file.size;
        let sizes = history.adds.iter().map(|added| (added.file.size, added.genuine));
        let found = self.hasher.as_mut().map(|hasher| hasher.find(file, sizes)).transpose();
        let (size, blake3) = match found {
            Ok(None | Some(Found::WrongSize)) => (stated, None),
            Ok(Some(Found::Hashed { size, blake3 })) => (size, Some(blake3)),
            Ok(Some(Found::OnlyForged)) => {
                let what = format!("contents of {path}, which only a forged commit names with this size");
                return report.leave_out(what);
            }
            Err(error) => {
                let message = format!("it cannot be read: {error}");
                return report.doubt(Finding {
                    message,
                    ..place(added_by)
                });
            }
        };
        let mut good = true;
        for added in &history.adds {
            if let Some(problem) = added.file.difference(size, blake3.as_ref()) {
                good = false;
                report.fail(Finding {
                    message: format!("the data file is not the one that this version added: {problem}"),
                    ..place(added.version)
                });
            }
        }
        if good {
            self.good.files += 1;
            self.good.bytes = self.good.bytes.saturating_add(size);
        }
    }
}
