//! Proposals that wait for the raft thread, and the way back to those who wait.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use dab_proof::checkpoint::SignedCheckpoint;
use tokio::sync::oneshot;

use crate::Error;
use crate::notary::Outcome;
use crate::state_machine::entry::ProposalBytes;

/// The way back to one who waits.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the raft thread is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Notarize, and answer under a certified checkpoint.
    Propose(Waiting),
    /// Answer when everything that was acknowledged before now is applied.
    Read(Answer<()>),
    /// Look at what other replicas have sent.
    Wake,
    /// A witness has cosigned this checkpoint.
    Cosigned(SignedCheckpoint),
    /// Flush and end.
    Stop(Answer<()>),
}

/// A proposal and who waits for its outcome.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) proposal: ProposalBytes,
    pub(crate) answer: Answer<Outcome>,
}

/// The bounded queue in front of the raft thread.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    sender: SyncSender<Command>,
    limit: usize,
}

impl Pool {
    /// A queue of at most `limit` commands.
    pub(crate) fn new(limit: usize) -> (Self, Receiver<Command>) {
        let (sender, receiver) = sync_channel(limit);
        (Self { sender, limit }, receiver)
    }

    /// Queues a command, without waiting for room.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the queue is full, [`Error::Stopped`] when the raft thread is gone.
    pub(crate) fn submit(&self, command: Command) -> Result<(), Error> {
        self.sender.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy { waiting: self.limit },
            TrySendError::Disconnected(_) => Error::Stopped {
                reason: "its raft thread has ended".to_owned(),
            },
        })
    }

    /// Ends the raft thread's wait. Where the queue is full it does not wait anyway.
    pub(crate) fn wake(&self) {
        let _ = self.sender.try_send(Command::Wake);
    }

    /// Queues a command, blocking until there is room; `false` when the raft thread is gone.
    pub(crate) fn submit_blocking(&self, command: Command) -> bool {
        self.sender.send(command).is_ok()
    }
}
