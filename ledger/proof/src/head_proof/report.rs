//! What `dab verify` and `dab-verify head` say of a head proof.

use super::{HeadProof, KnownHead, VerifiedHead};
use crate::report::{Finding, Report, count};
use crate::trust::Trust;
use crate::verify::check_subject;

/// Checks a head proof against the trust root. With `table_id`, a proof about any other subject is invalid.
pub fn verify_head(proof: &[u8], trust: &Trust, table_id: Option<&str>) -> Report {
    let mut report = Report::new("head proof");
    let verified = match HeadProof::parse(proof).and_then(|proof| proof.verify(trust)) {
        Ok(verified) => verified,
        Err(error) => {
            report.error(&error, Finding::default());
            return report;
        }
    };
    note_head(&mut report, &verified);
    check_subject(&mut report, "head proof", &verified.subject, table_id);
    let later = verified.heads_leaf.size.0 - verified.size.0;
    report.leave_out(format!(
        "what was notarized after the first {}: the checkpoint has {later} more, the leaf that binds the head map among \
         them",
        count(verified.size.0, ["leaf", "leaves"])
    ));
    report.leave_out(
        "that the head map is right: whoever certified the checkpoint has computed it; an audit of the ledger does so again",
    );
    report
}

fn note_head(report: &mut Report, verified: &VerifiedHead) {
    let VerifiedHead { subject, size, .. } = verified;
    let among = count(size.0, ["leaf", "leaves"]);
    let what = match subject.table_id() {
        Some(table_id) => format!("table {table_id}"),
        None => format!("subject {subject}"),
    };
    report.title = match (&verified.head, subject.table_id()) {
        (Some(head), Some(_)) => format!("{what}: version {} is its last of {among}", head.leaf.leaf().sequence),
        (Some(head), None) => format!("{what}: number {} is its last of {among}", head.leaf.leaf().sequence),
        (None, _) => format!("{what}: there is no leaf of it among the first {among}"),
    };
    let receipt = &verified.heads_leaf;
    report.fact("ledger", receipt.leaf.leaf().origin.as_str());
    report.about(subject);
    report.fact("leaves covered", size.to_string());
    match &verified.head {
        Some(KnownHead { index, leaf, .. }) => {
            report.fact("last sequence", leaf.leaf().sequence.to_string());
            report.fact("operation", leaf.leaf().operation.as_str());
            report.fact("leaf", index.to_string());
            report.fact("leaf hash", leaf.hash().to_string());
        }
        None => report.fact("last sequence", "none"),
    }
    let subjects = count(verified.subjects, ["subject", "subjects"]);
    report.fact("head map", format!("{subjects}, root {}", verified.map_root));
    let tree = count(receipt.size.0, ["leaf", "leaves"]);
    report.fact("bound by", format!("leaf {} of a tree of {tree}", receipt.index));
    report.fact("root", receipt.root.to_string());
    report.check("signatures of the checkpoint, against the policy");
    report.check("inclusion of the heads leaf in the checkpoint's tree, and its writer's signature");
    report.check("the head map, against the digests in the heads leaf");
    report.written(
        receipt.writer.as_str(),
        format!("leaf {}, which binds the head map", receipt.index),
    );
    if let Some(head) = &verified.head {
        report.check("the subject's leaf, against the head map, and its writer's signature");
        report.written(head.writer.as_str(), format!("leaf {}", head.index));
    }
    report.certified(receipt.certification.clone(), receipt.size.0);
}
