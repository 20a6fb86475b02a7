//! A signal that is given once and seen by all who wait for it.

use tokio::sync::watch;

/// Ends running work from outside: every clone sees one clone's [`Cancel::cancel`].
#[derive(Debug, Clone)]
pub(crate) struct Cancel(watch::Sender<bool>);

impl Cancel {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Gives the signal; whether it was the first time.
    pub(crate) fn cancel(&self) -> bool {
        !self.0.send_replace(true)
    }

    /// Waits for the signal.
    pub(crate) async fn cancelled(&self) {
        let mut signal = self.0.subscribe();
        // the sender lives as long as self, so that waiting cannot fail
        let _ = signal.wait_for(|cancelled| *cancelled).await;
    }
}
