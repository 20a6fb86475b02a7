//! What the clients of this replica wait for.
//!
//! A proposal stays here from the moment it is taken until its outcome is applied, however often the leadership changes
//! meanwhile: it is handed to whoever leads, again and again, and at once to the leader of a new term, until an entry that
//! holds it is applied here or its time is over. Handing it over twice is harmless, since the ledger decides by the
//! statements' text.

use std::collections::BTreeMap;

use crate::Error;
use crate::pool::{Answer, Waiting};
use crate::state_machine::entry::ProposalBytes;

/// Ticks after which a proposal or a read that got no outcome is handed over again.
const AGAIN_TICKS: u64 = 10;

/// Names a request for as long as its answer is open: the replica's run, and a counter.
pub(crate) type RequestId = [u8; REQUEST_ID_BYTES];

/// Bytes of a request's name.
pub(crate) const REQUEST_ID_BYTES: usize = 24;

/// The open requests of one replica.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Tells this run's requests from those of earlier runs and of other replicas.
    run: [u8; 16],
    counter: u64,
    /// Ticks that a request may take.
    wait_ticks: u64,
    /// Requests that may be open at once.
    open_max: usize,
    proposals: BTreeMap<RequestId, OpenProposal>,
    reads: BTreeMap<RequestId, OpenRead>,
}

#[derive(Debug)]
struct OpenProposal {
    proposal: ProposalBytes,
    answer: Answer<crate::notary::Outcome>,
    deadline: u64,
    handed_over: Option<HandedOver>,
}

#[derive(Debug)]
struct OpenRead {
    readers: Vec<Answer<()>>,
    deadline: u64,
    asked: Option<HandedOver>,
}

/// When a request was last handed to a leader, and to that of which term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandedOver {
    pub(crate) at: u64,
    pub(crate) term: u64,
}

impl HandedOver {
    /// Whether it is time to hand it over again: that leader leads no more, or has had its time.
    fn is_over(self, now: Self) -> bool {
        self.term != now.term || self.at + AGAIN_TICKS <= now.at
    }
}

impl Pending {
    pub(crate) fn new(run: [u8; 16], wait_ticks: u64, open_max: usize) -> Self {
        Self {
            run,
            counter: 0,
            wait_ticks,
            open_max,
            proposals: BTreeMap::new(),
            reads: BTreeMap::new(),
        }
    }

    /// Takes a proposal, unless too many wait already.
    pub(crate) fn propose(&mut self, waiting: Waiting, now: u64) {
        if self.proposals.len() >= self.open_max {
            let waiting_now = self.proposals.len();
            let _ = waiting.answer.send(Err(Error::Busy { waiting: waiting_now }));
            return;
        }
        let request = self.request();
        let mut proposal = waiting.proposal;
        proposal.request = request.to_vec();
        let open = OpenProposal {
            proposal,
            answer: waiting.answer,
            deadline: now + self.wait_ticks,
            handed_over: None,
        };
        self.proposals.insert(request, open);
    }

    /// Takes readers who asked at the same time, unless too many wait already.
    pub(crate) fn read(&mut self, readers: Vec<Answer<()>>, now: u64) {
        if self.reads.len() >= self.open_max {
            let waiting = self.reads.len();
            for reader in readers {
                let _ = reader.send(Err(Error::Busy { waiting }));
            }
            return;
        }
        let request = self.request();
        let open = OpenRead {
            readers,
            deadline: now + self.wait_ticks,
            asked: None,
        };
        self.reads.insert(request, open);
    }

    /// Proposals to hand over now: those that were not, to another leader, or too long ago. Each counts as handed over.
    pub(crate) fn due(&mut self, now: HandedOver) -> Vec<ProposalBytes> {
        let due = |open: &&mut OpenProposal| open.handed_over.is_none_or(|before| before.is_over(now));
        let due = self.proposals.values_mut().filter(due);
        due.map(|open| {
            open.handed_over = Some(now);
            open.proposal.clone()
        })
        .collect()
    }

    /// Reads to ask for now. An answer to an earlier asking of the same read still counts.
    pub(crate) fn due_reads(&mut self, now: HandedOver) -> Vec<RequestId> {
        let due = |(_, open): &(&RequestId, &mut OpenRead)| open.asked.is_none_or(|before| before.is_over(now));
        let due = self.reads.iter_mut().filter(due);
        due.map(|(request, open)| {
            open.asked = Some(now);
            *request
        })
        .collect()
    }

    /// The read could not be asked for: it is due again at the next look.
    pub(crate) fn not_asked(&mut self, request: &RequestId) {
        if let Some(open) = self.reads.get_mut(request) {
            open.asked = None;
        }
    }

    /// Whether somebody waits here for this proposal.
    pub(crate) fn waits_for(&self, request: &[u8]) -> bool {
        RequestId::try_from(request).is_ok_and(|request| self.proposals.contains_key(&request))
    }

    /// Whoever waits for this proposal, which is decided.
    pub(crate) fn decided(&mut self, request: &[u8]) -> Option<Answer<crate::notary::Outcome>> {
        let request = RequestId::try_from(request).ok()?;
        self.proposals.remove(&request).map(|open| open.answer)
    }

    /// Whoever waits for this read, whose place in the log is known.
    pub(crate) fn placed(&mut self, request: &[u8]) -> Vec<Answer<()>> {
        let request = RequestId::try_from(request).ok();
        request
            .and_then(|request| self.reads.remove(&request))
            .map_or_else(Vec::new, |open| open.readers)
    }

    /// Tells those whose time is over: nothing is known of what was handed over, and nothing was done of the rest.
    pub(crate) fn expire(&mut self, now: u64) {
        for (_, open) in self.proposals.extract_if(.., |_, open| open.deadline <= now) {
            let error = match open.handed_over {
                Some(_) => Error::OutcomeUnknown,
                None => Error::NoLeader,
            };
            let _ = open.answer.send(Err(error));
        }
        for (_, open) in self.reads.extract_if(.., |_, open| open.deadline <= now) {
            for reader in open.readers {
                let _ = reader.send(Err(Error::NoLeader));
            }
        }
    }

    fn request(&mut self) -> RequestId {
        self.counter += 1;
        let mut request = [0; REQUEST_ID_BYTES];
        request[..16].copy_from_slice(&self.run);
        request[16..].copy_from_slice(&self.counter.to_be_bytes());
        request
    }
}
