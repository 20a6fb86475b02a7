//! The raft thread: one OS thread owns a replica's core and brings it commands, other replicas' messages and time.
//!
//! A round takes what waits in both queues (never longer than it takes to find them empty) and lets the core do all that
//! it makes possible. While a round waits for the disk the next group gathers, so raft entries grow with the load and
//! a lone proposal waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::certify::Contradiction;
use crate::durable::Access;
use crate::evidence;
use crate::inbox::{Arrival, PeerInbox};
use crate::pool::{Answer, Command};
use crate::post::Post;
use crate::replica::{Outgoing, Replica};
use crate::shared::Shared;

/// Commands that one round takes at most, so that time passes and messages leave under any load.
const COMMANDS_PER_ROUND_MAX: usize = 4096;

/// The raft thread's work.
#[derive(Debug)]
pub(crate) struct Sequencer {
    replica: Replica,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    inbox: Arc<PeerInbox>,
    post: Arc<Post>,
    /// Set when the node is dropped: end as a crash would.
    abandoned: Arc<AtomicBool>,
    tick: Duration,
    next_tick: Instant,
}

/// What the raft thread works with.
#[derive(Debug)]
pub(crate) struct SequencerParts {
    pub(crate) replica: Replica,
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) inbox: Arc<PeerInbox>,
    pub(crate) post: Arc<Post>,
}

/// How the raft thread ends.
#[derive(Debug)]
enum End {
    Stopped(Answer<()>),
    Abandoned,
}

impl Sequencer {
    pub(crate) fn new(parts: SequencerParts, tick: Duration) -> Self {
        Self {
            replica: parts.replica,
            shared: parts.shared,
            commands: parts.commands,
            inbox: parts.inbox,
            post: parts.post,
            abandoned: Arc::default(),
            tick,
            next_tick: Instant::now() + tick,
        }
    }

    /// The flag that ends the thread as a crash would.
    pub(crate) fn abandoned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.abandoned)
    }

    /// The raft log, for a test to break.
    #[cfg(test)]
    pub(crate) fn raft_log(&mut self) -> &mut crate::raft::LogStorage {
        self.replica.raft_log()
    }

    /// Runs until the node is stopped, dropped or fails.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        // raft-rs panics on what it holds for impossible; that must end this node with a word, not silently
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.rounds()));
        match end {
            Ok(Ok(end)) => {
                drop(self);
                shared.close();
                if let End::Stopped(answer) = end {
                    let _ = answer.send(Ok(()));
                }
            }
            Ok(Err(error)) => {
                // that a replica holds another tree than the certified one is what it stops for
                self.keep_contradictions();
                shared.fail(error.to_string());
            }
            Err(panic) => shared.fail(format!("the raft thread panicked: {}", panic_text(panic.as_ref()))),
        }
    }

    fn rounds(&mut self) -> Result<End, Error> {
        loop {
            let stop = self.gather()?;
            if self.abandoned.load(Ordering::Acquire) {
                return Ok(End::Abandoned);
            }
            if Instant::now() >= self.next_tick {
                self.next_tick = Instant::now() + self.tick;
                self.replica.tick();
            }
            for arrival in self.inbox.take() {
                match arrival {
                    Arrival::Message { from, message } => self.replica.receive(from, message)?,
                    Arrival::Unreachable { to } => self.replica.unreachable(to),
                    Arrival::Fetched { wanted, file } => self.replica.fetched(&wanted, file)?,
                }
            }
            self.replica.pump()?;
            if let Some(wanted) = self.replica.wanted()? {
                self.post.fetch(wanted, &self.inbox);
            }
            if self.replica.is_installing() {
                self.inbox.wake();
            }
            for Outgoing { to, message } in self.replica.take_outgoing() {
                self.post.send(to, message);
            }
            self.shared.tell(self.replica.standing());
            self.shared.offer(self.replica.for_witnesses());
            self.keep_contradictions();
            self.replica.flush(stop.is_some())?;
            if let Some(answer) = stop {
                return Ok(End::Stopped(answer));
            }
        }
    }

    fn keep_contradictions(&mut self) {
        for contradiction in self.replica.take_contradictions() {
            self.keep(&contradiction);
        }
    }

    /// Writes two contradicting notes into the public folder, where whoever holds a copy of it finds them. A disk that does not take
    /// them is no reason to stop.
    fn keep(&self, contradiction: &Contradiction) {
        let (ours, theirs) = (contradiction.ours.to_bytes(), contradiction.theirs.to_bytes());
        let dir = self.shared.files.path("evidence");
        let files = [("first", ours.as_slice()), ("second", theirs.as_slice())];
        match evidence::keep(&dir, "fork", &files, Access::Everyone) {
            Ok(Some(piece)) => {
                tracing::error!(evidence = %piece.folder.display(), "the ledger's key has signed two trees")
            }
            Ok(None) => tracing::error!("the ledger's key has signed two trees again; enough evidence of that is kept"),
            Err(error) => tracing::error!(%error, "cannot keep the evidence of two trees of one size"),
        }
    }

    /// Waits for the first command, then takes what else is there; gives the command to stop.
    fn gather(&mut self) -> Result<Option<Answer<()>>, Error> {
        let wait = self.next_tick.saturating_duration_since(Instant::now());
        let first = match self.commands.recv_timeout(wait) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.abandoned.store(true, Ordering::Release);
                return Ok(None);
            }
        };
        let mut readers = Vec::new();
        let mut stop = None;
        let mut next = Some(first);
        for _ in 0..COMMANDS_PER_ROUND_MAX {
            match next {
                Some(Command::Propose(waiting)) => self.replica.propose(waiting),
                Some(Command::Read(reader)) => readers.push(reader),
                Some(Command::Wake) => {}
                Some(Command::Cosigned(checkpoint)) => self.replica.cosigned(&checkpoint)?,
                Some(Command::Stop(answer)) => stop = Some(answer),
                None => break,
            }
            if stop.is_some() {
                break;
            }
            next = self.commands.try_recv().ok();
        }
        self.replica.read(readers);
        Ok(stop)
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
