//! A head proof in a file.

use std::path::Path;

use super::{failed, read_needed, read_trust, untrusted};
use crate::head_proof::{HEAD_PROOF_BYTES_MAX, verify_head};
use crate::report::Report;

/// Checks the head proof in a file against a trust folder: see `head_proof::verify_head`.
pub fn head_file(proof: &Path, trust_dir: &Path, table_id: Option<&str>) -> Report {
    let title = format!("head proof {}", proof.display());
    let trust = match read_trust(trust_dir) {
        Ok(trust) => trust,
        Err(error) => return untrusted(title, trust_dir, &error),
    };
    match read_needed(proof, "head proof", HEAD_PROOF_BYTES_MAX) {
        Ok(proof) => {
            let report = verify_head(&proof, &trust, table_id);
            // a proof that does not hold says nothing, so the report goes by the file's name
            if report.facts.is_empty() {
                Report { title, ..report }
            } else {
                report
            }
        }
        Err(error) => failed(title, &error),
    }
}
