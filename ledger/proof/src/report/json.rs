//! The report as JSON.

use serde_json::{Map, Value, json};

use super::escape::escape_json;
use super::{Finding, Report, SignedBy, Verdict};
use crate::leaf::Subject;
use crate::policy::Certification;

impl Report {
    /// The report as one JSON object:
    ///
    /// ```text
    /// verdict        "valid", "invalid" or "undecided"
    /// exit_code      0, 1 or 2
    /// title          what was checked
    /// subject        what the checked leaves are about, such as table/ID, or null when it is not known
    /// table_id       the table's id, or null when it is not known or no table was checked
    /// facts          object of strings
    /// checked        array of strings
    /// signatures     array of {role, name, signed, time_unix_s}
    /// certification  {log, quorum, certifies_alone, cosigners: [{name, key_name, time_unix_s}]} or null
    /// failures       array of {message, version, file, leaf_index}
    /// failures_left_out   number of further failures
    /// undecided      as failures
    /// undecided_left_out  number of further ones
    /// not_checked    array of strings
    /// ```
    pub fn to_json(&self) -> Value {
        let verdict = match self.verdict() {
            Verdict::Valid => "valid",
            Verdict::Invalid => "invalid",
            Verdict::Undecided => "undecided",
        };
        let facts: Map<_, _> = self
            .facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        json!({
            "verdict": verdict,
            "exit_code": self.exit_code(),
            "title": self.title,
            "subject": self.subject.as_ref().map(Subject::as_str),
            "table_id": self.subject.as_ref().and_then(Subject::table_id),
            "facts": facts,
            "checked": self.checked,
            "signatures": self.signatures.iter().map(signature).collect::<Vec<_>>(),
            "certification": self.certification.as_ref().map(certification),
            "failures": self.failures.iter().map(finding).collect::<Vec<_>>(),
            "failures_left_out": self.failures_left_out,
            "undecided": self.undecided.iter().map(finding).collect::<Vec<_>>(),
            "undecided_left_out": self.undecided_left_out,
            "not_checked": self.not_checked,
        })
    }

    /// `to_json` as text on several lines, to be printed: characters that could play tricks on a terminal stand as `\u`
    /// escapes.
    pub fn to_json_text(&self) -> String {
        escape_json(&format!("{:#}\n", self.to_json()))
    }
}

fn signature(signature: &SignedBy) -> Value {
    let SignedBy {
        role,
        name,
        signed,
        time_unix_s,
    } = signature;
    json!({ "role": role, "name": name, "signed": signed, "time_unix_s": time_unix_s })
}

fn certification(certification: &Certification) -> Value {
    let cosigners = certification.cosigners.iter().map(
        |cosigner| json!({ "name": cosigner.name, "key_name": cosigner.key_name, "time_unix_s": cosigner.time_unix_s }),
    );
    json!({
        "log": certification.log,
        "quorum": certification.quorum,
        "certifies_alone": certification.alone,
        "cosigners": cosigners.collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let Finding {
        message,
        version,
        file,
        leaf_index,
    } = finding;
    json!({ "message": message, "version": version, "file": file, "leaf_index": leaf_index })
}
