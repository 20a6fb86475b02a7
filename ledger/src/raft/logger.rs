//! Hands raft-rs's log lines to `tracing`.

use slog::{Drain, Level, OwnedKVList, Record};

/// A logger for raft-rs that writes tracing events.
pub(super) fn logger() -> slog::Logger {
    slog::Logger::root(Tracing, slog::o!())
}

struct Tracing;

impl Drain for Tracing {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _values: &OwnedKVList) -> Result<(), slog::Never> {
        let message = record.msg();
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "dab_ledger::raft", "{message}"),
            Level::Warning => tracing::warn!(target: "dab_ledger::raft", "{message}"),
            Level::Info | Level::Debug => tracing::debug!(target: "dab_ledger::raft", "{message}"),
            Level::Trace => tracing::trace!(target: "dab_ledger::raft", "{message}"),
        }
        Ok(())
    }
}
