//! Checks one receipt, and the artefacts that it speaks about: what `dab verify` and `dab-verify verify` do.

mod body;
mod commit;
mod data;

pub use commit::FORGED_COMMIT_BYTES_MAX;
pub use data::FORGED_DATA_BYTES_MAX;

pub(crate) use commit::check_commit;
pub(crate) use data::{Found, Hasher};

use crate::commit_file::CommitFile;
use crate::leaf::{Leaf, Subject};
use crate::receipt::{Receipt, Verified};
use crate::report::{Finding, Report, count};
use crate::source::OpenFile;
use crate::trust::Trust;

/// A data file to be checked.
pub struct DataArtefact<'a> {
    /// Its path, of which at least the last segment must be that of a file that the commit adds.
    pub path: String,
    /// Its size and bytes.
    pub file: OpenFile<'a>,
}

/// What is to be checked against a receipt.
#[derive(Default)]
pub struct Artefacts<'a> {
    /// The id of the table that the receipt must be for. Without it the receipt may be for any: no name of a file or of
    /// a table is bound to the id.
    pub table_id: Option<&'a str>,
    /// The subject that the receipt must be for, where that is no table.
    pub subject: Option<Subject>,
    /// The body that the leaf binds: for a table, the commit file; for a subject `digest/...` a file of any size.
    pub body: Option<OpenFile<'a>>,
    /// Data files that the commit adds. They need the commit.
    pub data: Vec<DataArtefact<'a>>,
}

/// Checks a receipt against the trust root, then the artefacts against the receipt. Nothing that the receipt states is
/// reported before it has been derived from signatures and hashes.
pub fn verify(receipt: &[u8], trust: &Trust, artefacts: Artefacts<'_>) -> Report {
    let mut report = Report::new("receipt");
    let verified = match Receipt::parse(receipt).and_then(|receipt| receipt.verify(trust)) {
        Ok(verified) => verified,
        Err(error) => {
            report.error(&error, Finding::default());
            return report;
        }
    };
    note_receipt(&mut report, &verified);
    let leaf = verified.leaf.leaf();
    check_subject(&mut report, "receipt", &leaf.subject, artefacts.table_id);
    if let Some(expected) = &artefacts.subject {
        body::check_name(&mut report, &leaf.subject, expected);
    }
    let body = match (artefacts.body, leaf.subject.table_id()) {
        (Some(body), Some(_)) => check_body(&mut report, leaf, body),
        (Some(body), None) => {
            body::check(&mut report, leaf, body);
            None
        }
        (None, table) => {
            let advice = match table {
                Some(_) => "give --commit",
                None => "give the file, and this proof with --proof",
            };
            report.leave_out(format!(
                "the body of {} bytes that the leaf binds: {advice}",
                leaf.body.bytes
            ));
            None
        }
    };
    match body {
        Some(body) => check_data(&mut report, leaf, &body, artefacts.data),
        None => artefacts.data.iter().for_each(|data| {
            report.doubt(Finding::new("needs the commit file that adds it").file(data.path.as_str()));
        }),
    }
    report.leave_out("what was notarized after this checkpoint: audit the table or the ledger for that");
    if leaf.subject.table_id().is_some() {
        report.leave_out("the user named in the commit: that is the writer's word");
    }
    if leaf.subject.digest_name().is_some() {
        report.leave_out("for whom the writer signed: no leaf names a user, nor where the bytes came from");
    }
    report
}

fn note_receipt(report: &mut Report, verified: &Verified) {
    let leaf = verified.leaf.leaf();
    report.title = match leaf.subject.table_id() {
        Some(table_id) => format!("receipt for version {} of table {table_id}", leaf.sequence),
        None => format!("receipt for number {} of subject {}", leaf.sequence, leaf.subject),
    };
    report.fact("ledger", leaf.origin.as_str());
    report.about(&leaf.subject);
    report.fact("sequence", leaf.sequence.to_string());
    report.fact("operation", leaf.operation.as_str());
    report.fact(
        "leaf",
        format!(
            "{} of a tree of {}",
            verified.index,
            count(verified.size.0, ["leaf", "leaves"])
        ),
    );
    report.fact("leaf hash", verified.leaf.hash().to_string());
    report.fact("root", verified.root.to_string());
    report.check("signatures of the checkpoint, against the policy");
    report.check("inclusion of the leaf in the checkpoint's tree");
    report.check("signature of the leaf, by a writer who may write this subject");
    report.written(verified.writer.as_str(), format!("leaf {}", verified.index));
    report.certified(verified.certification.clone(), verified.size.0);
}

/// Holds the subject of `what` against the table that was asked for.
pub(crate) fn check_subject(report: &mut Report, what: &str, subject: &Subject, expected: Option<&str>) {
    match (subject.table_id(), expected) {
        (Some(_), None) => report.leave_out(TABLE_ID_HINT),
        (None, None) => {}
        (Some(found), Some(expected)) if found == expected => report.check(table_id_holds(expected)),
        (Some(found), Some(expected)) => {
            report.fail(Finding::new(format!(
                "the {what} is for table id {found}, not {expected}"
            )));
        }
        (None, Some(expected)) => {
            report.fail(Finding::new(format!(
                "the {what} is for subject {subject}, not table {expected}"
            )));
        }
    }
}

/// What a report says when nobody said which table it was to be.
pub(crate) const TABLE_ID_HINT: &str =
    "that this is the table you mean: no name is bound to a table id (compare it, or give --table-id)";

/// What a report says when the table is the one that was asked for.
pub(crate) fn table_id_holds(table_id: &str) -> String {
    format!("the table id is {table_id}, as asked for")
}

/// A commit file as far as it could be read, and whether it is the notarized one.
struct Body {
    commit: CommitFile,
    genuine: bool,
}

/// Checks a table's commit file against the leaf. Returns the commit that it is, be it the notarized one or not: a forged
/// commit is still compared with its files, to say as much as can be said.
fn check_body(report: &mut Report, leaf: &Leaf, body: OpenFile<'_>) -> Option<Body> {
    let place = || {
        Finding::default()
            .version(leaf.sequence)
            .file(crate::commit_file::name_of(leaf.sequence))
    };
    let checked = match check_commit(leaf, body) {
        Ok(checked) => checked,
        Err(error) => {
            report.error(&error, place());
            return None;
        }
    };
    if checked.genuine {
        report.check(format!(
            "the body's {} bytes, their BLAKE3 and SHA-256",
            leaf.body.bytes
        ));
    }
    if let (Some(commit), true) = (&checked.commit, checked.problems.is_empty()) {
        report.check(format!(
            "the list of {}, against the files root",
            count(commit.adds.len() as u64, ["added file", "added files"])
        ));
    }
    for message in checked.problems {
        report.fail(Finding { message, ..place() });
    }
    let genuine = checked.genuine;
    checked.commit.map(|commit| Body { commit, genuine })
}

fn check_data(report: &mut Report, leaf: &Leaf, body: &Body, data: Vec<DataArtefact<'_>>) {
    let commit = &body.commit;
    let mut seen = vec![false; commit.adds.len()];
    let mut hasher = Hasher::new();
    for DataArtefact { path, file } in data {
        let candidates = data::matching_adds(&commit.adds, &path);
        let place = || Finding::default().version(leaf.sequence).file(path.as_str());
        let Some(&first) = candidates.first() else {
            let message = "the commit adds no file of this name".to_owned();
            report.fail(Finding { message, ..place() });
            continue;
        };
        let size = file.size;
        let sizes = candidates.iter().map(|add| (commit.adds[*add].size, body.genuine));
        let (size, blake3) = match hasher.find(file, sizes) {
            Ok(Found::WrongSize) => (size, None),
            Ok(Found::Hashed { size, blake3 }) => (size, Some(blake3)),
            Ok(Found::OnlyForged) => {
                report.leave_out(format!("contents of {path}, which only a forged commit names"));
                continue;
            }
            Err(error) => {
                let message = format!("it cannot be read: {error}");
                report.doubt(Finding { message, ..place() });
                continue;
            }
        };
        let difference = |add: usize| commit.adds[add].difference(size, blake3.as_ref());
        match candidates.iter().find(|add| difference(**add).is_none()) {
            Some(&add) => {
                seen[add] = true;
                report.check(format!(
                    "data file {}: {size} bytes, their BLAKE3",
                    commit.adds[add].path
                ));
            }
            None => {
                let why = difference(first).unwrap_or_default();
                let message = format!("the data file is not the one that was added: {why}");
                report.fail(Finding { message, ..place() });
            }
        }
    }
    let unseen = seen.iter().filter(|seen| !**seen).count();
    if unseen > 0 {
        report.leave_out(format!(
            "{unseen} of {} that the commit adds: give --data",
            count(seen.len() as u64, ["data file", "data files"])
        ));
    }
    if commit.adds.iter().any(|add| add.has_deletion_vector) {
        report.leave_out("deletion vectors, which hide rows of data files");
    }
    if !commit.change_files.is_empty() {
        report.leave_out(count(
            commit.change_files.len() as u64,
            ["change data file", "change data files"],
        ));
    }
}
