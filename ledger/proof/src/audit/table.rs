//! The audit of a whole table.

use super::TableFiles;
use super::chain::{Chain, read_leaf};
use super::data::{Files, check_data};
use super::listing::{LISTED_MAX, Listing};
use super::walk::{read_checkpoint, walk};
use crate::checkpoint::Checkpoint;
use crate::commit_file::{CommitFile, TABLE_ID_PROPERTY, name_of};
use crate::leaf::{Leaf, Subject};
use crate::report::{Finding, Report, count};
use crate::source::Source;
use crate::trust::Trust;
use crate::verify::{TABLE_ID_HINT, check_commit, table_id_holds};

/// A notarized version: its leaf, and where that stands.
struct Notarized {
    leaf: Leaf,
    leaf_index: u64,
}

/// Holds the files of a table against the ledger.
///
/// Every version that the ledger knows has its commit file, byte for byte (a removed last commit is missed as well as any
/// other), no commit file stands beyond the ledger's head, each commit names its table, version and predecessor as the
/// ledger does, and the root over its added files is the notarized one. Of the data files, the current ones must have
/// the size that their commit gives; with `deep`, every data file that any version added is hashed, as long as it is
/// there: one that a later version removed may be gone.
///
/// A ledger or a table that cannot be read gives an undecided report.
pub fn audit_table(source: &dyn Source, trust: &Trust, table: &dyn TableFiles, deep: bool) -> Report {
    audit_table_expecting(source, trust, table, None, deep)
}

/// `audit_table` for one table: with `table_id`, the files of any other are invalid.
///
/// Without it the commits say which table they are. Nothing binds the name of a folder to an id, so whoever can exchange
/// folders can show another notarized table; and without any commit there is no id to ask the ledger for.
pub fn audit_table_expecting(
    source: &dyn Source,
    trust: &Trust,
    table: &dyn TableFiles,
    table_id: Option<&str>,
    deep: bool,
) -> Report {
    let mut report = Report::new("audit of a table");
    // the table is listed before the ledger is read: what is published by then, the ledger's checkpoint covers
    let listing = match Listing::read(table) {
        Ok(listing) => listing,
        Err(error) => {
            report.error(&error, Finding::default());
            return report;
        }
    };
    let Some(subject) = find_subject(&mut report, &listing, table, table_id) else {
        return report;
    };
    let Some(checkpoint) = read_checkpoint(source, trust, &mut report) else {
        return report;
    };
    let Some(notarized) = read_versions(source, trust, &checkpoint, &subject, &mut report) else {
        return report;
    };
    let files = check_commits(&mut report, table, &notarized);
    check_data(&mut report, table, &files, deep);
    // last, as there can be any number of them: they must not hide what is wrong with the notarized versions
    check_foreign(&mut report, &listing.versions, notarized.len() as u64, &subject);
    listing.note_other_files(&mut report);
    note_limits(&mut report, &files);
    report
}

/// The subject to ask the ledger for: that of the table that is expected, else of the one that the commits state. None
/// when there is no id, or the commits are those of another table.
fn find_subject(
    report: &mut Report,
    listing: &Listing,
    table: &dyn TableFiles,
    expected: Option<&str>,
) -> Option<Subject> {
    let stated = listing.identify(table);
    let (table_id, version) = match (expected, stated) {
        (None, Ok((stated, version))) => (stated, Some(version)),
        (Some(expected), Ok((stated, version))) if stated != expected => {
            let message = format!("the table here has table id {stated}, not {expected}");
            report.fail(Finding::new(message).version(version).file(name_of(version)));
            report.leave_out("the files of this other table");
            return None;
        }
        (Some(expected), _) => (expected.to_owned(), None),
        (None, Err(unread)) => {
            listing.doubt_without_id(report, unread);
            return None;
        }
    };
    let subject = match Subject::table(&table_id) {
        Ok(subject) => subject,
        Err(error) => {
            let place = version.map_or_else(Finding::default, |version| {
                Finding::default().version(version).file(name_of(version))
            });
            report.error(&error, place);
            return None;
        }
    };
    report.title = format!("audit of table {table_id}");
    report.about(&subject);
    match expected {
        Some(expected) => report.check(table_id_holds(expected)),
        None => report.leave_out(TABLE_ID_HINT),
    }
    Some(subject)
}

/// The table's leaves, in order of their versions; none when the ledger cannot be walked to its certified root.
fn read_versions(
    source: &dyn Source,
    trust: &Trust,
    checkpoint: &Checkpoint,
    subject: &Subject,
    report: &mut Report,
) -> Option<Vec<Notarized>> {
    let mut chain = Chain::new(&checkpoint.origin, trust);
    let mut notarized: Vec<Notarized> = Vec::new();
    let failures = report.failures.len();
    let whole = walk(source, checkpoint, report, &mut |report, entry| {
        let Some(leaf) = read_leaf(report, &entry) else { return };
        if leaf.leaf().subject != *subject {
            return;
        }
        chain.follow(report, &entry, &leaf);
        if leaf.leaf().sequence == notarized.len() as u64 {
            notarized.push(Notarized {
                leaf: leaf.leaf().clone(),
                leaf_index: entry.index.0,
            });
        }
    });
    if !whole {
        report.leave_out("the table's files: without the ledger's leaves there is nothing to hold them against");
        return None;
    }
    if report.failures.len() == failures && !notarized.is_empty() {
        report.check(format!(
            "signature, writer, sequence and parent of {} of the table",
            count(notarized.len() as u64, ["leaf", "leaves"])
        ));
    }
    for (writer, leaves) in chain.written() {
        report.written(
            writer.as_str(),
            format!("{} of the table", count(*leaves, ["leaf", "leaves"])),
        );
    }
    report.leave_out("leaves of other subjects, and tiles of hashes: audit the ledger for these");
    Some(notarized)
}

/// Names the commit files that the ledger does not know.
fn check_foreign(report: &mut Report, versions: &[u64], notarized: u64, subject: &Subject) {
    if notarized == 0 {
        report.fail(Finding::new(format!(
            "the ledger has no leaf for {subject}: no version of the table is notarized"
        )));
    }
    let foreign = &versions[versions.partition_point(|version| *version < notarized)..];
    for version in foreign.iter().take(LISTED_MAX) {
        let message = match notarized.checked_sub(1) {
            Some(head) => format!("the ledger does not know this commit: its last version is {head}"),
            None => "the ledger does not know this commit".to_owned(),
        };
        report.fail(Finding::new(message).version(*version).file(name_of(*version)));
    }
    report.fail_unlisted(foreign.len().saturating_sub(LISTED_MAX) as u64);
    if notarized > 0 {
        report.fact("version", (notarized - 1).to_string());
        if foreign.is_empty() {
            report.check(format!(
                "no commit file beyond version {}, the ledger's last",
                notarized - 1
            ));
        }
    }
}

/// Checks every commit file and collects what the commits say about files.
fn check_commits(report: &mut Report, table: &dyn TableFiles, notarized: &[Notarized]) -> Files {
    let mut files = Files::default();
    let mut genuine = 0;
    for (version, statement) in (0..).zip(notarized) {
        let last = version + 1 == notarized.len() as u64;
        let place = || {
            Finding::default()
                .version(version)
                .file(name_of(version))
                .leaf(statement.leaf_index)
        };
        let checked = match table.commit(version) {
            Ok(Some(file)) => check_commit(&statement.leaf, file),
            Ok(None) => {
                let why = if last {
                    "it was removed, or certified a moment ago and not published yet"
                } else {
                    "removed"
                };
                let message = format!("the commit file of a notarized version is missing: {why}");
                report.fail(Finding { message, ..place() });
                continue;
            }
            Err(error) => Err(error),
        };
        let mut checked = match checked {
            Ok(checked) => checked,
            Err(error) => {
                report.error(&error, place());
                continue;
            }
        };
        checked
            .problems
            .extend(foreign_property(&statement.leaf, checked.commit.as_ref()));
        genuine += u64::from(checked.problems.is_empty());
        for message in checked.problems {
            report.fail(Finding { message, ..place() });
        }
        // a forged commit, too, says which files a reader would open
        if let Some(commit) = checked.commit {
            files.take(version, commit, checked.genuine);
        }
    }
    if genuine > 0 {
        report.check(format!(
            "{genuine} of {}: byte for byte as notarized",
            count(notarized.len() as u64, ["commit file", "commit files"])
        ));
        report.check(format!(
            "table id, version, predecessor and files root in {}",
            count(genuine, ["commit file", "commit files"])
        ));
    }
    files
}

/// What is wrong with the table id that a commit sets as a property of the table.
fn foreign_property(leaf: &Leaf, commit: Option<&CommitFile>) -> Option<String> {
    let property = commit?.property_table_id.as_ref()?;
    (leaf.subject.table_id() != Some(property))
        .then(|| format!("the table property {TABLE_ID_PROPERTY} is {property:?}, not the notarized table id"))
}

fn note_limits(report: &mut Report, files: &Files) {
    if files.deletion_vectors > 0 {
        report.leave_out(format!(
            "{}: rows that they hide",
            count(files.deletion_vectors, ["deletion vector", "deletion vectors"])
        ));
    }
    if files.change_files > 0 {
        report.leave_out(count(files.change_files, ["change data file", "change data files"]));
    }
    report.leave_out(
        "that no later checkpoint exists: an older copy of both ledger and table looks the same (audit the ledger \
         with --since)",
    );
    report.leave_out("the users named in commits: that is the writer's word");
}
