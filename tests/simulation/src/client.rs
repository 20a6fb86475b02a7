//! A client: proposes, reads, loses answers, and tries again with the very same statement.

use std::collections::BTreeMap;

use dab_ledger::Error;
use dab_ledger::notary::{Outcome, Proposal};
use dab_ledger::testing::{private_statement, statement};
use dab_proof::hash::Hash;
use dab_proof::leaf::Subject;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use crate::checker::{Checker, ProposalId, Proposed};
use crate::ledger::{Ledger, subject};
use crate::replica::Machine;
use crate::report::Report;
use crate::rng::Rng;
use crate::rules::{Check, Rule};
use crate::trace::Trace;

/// Requests of one client that may be open at once.
const OPEN_MAX: usize = 3;

/// A client's view of the head of a subject: the next statement follows it.
type View = Option<(u64, Hash)>;

#[derive(Debug)]
pub(crate) struct Client {
    subjects: Vec<Subject>,
    views: BTreeMap<usize, View>,
    open: Vec<Open>,
    reads: Vec<Read>,
    statements: u64,
    number: usize,
}

#[derive(Debug)]
struct Open {
    id: ProposalId,
    proposal: Proposal,
    /// Subject and what becomes its head, for each statement.
    makes: Vec<(usize, u64, Hash)>,
    replica: u64,
    /// `None` while it waits to be tried again.
    answer: Option<Receiver<Result<Outcome, Error>>>,
    /// When it is given up, or tried again.
    at: u64,
}

#[derive(Debug)]
struct Read {
    subject: usize,
    floor: Option<u64>,
    replica: u64,
    answer: Receiver<Result<(), Error>>,
}

/// What a client may touch.
pub(crate) struct Around<'a> {
    pub(crate) now: u64,
    pub(crate) ledger: &'a Ledger,
    pub(crate) machines: &'a mut [Machine],
    pub(crate) traitor: Option<u64>,
    pub(crate) checker: &'a mut Checker,
    pub(crate) rng: &'a mut Rng,
    pub(crate) report: &'a mut Report,
    pub(crate) trace: &'a mut Trace,
    /// Bytes of the body that each statement carries.
    pub(crate) body_bytes: usize,
    /// Faults are over: nothing new is begun, and nothing is given up.
    pub(crate) settling: bool,
}

impl Around<'_> {
    /// A replica that answers, drawn.
    fn replica(&mut self) -> Option<u64> {
        let awake = self.machines.iter().filter(|machine| machine.awake(self.now));
        let honest: Vec<u64> = awake
            .map(|machine| machine.id)
            .filter(|id| self.traitor != Some(*id))
            .collect();
        (!honest.is_empty()).then(|| *self.rng.pick(&honest))
    }

    fn machine(&mut self, id: u64) -> &mut Machine {
        &mut self.machines[id as usize - 1]
    }
}

impl Client {
    pub(crate) fn new(number: usize, subjects: usize) -> Self {
        Self {
            subjects: (0..subjects).map(subject).collect(),
            views: BTreeMap::new(),
            open: Vec::new(),
            reads: Vec::new(),
            statements: 0,
            number,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.reads.is_empty()
    }

    /// Takes answers, tries again, begins something new.
    pub(crate) fn step(&mut self, around: &mut Around<'_>) -> Check {
        self.take_answers(around)?;
        self.take_reads(around)?;
        self.try_again(around);
        if around.settling || self.open.len() + self.reads.len() >= OPEN_MAX || !around.rng.chance(300) {
            return Ok(());
        }
        match around.rng.chance(3000) {
            true => self.begin_read(around),
            false => self.begin_proposal(around),
        }
        Ok(())
    }

    /// One proposal more, to show that the ledger goes on.
    pub(crate) fn begin_proposal(&mut self, around: &mut Around<'_>) {
        let subject = around.rng.below(self.subjects.len());
        let mut subjects = vec![subject];
        if around.rng.chance(1500) && self.subjects.len() > 1 {
            subjects.push((subject + 1) % self.subjects.len());
        }
        let open = |subject: &usize| {
            let made = self.open.iter().rev().flat_map(|open| open.makes.iter().rev());
            made.filter(|made| made.0 == *subject)
                .map(|made| (made.1, made.2))
                .next()
        };
        let ahead: Vec<View> = subjects.iter().map(open).collect();
        let runs_ahead = ahead.iter().any(Option::is_some);
        if runs_ahead && around.rng.chance(5000) {
            return;
        }
        let invented = !runs_ahead && around.rng.chance(300);
        let (mut statements, mut made, mut proposed, mut all_first) = (Vec::new(), Vec::new(), Vec::new(), true);
        for (subject, ahead) in subjects.into_iter().zip(ahead) {
            let head = ahead.or(self.views.get(&subject).copied().flatten());
            let (sequence, mut parent) = head.map_or((0, None), |(sequence, hash)| (sequence + 1, Some(hash)));
            if invented && sequence > 0 {
                parent = Some(Hash::from_bytes(around.rng.bytes()));
            }
            all_first &= sequence == 0;
            self.statements += 1;
            let body = format!("{} {}{}", self.number, self.statements, " ".repeat(around.body_bytes));
            let name = self.subjects[subject].clone();
            let origin = around.ledger.log.name();
            let make = if around.body_bytes > 0 {
                private_statement
            } else {
                statement
            };
            let signed = make(origin, &around.ledger.writer, name.as_str(), sequence, parent, &body);
            let hash = signed.leaf.hash();
            proposed.push(Proposed {
                subject: name,
                sequence,
                hash,
            });
            statements.push(signed);
            made.push((subject, sequence, hash));
        }
        let id = around.checker.proposed(proposed, invented && !all_first, runs_ahead);
        self.open.push(Open {
            id,
            proposal: Proposal { statements },
            makes: made,
            replica: 0,
            answer: None,
            at: around.now,
        });
        self.try_again(around);
    }

    fn begin_read(&mut self, around: &mut Around<'_>) {
        let Some(replica) = around.replica() else { return };
        let subject = around.rng.below(self.subjects.len());
        let floor = around.checker.floor(&self.subjects[subject]);
        let machine = around.machine(replica);
        let Some(core) = &mut machine.core else { return };
        let answer = core.read();
        machine.busy = true;
        self.reads.push(Read {
            subject,
            floor,
            replica,
            answer,
        });
    }

    fn try_again(&mut self, around: &mut Around<'_>) {
        for open in &mut self.open {
            if open.answer.is_some() || open.at > around.now {
                continue;
            }
            let Some(replica) = around.replica() else { continue };
            let patience = around.rng.between(50, 900);
            let machine = &mut around.machines[replica as usize - 1];
            let Some(core) = &mut machine.core else { continue };
            machine.busy = true;
            open.answer = Some(core.propose(&open.proposal));
            open.replica = replica;
            open.at = around.now + patience;
        }
    }

    fn take_answers(&mut self, around: &mut Around<'_>) -> Check {
        for mut open in std::mem::take(&mut self.open) {
            let Some(answer) = &mut open.answer else {
                self.open.push(open);
                continue;
            };
            let result = match answer.try_recv() {
                Ok(result) => result,
                Err(TryRecvError::Empty) if open.at > around.now || around.settling => {
                    self.open.push(open);
                    continue;
                }
                // its replica is gone, or its patience is over
                Err(_) => Err(Error::OutcomeUnknown),
            };
            around.trace.number(open.id as u64);
            match result {
                Ok(Outcome::Certified(receipts)) => {
                    around
                        .trace
                        .number(receipts.iter().map(|receipt| receipt.index.0 + 1).sum());
                    around.checker.acknowledged(open.id, open.replica, &receipts)?;
                    around.report.acknowledged += 1;
                    for (subject, sequence, hash) in open.makes {
                        let view = self.views.entry(subject).or_default();
                        *view = (*view).filter(|view| view.0 > sequence).or(Some((sequence, hash)));
                    }
                }
                Ok(Outcome::Conflict(conflict)) => {
                    around.checker.conflict(open.id, &conflict)?;
                    around.report.conflicts += 1;
                    let at = self.subjects.iter().position(|subject| *subject == conflict.subject);
                    let Some(at) = at else {
                        let what = "a conflict names a subject that nobody asked for".to_owned();
                        return around.checker.watch.broken(Rule::Answers, what);
                    };
                    self.views
                        .insert(at, conflict.head.map(|head| (head.sequence, head.leaf_hash)));
                }
                Err(error) => self.failed(open, &error, around)?,
            }
        }
        Ok(())
    }

    fn failed(&mut self, mut open: Open, error: &Error, around: &mut Around<'_>) -> Check {
        let known = matches!(error, Error::Busy { .. } | Error::NoLeader | Error::NoRoom { .. });
        if !known
            && !matches!(
                error,
                Error::OutcomeUnknown | Error::Sequenced { .. } | Error::Stopped { .. }
            )
        {
            around.checker.refused(open.id, error)?;
        }
        around.report.unknown_outcomes += u64::from(!known);
        if around.settling || around.rng.chance(8000) {
            around.report.retried += 1;
            open.answer = None;
            open.at = around.now + around.rng.between(1, 100);
            self.open.push(open);
        }
        Ok(())
    }

    fn take_reads(&mut self, around: &mut Around<'_>) -> Check {
        for mut read in std::mem::take(&mut self.reads) {
            match read.answer.try_recv() {
                Err(TryRecvError::Empty) => self.reads.push(read),
                Ok(Ok(())) => {
                    let subject = &self.subjects[read.subject];
                    let Some(core) = &around.machines[read.replica as usize - 1].core else {
                        continue;
                    };
                    let head = match core.head(subject) {
                        Ok(head) => head,
                        Err(error) => {
                            around.checker.watch.broken(Rule::Answers, format!("a read: {error}"))?;
                            continue;
                        }
                    };
                    around.checker.read(subject, head, read.floor)?;
                    around.trace.number(head.map_or(0, |head| head.sequence + 1));
                    around.report.reads += 1;
                    self.views
                        .insert(read.subject, head.map(|head| (head.sequence, head.leaf_hash)));
                }
                // an error, or its replica is gone: reads are not tried again
                Ok(Err(_)) | Err(TryRecvError::Closed) => {}
            }
        }
        Ok(())
    }
}
