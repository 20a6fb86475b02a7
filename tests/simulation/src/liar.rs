//! A replica that lies as somebody would who wants to be believed.
//!
//! Its core is the production one. What this core sends as a leader is rewritten on its way: some followers are told other
//! entries for the same index and term. Beside that it forges what the guard cannot tell from the truth: heartbeats that
//! commit what is not agreed, appends and votes in the name of a leader or candidate that it is not, acknowledgements of
//! what it does not hold, places of reads; and it cosigns whatever anybody shows it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use dab_ledger::testing::core::Core;
use dab_proof::checkpoint::Checkpoint;
use prost::Message as _;
use raft::eraftpb::{Entry, Message as RaftMessage, MessageType};

use crate::ledger::{Ledger, REPLICAS};
use crate::rng::Rng;
use crate::wire::{Content, EntryData, Forward, Held, ProposalBytes};

/// Proposals, heads and reads that it remembers of each.
const KEPT_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct Liar {
    id: u64,
    /// Who is told another history now.
    victims: Vec<u64>,
    /// Each of them one of its own.
    apart: bool,
    until: u64,
    /// The other entries by index, term and history, the same at every telling.
    others: BTreeMap<(u64, u64, u64), Vec<u8>>,
    proposals: VecDeque<ProposalBytes>,
    heads: VecDeque<Checkpoint>,
    reads: VecDeque<(u64, Vec<u8>)>,
}

impl Liar {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            victims: Vec::new(),
            apart: false,
            until: 0,
            others: BTreeMap::new(),
            proposals: VecDeque::new(),
            heads: VecDeque::new(),
            reads: VecDeque::new(),
        }
    }

    /// Chooses whom to lie to, from time to time.
    pub(crate) fn choose(&mut self, now: u64, rng: &mut Rng) {
        if now < self.until {
            return;
        }
        self.until = now + rng.between(30, 400);
        let rate = *rng.pick(&[0, 0, 3000, 5000]);
        self.victims = (1..=REPLICAS).filter(|_| rng.chance(rate)).collect();
        self.apart = rng.chance(3000);
    }

    /// Listens to what it is told. False for what its core must not hear: that others certify another tree than its own.
    pub(crate) fn hear(&mut self, from: u64, message: &Bytes) -> bool {
        let Some(content) = Content::read(message) else {
            return true;
        };
        if let Some(note) = content.as_note() {
            keep(&mut self.heads, note.checkpoint().clone());
            return note.note().signatures().len() <= 2;
        }
        if let Some(mut read) = content.as_raft(&[MessageType::MsgReadIndex]) {
            let context = read.entries.pop().map(|entry| entry.data);
            keep(&mut self.reads, (from, context.unwrap_or_default()));
        }
        if let Content::Forward(forward) = content {
            forward
                .proposals
                .into_iter()
                .for_each(|proposal| keep(&mut self.proposals, proposal));
        }
        true
    }

    /// What its core says to `to`, as the victim is to hear it. True where entries were replaced.
    pub(crate) fn rewrite(&mut self, to: u64, message: Bytes, rng: &mut Rng) -> (Bytes, bool) {
        if !self.victims.contains(&to) {
            return (message, false);
        }
        let content = Content::read(&message);
        let Some(mut append) = content.and_then(|content| content.as_raft(&[MessageType::MsgAppend])) else {
            return (message, false);
        };
        let history = if self.apart { to } else { 0 };
        let mut lied = false;
        for entry in &mut append.entries {
            let place = (entry.index, entry.term, history);
            let data = match self.others.get(&place) {
                Some(told) => told.clone(),
                None => self.other(&entry.data, rng),
            };
            lied |= entry.data != data;
            entry.data.clone_from(&data);
            self.others.insert(place, data);
        }
        match lied {
            true => (Content::raft(&append).into_bytes(), true),
            false => (message, false),
        }
    }

    /// Another entry that any replica would apply.
    fn other(&mut self, data: &[u8], rng: &mut Rng) -> Vec<u8> {
        let Ok(mut entry) = EntryData::decode(data) else {
            return data.to_vec();
        };
        if entry.settings.is_some() || (data.is_empty() && self.proposals.is_empty()) {
            return data.to_vec();
        }
        let mut proposals = entry.group.take().unwrap_or_default().proposals;
        for proposal in &proposals {
            keep(&mut self.proposals, proposal.clone());
        }
        let seen = self.proposals[rng.below(self.proposals.len())].clone();
        match rng.below(4) {
            0 if proposals.len() > 1 => proposals.reverse(),
            1 if !proposals.is_empty() => {
                proposals.remove(rng.below(proposals.len()));
            }
            2 if !proposals.is_empty() => {
                let at = rng.below(proposals.len());
                proposals[at] = seen;
            }
            _ => proposals.insert(rng.below(proposals.len() + 1), seen),
        }
        group(proposals)
    }

    /// Something forged, for whom it is meant.
    pub(crate) fn forge(&mut self, ledger: &Ledger, core: &mut Core, rng: &mut Rng) -> Vec<(u64, Bytes)> {
        let to = 1 + (self.id + rng.below(REPLICAS as usize - 1) as u64) % REPLICAS;
        let all = (1..=REPLICAS).filter(|id| *id != self.id);
        if rng.chance(4000) {
            let note = self.heads.get(rng.below(KEPT_MAX)).map(|head| {
                let mut note = head.sign(&ledger.log).expect("the log signs");
                let line = head.cosign(ledger.cosigner(self.id), 1_800_000_000);
                note.add(line.expect("a cosigner cosigns")).expect("one line more");
                Content::note(&note, rng.chance(2000)).into_bytes()
            });
            return note.map_or_else(Vec::new, |note| all.map(|to| (to, note.clone())).collect());
        }
        if rng.chance(300) {
            let raft_index = rng.between(0, core.state().raft_last + 3);
            return vec![(to, Content::Held(Held { raft_index }).into_bytes())];
        }
        let message = self.raft(to, core, rng);
        vec![(message.to, Content::raft(&message).into_bytes())]
    }

    fn raft(&self, to: u64, core: &mut Core, rng: &mut Rng) -> RaftMessage {
        let state = core.state();
        // a term of its own now and then: whoever hears it follows
        let term = state.term + u64::from(rng.chance(1000));
        let last = state.raft_last;
        let mut message = RaftMessage {
            from: self.id,
            to,
            term: term.max(1),
            ..RaftMessage::default()
        };
        match rng.below(7) {
            0 => {
                message.set_msg_type(MessageType::MsgHeartbeat);
                message.commit = rng.between(state.raft_committed.saturating_sub(3), last);
            }
            1 => {
                message.set_msg_type(MessageType::MsgAppend);
                message.index = last.saturating_sub(rng.between(0, 3));
                let before = core.raft_entry(message.index).map(|(term, _)| term);
                let (true, Some(before)) = (message.index > 0, before) else {
                    message.set_msg_type(MessageType::MsgHeartbeatResponse);
                    return message;
                };
                message.log_term = before;
                message.term = message.term.max(before);
                let proposal = self.proposals.get(rng.below(KEPT_MAX)).cloned();
                message.entries = vec![Entry {
                    term: message.term,
                    index: message.index + 1,
                    data: group(proposal.into_iter().collect()),
                    ..Entry::default()
                }];
                message.commit = rng.between(0, message.index + 1);
            }
            2 => {
                message.set_msg_type(MessageType::MsgAppendResponse);
                message.index = rng.between(1, last + 2);
                message.reject = rng.chance(3000);
                message.reject_hint = rng.between(0, message.index);
                message.log_term = rng.between(0, message.term);
            }
            3 => message.set_msg_type(*rng.pick(&[
                MessageType::MsgRequestVoteResponse,
                MessageType::MsgRequestPreVoteResponse,
            ])),
            4 => {
                message.set_msg_type(*rng.pick(&[MessageType::MsgRequestVote, MessageType::MsgRequestPreVote]));
                message.term += 1;
                message.index = last + rng.between(0, 5);
                message.log_term = state.term;
            }
            5 => {
                let Some((reader, context)) = self.reads.get(rng.below(KEPT_MAX)).cloned() else {
                    message.set_msg_type(MessageType::MsgHeartbeatResponse);
                    return message;
                };
                message.set_msg_type(MessageType::MsgReadIndexResp);
                message.to = reader;
                message.index = rng.between(0, last);
                message.entries = vec![Entry {
                    data: context,
                    ..Entry::default()
                }];
            }
            _ => message.set_msg_type(MessageType::MsgHeartbeatResponse),
        }
        message
    }
}

fn group(proposals: Vec<ProposalBytes>) -> Vec<u8> {
    let entry = EntryData {
        version: 1,
        group: Some(Forward { proposals }),
        settings: None,
    };
    entry.encode_to_vec()
}

fn keep<T>(kept: &mut VecDeque<T>, one: T) {
    if kept.len() == KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(one);
}
