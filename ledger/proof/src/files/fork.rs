//! Two checkpoints in two files.

use std::path::Path;

use super::{DirSource, read_checkpoint, read_needed, read_trust, untrusted};
use crate::error::Error;
use crate::fork::{FORK_PROOF_BYTES_MAX, Further, check_fork};
use crate::report::{Finding, Report};

/// Holds the checkpoints in two files against each other: see `fork::check_fork`. For two sizes, with the text of a
/// `fork::ForkProof` in the file `proof`, or else with the tiles in the folder `ledger`.
pub fn fork_files(
    first: &Path,
    second: &Path,
    trust_dir: &Path,
    proof: Option<&Path>,
    ledger: Option<&Path>,
) -> Report {
    let title = "two checkpoints".to_owned();
    let trust = match read_trust(trust_dir) {
        Ok(trust) => trust,
        Err(error) => return untrusted(title, trust_dir, &error),
    };
    let inputs = read_checkpoint(first).and_then(|first| {
        let proof = proof.map(|path| read_needed(path, "fork proof", FORK_PROOF_BYTES_MAX));
        Ok((first, read_checkpoint(second)?, proof.transpose()?))
    });
    let (first, second, proof) = match inputs {
        Ok(inputs) => inputs,
        // a file that cannot be used convicts nobody, and invalid would
        Err(error) => return doubtful(title, &error),
    };
    let tiles = ledger.map(DirSource::new);
    let further = match (&proof, &tiles) {
        (Some(proof), _) => Further::Proof(proof),
        (None, Some(tiles)) => Further::Tiles(tiles),
        (None, None) => Further::Nothing,
    };
    check_fork(&first, &second, &trust, further)
}

fn doubtful(title: String, error: &Error) -> Report {
    let mut report = Report::new(title);
    report.doubt(Finding::new(error.to_string()));
    report
}
