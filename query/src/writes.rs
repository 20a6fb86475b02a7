//! Writes under way, for a node that is about to stop.

use std::convert::Infallible;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::Error;

/// Counts writes until there are no more to come, and then none left.
#[derive(Debug)]
pub(crate) struct Writes {
    /// Cloned into every write; `None` once new ones are refused.
    open: Mutex<Option<mpsc::Sender<Infallible>>>,
    /// Nothing is ever sent: it ends when the last write has dropped its sender.
    ended: AsyncMutex<mpsc::Receiver<Infallible>>,
}

/// Held by a write from its start to its end.
#[derive(Debug)]
pub(crate) struct UnderWay(#[expect(dead_code, reason = "only its drop matters")] mpsc::Sender<Infallible>);

impl Writes {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self {
            open: Mutex::new(Some(sender)),
            ended: AsyncMutex::new(receiver),
        }
    }

    /// Begins a write. Fails with [`Error::Stopping`].
    pub(crate) fn begin(&self) -> Result<UnderWay, Error> {
        self.open.lock().clone().map(UnderWay).ok_or(Error::Stopping)
    }

    /// Refuses new writes and waits for those under way.
    pub(crate) async fn finish(&self) {
        self.open.lock().take();
        self.ended.lock().await.recv().await;
    }
}
