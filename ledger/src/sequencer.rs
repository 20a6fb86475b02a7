//! The raft thread: one OS thread owns raft, log, state and tiles, and commits in groups.
//!
//! A round takes what waits in the queue (never longer than it takes to find the queue empty), makes one raft entry of
//! it, and lets raft store, apply and answer. While a round waits for the disk the next group gathers, so the group
//! grows with the load and a lone proposal waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::machine::Machine;
use crate::pool::{Answer, Command, Waiting};
use crate::raft::Driver;
use crate::room::Room;
use crate::shared::Shared;
use crate::state_machine::{LedgerEntry, Settings};

/// Bounds of one raft entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimits {
    pub(crate) leaves_max: usize,
    pub(crate) bytes_max: usize,
}

/// The raft thread's work.
#[derive(Debug)]
pub(crate) struct Sequencer {
    driver: Driver,
    machine: Machine,
    shared: Arc<Shared>,
    room: Room,
    commands: Receiver<Command>,
    /// Set when the node is dropped: end as a crash would.
    abandoned: Arc<AtomicBool>,
    limits: GroupLimits,
    tick: Duration,
    next_tick: Instant,
    /// A proposal that did not fit into the last group.
    carry: Option<Waiting>,
    /// Tells this run's entries from those of earlier runs.
    run: [u8; 16],
    requests: u64,
}

/// How the raft thread ends.
#[derive(Debug)]
enum End {
    Stopped(Answer<()>),
    Abandoned,
}

/// What one round does.
#[derive(Default)]
struct Round {
    group: Vec<Waiting>,
    leaves: usize,
    bytes: usize,
    readers: Vec<Answer<()>>,
    stop: Option<Answer<()>>,
}

impl Sequencer {
    pub(crate) fn new(
        driver: Driver,
        machine: Machine,
        shared: Arc<Shared>,
        room: Room,
        commands: Receiver<Command>,
        limits: GroupLimits,
        tick: Duration,
    ) -> Self {
        Self {
            driver,
            machine,
            shared,
            room,
            commands,
            abandoned: Arc::default(),
            limits,
            tick,
            next_tick: Instant::now() + tick,
            carry: None,
            run: uuid::Uuid::new_v4().into_bytes(),
            requests: 0,
        }
    }

    /// The flag that ends the thread as a crash would.
    pub(crate) fn abandoned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.abandoned)
    }

    /// The raft log, for a test to break.
    #[cfg(test)]
    pub(crate) fn raft_log(&mut self) -> &mut crate::raft::LogStorage {
        self.driver.raft_log()
    }

    /// Replays the log, takes the lead, and agrees on the settings; then the node may serve.
    ///
    /// # Errors
    ///
    /// Any error means that the node must not start.
    pub(crate) fn start(&mut self, settings: &Settings) -> Result<(), Error> {
        self.driver.campaign()?;
        self.driver.pump(&mut self.machine)?;
        // the leader's first entry of its term is behind everything that earlier runs committed
        if !self.driver.leads() || self.machine.applied_position().term != self.driver.term() {
            let reason = "the only voter did not become leader".to_owned();
            return Err(Error::Raft { reason });
        }
        if self.machine.settings()?.as_ref() != Some(settings) {
            self.driver
                .propose(Vec::new(), LedgerEntry::settings(settings.clone()).to_bytes())?;
            self.driver.pump(&mut self.machine)?;
        }
        match self.machine.settings()? {
            Some(agreed) if agreed == *settings => self.machine.finish_replay(),
            agreed => {
                let origin = agreed.map(|settings| settings.origin).unwrap_or_default();
                let reason = format!(
                    "the ledger's state has origin {origin}, its key has {}",
                    settings.origin
                );
                Err(Error::Inconsistent { reason })
            }
        }
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
            Ok(Err(error)) => shared.fail(error.to_string()),
            Err(panic) => shared.fail(format!("the raft thread panicked: {}", panic_text(panic.as_ref()))),
        }
    }

    fn rounds(&mut self) -> Result<End, Error> {
        loop {
            let round = self.gather();
            if self.abandoned.load(Ordering::Acquire) {
                return Ok(End::Abandoned);
            }
            self.propose(round.group)?;
            self.read(round.readers)?;
            if Instant::now() >= self.next_tick {
                self.next_tick = Instant::now() + self.tick;
                self.driver.tick();
            }
            self.driver.pump(&mut self.machine)?;
            if round.stop.is_some() || self.machine.flush_is_due()? {
                self.machine.flush(self.driver.raft_log())?;
            }
            if let Some(answer) = round.stop {
                return Ok(End::Stopped(answer));
            }
        }
    }

    /// Waits for the first command, then takes what else is there.
    fn gather(&mut self) -> Round {
        let mut round = Round::default();
        match self.carry.take() {
            Some(waiting) => round.take(waiting),
            None => match self
                .commands
                .recv_timeout(self.next_tick.saturating_duration_since(Instant::now()))
            {
                Ok(command) => self.take(command, &mut round),
                Err(RecvTimeoutError::Timeout) => return round,
                Err(RecvTimeoutError::Disconnected) => {
                    self.abandoned.store(true, Ordering::Release);
                    return round;
                }
            },
        }
        while self.carry.is_none() && round.stop.is_none() {
            match self.commands.try_recv() {
                Ok(command) => self.take(command, &mut round),
                Err(_) => break,
            }
        }
        round
    }

    fn take(&mut self, command: Command, round: &mut Round) {
        match command {
            Command::Propose(waiting) if round.fits(&waiting, self.limits) => round.take(waiting),
            Command::Propose(waiting) => self.carry = Some(waiting),
            Command::Read(reader) => round.readers.push(reader),
            Command::Stop(answer) => round.stop = Some(answer),
        }
    }

    fn propose(&mut self, group: Vec<Waiting>) -> Result<(), Error> {
        if group.is_empty() {
            return Ok(());
        }
        let (proposals, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.proposal, w.answer)).unzip();
        if let Err(Error::NoRoom { free_bytes }) = self.room.check() {
            for answer in answers {
                let _ = answer.send(Err(Error::NoRoom { free_bytes }));
            }
            return Ok(());
        }
        let context = self.context();
        self.machine.await_entry(context.clone(), answers);
        match self
            .driver
            .propose(context.clone(), LedgerEntry::group(proposals).to_bytes())
        {
            Err(Error::NoLeader) => {
                for answer in self.machine.forget_entry(&context) {
                    let _ = answer.send(Err(Error::NoLeader));
                }
                Ok(())
            }
            result => result,
        }
    }

    fn read(&mut self, readers: Vec<Answer<()>>) -> Result<(), Error> {
        if readers.is_empty() {
            return Ok(());
        }
        let context = self.context();
        match self.driver.read_index(context.clone()) {
            Ok(()) => self.machine.await_read(context, readers),
            Err(_) => {
                for reader in readers {
                    let _ = reader.send(Err(Error::NoLeader));
                }
            }
        }
        Ok(())
    }

    fn context(&mut self) -> Vec<u8> {
        self.requests += 1;
        [&self.run[..], &self.requests.to_le_bytes()[..]].concat()
    }
}

impl Round {
    /// The first proposal always fits; it was checked against the limit of one proposal.
    fn fits(&self, waiting: &Waiting, limits: GroupLimits) -> bool {
        let leaves = self.leaves + waiting.proposal.statements.len();
        let bytes = self.bytes + waiting.proposal.size();
        self.group.is_empty() || (leaves <= limits.leaves_max && bytes <= limits.bytes_max)
    }

    fn take(&mut self, waiting: Waiting) {
        self.leaves += waiting.proposal.statements.len();
        self.bytes += waiting.proposal.size();
        self.group.push(waiting);
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
