//! `dab audit`: checks a whole table or ledger by its files, here or on a web server.

mod web_source;

use std::path::Path;
use std::process::ExitCode;

use dab_proof::audit::{audit_ledger, audit_table_expecting};
use dab_proof::files::{
    DirTable, LedgerPlace, audit_ledger_dir, audit_table_dir_expecting, ledger_place, read_checkpoint, read_trust,
};
use dab_proof::report::escape;

use self::web_source::WebSource;
use crate::cli::{AuditLedgerArgs, AuditTableArgs, AuditVerb};
use crate::report;

pub(crate) fn run(verb: AuditVerb) -> ExitCode {
    match verb {
        AuditVerb::Table(args) => table(args),
        AuditVerb::Ledger(args) => ledger(args),
    }
}

fn table(args: AuditTableArgs) -> ExitCode {
    let place = read_trust(&args.trust)
        .and_then(|trust| Ok((ledger_place(&args.trust, &trust, args.ledger.as_deref())?, trust)));
    let table_id = args.table_id.as_deref();
    let found = match place {
        Ok((LedgerPlace::Folder(folder), _)) => {
            audit_table_dir_expecting(&args.path, &args.trust, &folder, table_id, args.deep)
        }
        Ok((LedgerPlace::Url(url), trust)) => match web_source(&url, &args.trust) {
            Ok(source) => audit_table_expecting(&source, &trust, &DirTable::new(&args.path), table_id, args.deep),
            Err(code) => return code,
        },
        Err(error) => return undecided(&error.to_string()),
    };
    report::print(&found, args.json)
}

fn ledger(args: AuditLedgerArgs) -> ExitCode {
    let trust = match read_trust(&args.trust) {
        Ok(trust) => trust,
        Err(error) => return undecided(&error.to_string()),
    };
    let found = match ledger_place(&args.trust, &trust, Some(&args.ledger)) {
        Ok(LedgerPlace::Folder(folder)) => audit_ledger_dir(&folder, &args.trust, args.since.as_deref()),
        Ok(LedgerPlace::Url(url)) => {
            let since = match args.since.as_deref().map(read_checkpoint).transpose() {
                Ok(since) => since,
                Err(error) => return undecided(&error.to_string()),
            };
            match web_source(&url, &args.trust) {
                Ok(source) => audit_ledger(&source, &trust, since.as_deref()),
                Err(code) => return code,
            }
        }
        Err(error) => return undecided(&error.to_string()),
    };
    report::print(&found, args.json)
}

fn web_source(url: &str, trust: &Path) -> Result<WebSource, ExitCode> {
    WebSource::open(url, &trust.join("ca.pem")).map_err(|error| undecided(&format!("{error:#}")))
}

/// Nothing was checked, so nothing is said about the data.
fn undecided(message: &str) -> ExitCode {
    eprintln!("undecided: {}", escape(message));
    ExitCode::from(2)
}
