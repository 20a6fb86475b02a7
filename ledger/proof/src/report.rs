//! What a check found: for people in plain words, for programs as JSON, and as an exit code.

mod escape;
mod json;
mod text;

pub use escape::escape;

use crate::leaf::Subject;
use crate::policy::Certification;

/// Failures (and undecided findings) that one report lists; further ones are only counted.
pub const FINDINGS_MAX: usize = 1000;

/// Characters of one line of a report; the rest is cut off. What a hostile file says can be very long.
pub const LINE_CHARS_MAX: usize = 2000;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was checked holds.
    Valid,
    /// Something is changed, forged or missing.
    Invalid,
    /// Something could not be read, so nothing can be said; nothing was found wrong.
    Undecided,
}

/// Something wrong or unreadable, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// What is wrong.
    pub message: String,
    /// Version of the table, if it concerns one.
    pub version: Option<u64>,
    /// File, if it concerns one: as the commit or the ledger names it.
    pub file: Option<String>,
    /// Leaf of the ledger, if it concerns one.
    pub leaf_index: Option<u64>,
}

/// A signature that was checked and is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// `log`, `cosigner` or `writer`.
    pub role: &'static str,
    /// Name of the key.
    pub name: String,
    /// What it signed.
    pub signed: String,
    /// Time that the signer stated, in seconds since 1970, if it did.
    pub time_unix_s: Option<u64>,
}

/// What was checked, by whose signature, what failed, and what was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What the report is about.
    pub title: String,
    /// What the checked leaves are about, once it is known.
    pub subject: Option<Subject>,
    /// Facts that were established, name and value.
    pub facts: Vec<(&'static str, String)>,
    /// What was checked and holds.
    pub checked: Vec<String>,
    /// By whose signatures.
    pub signatures: Vec<SignedBy>,
    /// Who certified the checkpoint, if it was certified.
    pub certification: Option<Certification>,
    /// What is wrong.
    pub failures: Vec<Finding>,
    /// What could not be read.
    pub undecided: Vec<Finding>,
    /// What was not checked, and why.
    pub not_checked: Vec<String>,
    /// Failures beyond `FINDINGS_MAX`, which are not listed.
    pub failures_left_out: u64,
    /// Undecided findings beyond `FINDINGS_MAX`, which are not listed.
    pub undecided_left_out: u64,
}

/// A number with its noun, in the singular or the plural.
pub fn count(number: u64, [one, many]: [&str; 2]) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The line, cut at `LINE_CHARS_MAX`.
fn cut(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LINE_CHARS_MAX) {
        let more = line[end..].chars().count();
        line.truncate(end);
        line += &format!("... ({more} more characters)");
    }
    line
}

impl Verdict {
    /// 0 valid, 1 invalid, 2 undecided.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Invalid => 1,
            Verdict::Undecided => 2,
        }
    }

    /// The word, in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Valid => "VALID",
            Verdict::Invalid => "INVALID",
            Verdict::Undecided => "UNDECIDED",
        }
    }
}

impl Finding {
    /// A finding that says `message`.
    pub fn new(message: impl Into<String>) -> Finding {
        Finding {
            message: message.into(),
            ..Finding::default()
        }
    }

    /// It concerns this version of the table.
    pub fn version(self, version: u64) -> Finding {
        Finding {
            version: Some(version),
            ..self
        }
    }

    /// It concerns this file.
    pub fn file(self, file: impl Into<String>) -> Finding {
        Finding {
            file: Some(file.into()),
            ..self
        }
    }

    /// It concerns this leaf.
    pub fn leaf(self, leaf_index: u64) -> Finding {
        Finding {
            leaf_index: Some(leaf_index),
            ..self
        }
    }

    fn cut(self) -> Finding {
        Finding {
            message: cut(self.message),
            file: self.file.map(cut),
            ..self
        }
    }
}

impl Report {
    /// An empty report, which is valid until something is found.
    pub fn new(title: impl Into<String>) -> Report {
        Report {
            title: title.into(),
            ..Report::default()
        }
    }

    /// Invalid when anything is wrong, else undecided when anything could not be read, else valid.
    pub fn verdict(&self) -> Verdict {
        match (self.failed() == 0, self.undecided.is_empty()) {
            (false, _) => Verdict::Invalid,
            (true, false) => Verdict::Undecided,
            (true, true) => Verdict::Valid,
        }
    }

    /// The verdict's exit code: 0 valid, 1 invalid, 2 undecided.
    pub fn exit_code(&self) -> u8 {
        self.verdict().exit_code()
    }

    /// Notes a fact.
    pub fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, cut(value.into())));
    }

    /// Notes what the report is about, as facts too: the table id stands plainly, to be compared by whoever reads it.
    pub fn about(&mut self, subject: &Subject) {
        if let Some(table_id) = subject.table_id() {
            self.fact("table id", table_id);
        }
        self.fact("subject", subject.as_str());
        self.subject = Some(subject.clone());
    }

    /// Notes what was checked and holds.
    pub fn check(&mut self, what: impl Into<String>) {
        self.checked.push(cut(what.into()));
    }

    /// Notes what was left out.
    pub fn leave_out(&mut self, what: impl Into<String>) {
        self.not_checked.push(cut(what.into()));
    }

    /// Notes something wrong.
    pub fn fail(&mut self, finding: Finding) {
        if self.failures.len() < FINDINGS_MAX {
            self.failures.push(finding.cut());
        } else {
            self.failures_left_out += 1;
        }
    }

    /// Counts failures that are not listed.
    pub(crate) fn fail_unlisted(&mut self, failures: u64) {
        self.failures_left_out += failures;
    }

    /// Number of failures, listed or not.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.len() as u64 + self.failures_left_out
    }

    /// Notes something that could not be read.
    pub fn doubt(&mut self, finding: Finding) {
        if self.undecided.len() < FINDINGS_MAX {
            self.undecided.push(finding.cut());
        } else {
            self.undecided_left_out += 1;
        }
    }

    /// Notes an error where `place` says: as undecided when it is only that something could not be read, else as a
    /// failure.
    pub fn error(&mut self, error: &crate::Error, place: Finding) {
        let finding = Finding {
            message: format!("{}{error}", place.message),
            ..place
        };
        if error.is_undecided() {
            self.doubt(finding)
        } else {
            self.fail(finding)
        }
    }

    /// Notes a certified checkpoint of `size` leaves, and who signed it.
    pub fn certified(&mut self, certification: Certification, size: u64) {
        let signed = || format!("checkpoint of {}", count(size, ["leaf", "leaves"]));
        let (role, name) = ("log", certification.log.clone());
        self.signatures.push(SignedBy {
            role,
            name,
            signed: signed(),
            time_unix_s: None,
        });
        for cosigner in &certification.cosigners {
            let (role, name, time_unix_s) = ("cosigner", cosigner.key_name.clone(), Some(cosigner.time_unix_s));
            self.signatures.push(SignedBy {
                role,
                name,
                signed: signed(),
                time_unix_s,
            });
        }
        self.certification = Some(certification);
    }

    /// Notes what a writer signed.
    pub fn written(&mut self, writer: impl Into<String>, signed: impl Into<String>) {
        let (name, signed) = (writer.into(), signed.into());
        self.signatures.push(SignedBy {
            role: "writer",
            name,
            signed,
            time_unix_s: None,
        });
    }
}

#[cfg(test)]
mod tests;
