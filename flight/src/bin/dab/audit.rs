//! `dab audit`: checks a whole table or ledger by its files, here or on a web server.

pub(crate) mod web_source;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use dab_proof::audit::{audit_ledger, audit_table_expecting};
use dab_proof::files::{
    DirTable, LedgerPlace, audit_ledger_dir, audit_table_dir, ledger_place, read_checkpoint, read_trust, untrusted,
};
use dab_proof::report::{Finding, Report};

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
    let title = format!("audit of the table in {}", args.path.display());
    let place = read_trust(&args.trust)
        .and_then(|trust| Ok((ledger_place(&args.trust, &trust, args.ledger.as_deref())?, trust)));
    let table_id = args.table_id.as_deref();
    let found = match place {
        Ok((LedgerPlace::Folder(folder), _)) => audit_table_dir(&args.path, &args.trust, &folder, table_id, args.deep),
        Ok((LedgerPlace::Url(url), trust)) => match web_source(&url, &args.trust) {
            Ok(source) => audit_table_expecting(&source, &trust, &DirTable::new(&args.path), table_id, args.deep),
            Err(error) => undecided(title, &error),
        },
        Err(error) => untrusted(title, &args.trust, &error),
    };
    report::print(&found, args.json)
}

fn ledger(args: AuditLedgerArgs) -> ExitCode {
    let title = format!("audit of the ledger in {}", args.ledger);
    let place =
        read_trust(&args.trust).and_then(|trust| Ok((ledger_place(&args.trust, &trust, Some(&args.ledger))?, trust)));
    let found = match place {
        Ok((LedgerPlace::Folder(folder), _)) => audit_ledger_dir(&folder, &args.trust, args.since.as_deref()),
        Ok((LedgerPlace::Url(url), trust)) => {
            let since = args.since.as_deref().map(read_checkpoint).transpose();
            let inputs = since
                .map_err(anyhow::Error::from)
                .and_then(|since| Ok((web_source(&url, &args.trust)?, since)));
            match inputs {
                Ok((source, since)) => audit_ledger(&source, &trust, since.as_deref()),
                Err(error) => undecided(title, &error),
            }
        }
        Err(error) => untrusted(title, &args.trust, &error),
    };
    report::print(&found, args.json)
}

fn web_source(url: &str, trust: &Path) -> Result<WebSource> {
    WebSource::open(url, &trust.join("ca.pem"))
}

/// Nothing was checked, so nothing is said about the data.
fn undecided(title: String, reason: &anyhow::Error) -> Report {
    let mut report = Report::new(title);
    report.doubt(Finding::new(format!("{reason:#}")));
    report
}
