//! `dab verify`: checks a proof by files alone, with the auditor's own verifier.

use std::process::ExitCode;

use crate::cli::VerifyArgs;
use crate::report;

pub(crate) fn run(args: VerifyArgs) -> ExitCode {
    let found = dab_proof::files::verify_file_expecting(
        &args.file,
        &args.trust,
        args.table_id.as_deref(),
        args.commit.as_deref(),
        &args.data,
    );
    report::print(&found, args.json)
}
