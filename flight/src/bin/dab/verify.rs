//! `dab verify`: checks a proof by files alone, with the auditor's own verifier.

use std::process::ExitCode;

use dab_proof::files::{ArtefactFiles, head_file, verify_file};

use crate::cli::VerifyArgs;
use crate::report;

pub(crate) fn run(args: VerifyArgs) -> ExitCode {
    let table_id = args.table_id.as_deref();
    let (proof, body) = match &args.proof {
        Some(proof) => (proof, Some(args.file.as_path())),
        None => (&args.file, args.commit.as_deref()),
    };
    let found = match args.head {
        true => head_file(proof, &args.trust, table_id),
        false => {
            let files = ArtefactFiles {
                table_id,
                subject: args.subject.as_ref(),
                body,
                data: &args.data,
            };
            verify_file(proof, &args.trust, &files)
        }
    };
    report::print(&found, args.json)
}
