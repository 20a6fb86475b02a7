//! `dab`: a lakehouse whose every commit is notarized.
//!
//! One file per verb. `sql`, `load`, `history`, `find`, `prove` and `notarize` are clients and speak Flight SQL; `verify`, `audit`
//! and `monitor` read files and nothing else; `serve` and `quickstart` run a node, `sandbox` several, `node` makes machines
//! the replicas of one ledger, `writer` says whose keys may write there, `witness` cosigns for those of others.

mod audit;
mod change;
mod cli;
mod connect;
#[cfg(feature = "crash_points")]
mod crash_points;
mod data_dir;
mod find;
mod footer;
mod format;
mod history;
mod load;
mod logging;
mod memory;
mod monitor;
mod node;
mod notarize;
mod output;
mod program;
mod progress;
mod prove;
mod public_copy;
mod quickstart;
mod report;
mod running_node;
mod sandbox;
mod serve;
mod sql;
mod stopping;
mod verify;
mod witness;
mod writer;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::output::{complain, is_unread};

// Queries allocate and free record batches on every thread; the system's allocator is the slower for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A wrong command line, told apart from every verdict of `verify` and `audit` (`EX_USAGE` of BSD's sysexits).
const USAGE_EXIT_CODE: u8 = 64;

fn main() -> ExitCode {
    #[cfg(feature = "crash_points")]
    crash_points::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // help and the version come this way too
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { USAGE_EXIT_CODE } else { 0 });
        }
    };
    logging::start(cli.verbose);
    dab_flight::install_crypto();
    match run(cli.verb) {
        Ok(code) => code,
        Err(_) if is_unread() => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(1)
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    // Those that must work anywhere, and need no runtime.
    let verb = match verb {
        Verb::Verify(args) => return Ok(verify::run(args)),
        Verb::Audit(args) => return Ok(audit::run(args)),
        Verb::Monitor(args) => return monitor::run(&args),
        verb => verb,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match verb {
            Verb::Quickstart(args) => quickstart::run(args).await,
            Verb::Serve(args) => serve::run(args).await,
            Verb::Sql(args) => sql::run(args).await,
            Verb::Load(verb) => load::run(verb).await,
            Verb::History(args) => history::run(args).await,
            Verb::Find(args) => find::run(args).await,
            Verb::Prove(args) => prove::run(args).await,
            Verb::Notarize(args) => notarize::run(args).await,
            Verb::Witness(args) => witness::run(args).await,
            Verb::Node(verb) => node::run(verb).await,
            Verb::Writer(verb) => writer::run(verb).await,
            Verb::Sandbox(args) => sandbox::run(args).await,
            Verb::Verify(_) | Verb::Audit(_) | Verb::Monitor(_) => unreachable!("handled above"),
        }
    });
    // A blocking read of standard input must not keep the process alive.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}
