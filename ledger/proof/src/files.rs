//! Receipts, trust folders, ledgers and tables on a local disk. The only module that opens files; `dab` and `dab-verify`
//! both call it.
//!
//! Paths that name no regular file (pipes, devices, folders) are refused rather than read, and every read stops at the
//! limit of its format and at the size that the system stated.

mod changes;
mod fork;
mod head;
mod stored;
mod table;

pub use changes::follow_file;
pub use fork::fork_files;
pub use head::head_file;
pub use table::DirTable;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::audit::{audit_ledger, audit_table_expecting};
use crate::error::Error;
use crate::leaf::Subject;
use crate::narrow::read_or_narrow;
use crate::note::NOTE_BYTES_MAX;
use crate::policy::POLICY_BYTES_MAX;
use crate::receipt::RECEIPT_BYTES_MAX;
use crate::report::{Finding, Report};
use crate::source::{OpenFile, Source, limit_of};
use crate::trust::{LEDGER_BYTES_MAX, Trust};
use crate::verify::{Artefacts, DataArtefact, verify};
use crate::writers::WRITERS_BYTES_MAX;

/// The public files of a ledger in a folder: a copy, or that of a node that runs.
///
/// A partial tile or bundle that is not there is cut from the widest one of its place, for a node removes those of
/// earlier sizes. So an older checkpoint can be read with newer files.
#[derive(Debug, Clone)]
pub struct DirSource {
    root: PathBuf,
}

/// Where a ledger's public files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// In a local folder.
    Folder(PathBuf),
    /// On a server: this crate does not go there, `dab audit` does.
    Url(String),
}

impl DirSource {
    /// The ledger whose `checkpoint` lies in `root`.
    pub fn new(root: impl Into<PathBuf>) -> DirSource {
        DirSource { root: root.into() }
    }

    /// Where a public file lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn read_stored_file(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        read_limited(&self.path(path), "public file", limit_of(path))
    }
}

impl Source for DirSource {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        read_or_narrow(self, path)
    }
}

/// Reads the trust folder `dir`: `policy`, `writers`, and `ledger` if it is there.
///
/// # Errors
/// `Unavailable` when one of the first two is not there or cannot be read; those of `Trust::from_texts`.
pub fn read_trust(dir: &Path) -> Result<Trust, Error> {
    let policy = read_needed(&dir.join("policy"), "policy", POLICY_BYTES_MAX)?;
    let writers = read_needed(&dir.join("writers"), "writers file", WRITERS_BYTES_MAX)?;
    let ledger = read_limited(&dir.join("ledger"), "ledger file", LEDGER_BYTES_MAX)?;
    let ledger = ledger.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Trust::from_texts(policy, writers, ledger.as_deref())
}

/// The ledger to be read: `given` by the caller (a path relative to the working folder, or a URL), else the one that the
/// trust folder names (a path relative to that folder, or a URL).
///
/// # Errors
/// `Unavailable` when neither names one.
pub fn ledger_place(trust_dir: &Path, trust: &Trust, given: Option<&str>) -> Result<LedgerPlace, Error> {
    if let Some(given) = given {
        return Ok(LedgerPlace::parse(Path::new(""), given));
    }
    let named = trust.ledger.as_deref().ok_or_else(|| Error::Unavailable {
        path: trust_dir.join("ledger").display().to_string(),
        reason: "there is no such file, and no ledger was given".to_owned(),
    })?;
    Ok(LedgerPlace::parse(trust_dir, named))
}

impl LedgerPlace {
    fn parse(base: &Path, place: &str) -> LedgerPlace {
        if place.contains("://") {
            LedgerPlace::Url(place.to_owned())
        } else {
            LedgerPlace::Folder(base.join(place))
        }
    }
}

/// What is to be checked against a receipt: [`Artefacts`], by the paths of the files.
#[derive(Debug, Clone, Default)]
pub struct ArtefactFiles<'a> {
    /// The id of the table that the receipt must be for.
    pub table_id: Option<&'a str>,
    /// The subject that the receipt must be for.
    pub subject: Option<&'a Subject>,
    /// The body that the leaf binds.
    pub body: Option<&'a Path>,
    /// Data files that the commit adds.
    pub data: &'a [PathBuf],
}

/// Checks the receipt in a file, and the artefacts given with it, against a trust folder.
pub fn verify_file(receipt: &Path, trust_dir: &Path, files: &ArtefactFiles<'_>) -> Report {
    let title = format!("receipt {}", receipt.display());
    let trust = match read_trust(trust_dir) {
        Ok(trust) => trust,
        Err(error) => return untrusted(title, trust_dir, &error),
    };
    let inputs = read_needed(receipt, "receipt", RECEIPT_BYTES_MAX).and_then(|receipt| {
        let body = files.body.map(open_needed).transpose()?;
        let data = files.data.iter().map(|path| {
            Ok(DataArtefact {
                path: path.display().to_string(),
                file: open_needed(path)?,
            })
        });
        let artefacts = Artefacts {
            table_id: files.table_id,
            subject: files.subject.cloned(),
            body,
            data: data.collect::<Result<_, Error>>()?,
        };
        Ok((receipt, artefacts))
    });
    match inputs {
        Ok((receipt, artefacts)) => {
            let report = verify(&receipt, &trust, artefacts);
            // a receipt that does not hold says nothing, so the report goes by the file's name
            if report.facts.is_empty() {
                Report { title, ..report }
            } else {
                report
            }
        }
        Err(error) => failed(title, &error),
    }
}

/// Audits the table in a folder against the ledger in another; with `table_id`, the files of any other table are invalid.
pub fn audit_table_dir(table: &Path, trust_dir: &Path, ledger: &Path, table_id: Option<&str>, deep: bool) -> Report {
    match read_trust(trust_dir) {
        Ok(trust) => audit_table_expecting(&DirSource::new(ledger), &trust, &DirTable::new(table), table_id, deep),
        Err(error) => untrusted(format!("audit of the table in {}", table.display()), trust_dir, &error),
    }
}

/// Audits the ledger in a folder, if asked for also against an older checkpoint in a file.
pub fn audit_ledger_dir(ledger: &Path, trust_dir: &Path, since: Option<&Path>) -> Report {
    let title = format!("audit of the ledger in {}", ledger.display());
    let trust = match read_trust(trust_dir) {
        Ok(trust) => trust,
        Err(error) => return untrusted(title, trust_dir, &error),
    };
    match since.map(read_checkpoint).transpose() {
        Ok(since) => {
            let mut report = audit_ledger(&DirSource::new(ledger), &trust, since.as_deref());
            report.fact("folder", ledger.display().to_string());
            report
        }
        Err(error) => failed(title, &error),
    }
}

/// Reads a checkpoint that an auditor kept.
///
/// # Errors
/// `Unavailable` when it is not there or cannot be read, `TooLarge`.
pub fn read_checkpoint(path: &Path) -> Result<Vec<u8>, Error> {
    read_needed(path, "checkpoint", NOTE_BYTES_MAX)
}

/// The report when there is nothing to believe in: whatever is wrong with the trust folder, the question stays open.
pub fn untrusted(title: String, trust_dir: &Path, error: &Error) -> Report {
    let mut report = Report::new(title);
    report.doubt(Finding::new(format!(
        "the trust folder {} cannot be used: {error}",
        trust_dir.display()
    )));
    report
}

fn failed(title: String, error: &Error) -> Report {
    let mut report = Report::new(title);
    report.error(error, Finding::default());
    report
}

/// Reads a file that has to be there.
fn read_needed(path: &Path, what: &'static str, limit: usize) -> Result<Vec<u8>, Error> {
    read_limited(path, what, limit)?.ok_or_else(|| absent(path))
}

/// Reads a file of at most `limit` bytes; none when there is no file of that name.
fn read_limited(path: &Path, what: &'static str, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    match open_file(path)? {
        Some(file) => file.read_whole(what, limit).map(Some),
        None => Ok(None),
    }
}

/// Opens a file that has to be there.
fn open_needed(path: &Path) -> Result<OpenFile<'static>, Error> {
    open_file(path)?.ok_or_else(|| absent(path))
}

/// Opens a regular file; none when there is nothing of that name. The size is the one that the system states: files that
/// state none and yet never end, as in `/proc`, count as empty.
fn open_file(path: &Path) -> Result<Option<OpenFile<'static>>, Error> {
    // asked before it is opened: opening a pipe would wait for somebody who writes to it
    match fs::metadata(path) {
        Ok(metadata) => check_regular(path, &metadata)?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unavailable(path, &error)),
    }
    let file = File::open(path).map_err(|error| unavailable(path, &error))?;
    // asked again of what was opened: another file may stand there by now
    let metadata = file.metadata().map_err(|error| unavailable(path, &error))?;
    check_regular(path, &metadata)?;
    Ok(Some(OpenFile {
        size: metadata.len(),
        reader: Box::new(file),
    }))
}

fn check_regular(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(Error::Unavailable {
        path: path.display().to_string(),
        reason: "it is not a regular file".to_owned(),
    })
}

fn absent(path: &Path) -> Error {
    Error::Unavailable {
        path: path.display().to_string(),
        reason: "there is no such file".to_owned(),
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledger_is_the_given_one_or_the_one_of_the_trust_folder() {
        let trust = |ledger| Trust::from_texts("quorum none\n", "", ledger).unwrap();
        let dir = Path::new("some/trust");
        let folder = |path: &str| LedgerPlace::Folder(PathBuf::from(path));
        assert_eq!(
            ledger_place(dir, &trust(Some("../public")), None).unwrap(),
            folder("some/trust/../public")
        );
        assert_eq!(
            ledger_place(dir, &trust(Some("../public")), Some("copy")).unwrap(),
            folder("copy")
        );
        let url = "https://example.com/audit";
        assert_eq!(
            ledger_place(dir, &trust(Some(url)), None).unwrap(),
            LedgerPlace::Url(url.to_owned())
        );
        assert!(ledger_place(dir, &trust(None), None).unwrap_err().is_undecided());
    }
}
