//! `dab verify`: checks a proof by files alone, with the auditor's own verifier.

use std::process::ExitCode;

use dab_proof::files::{head_file, verify_file_expecting};

use crate::cli::VerifyArgs;
use crate::report;

pub(crate) fn run(args: VerifyArgs) -> ExitCode {
    let table_id = args.table_id.as_deref();
    let found = match args.head {
        true => head_file(&args.file, &args.trust, table_id),
        false => verify_file_expecting(&args.file, &args.trust, table_id, args.commit.as_deref(), &args.data),
    };
    report::print(&found, args.json)
}
