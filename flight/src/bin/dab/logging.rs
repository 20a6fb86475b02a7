//! Where tracing events go: to standard error, as text.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` wins over `-v`; without either, only warnings and errors are shown.
pub(crate) fn start(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "warn,dab=info,dab_flight=info,dab_query=info,dab_storage=info,dab_ledger=info",
        _ => "info,dab=debug,dab_flight=debug,dab_query=debug,dab_storage=debug,dab_ledger=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
