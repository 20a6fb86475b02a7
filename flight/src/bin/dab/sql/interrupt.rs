//! Ctrl-C at the prompt ends the statement under way, not the session.

use std::io::{self, Write};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::output::StandardOutput;

/// Hears of every Ctrl-C. While a line is edited the terminal sends none.
pub(super) struct Interrupts(watch::Receiver<()>);

impl Interrupts {
    /// Listens until the process ends, which Ctrl-C alone does not make it do any more.
    pub(super) fn listen() -> io::Result<Self> {
        // From here on, not from the task's first turn: a Ctrl-C before that would end the session.
        let mut interrupts = signal(SignalKind::interrupt())?;
        let (sender, receiver) = watch::channel(());
        tokio::spawn(async move {
            while interrupts.recv().await.is_some() {
                sender.send_replace(());
            }
        });
        Ok(Self(receiver))
    }

    /// Does work, until the next Ctrl-C at most; `None` is work that was ended.
    pub(super) async fn bound<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        self.0.mark_unchanged();
        tokio::select! {
            done = work => Some(done),
            Ok(()) = self.0.changed() => None,
        }
    }

    /// Standard output that takes nothing more after the next Ctrl-C: a large table is printed without a pause in which
    /// anything else could end it.
    pub(super) fn output(&self) -> Output {
        let mut interrupted = self.0.clone();
        interrupted.mark_unchanged();
        Output {
            out: StandardOutput::new(),
            interrupted,
        }
    }
}

/// See [`Interrupts::output`].
pub(super) struct Output {
    out: StandardOutput,
    interrupted: watch::Receiver<()>,
}

impl Output {
    pub(super) fn is_interrupted(&self) -> bool {
        // the listening task lives as long as the process
        self.interrupted.has_changed().unwrap_or(false)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.is_interrupted() {
            true => Err(io::Error::other("interrupted")),
            false => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
