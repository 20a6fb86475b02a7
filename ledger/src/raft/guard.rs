//! Stands in front of raft-rs: refuses what would make it panic, or believe what cannot be.
//!
//! raft-rs trusts its peers: it panics on a heartbeat that commits more than the log holds and on an append that
//! contradicts a committed entry, follows any higher term, and replaces its whole state by a snapshot that nobody asked
//! for. A replica of another organisation may send any of these, so each message is held against this replica's own log
//! first. What is refused here is counted and told; raft never sees it.
//!
//! What no guard can refuse: a leader that orders leaves unfairly or not at all, and one that sends different entries to
//! different followers. The first is visible to those who wait, the second to the cosigners, who come to other roots.

use prost_for_raft::Message as _;
use raft::eraftpb::{ConfChange, Entry, EntryType, Message, MessageType};
use raft::{INVALID_ID, RawNode};

use super::RaftStorage;
use crate::members::MEMBERS_MAX;
use crate::planted::planted;
use crate::state_machine::entry::Content;
use crate::state_machine::{LedgerEntry, Settings};

/// A term may run ahead of ours by this much. Terms grow by elections, one each; a replica that has been away for years
/// is still below it, and 2^64 is out of reach.
const TERM_LEAD_MAX: u64 = 1 << 32;
/// A raft snapshot may be ahead of the log by this much, for the same reason.
const INDEX_LEAD_MAX: u64 = 1 << 40;
/// Bytes of one raft entry, data and context: the largest that a leader makes, with room.
const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Bytes of the context of a read, which a leader repeats to all.
const READ_CONTEXT_BYTES_MAX: usize = 24;

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sender is not who the message says, or the message is for somebody else.
    Address,
    /// A kind that replicas do not send each other.
    Kind,
    /// A term that no run of elections can have reached, or none at all.
    Term,
    /// It commits, or acknowledges, more than there is.
    Commit,
    /// It contradicts an entry that is committed here.
    Contradiction,
    /// It speaks as the leader of a term whose leader is another.
    Leader,
    /// It speaks as the leader, and this replica knows of none in the term: it asks for votes, say, as it had not heard of it.
    Unled,
    /// Its entries do not follow one another, or ask for what this release does not know.
    Entries,
    /// A raft snapshot that this replica has no use for, or of another membership.
    Snapshot,
}

/// Whether `message`, from the replica that its connection is bound to, may be given to raft.
///
/// `agreed` are the settings that every replica was founded with; `None` where a node alone changes its own.
pub(crate) fn admit(
    node: &RawNode<RaftStorage>,
    agreed: Option<&Settings>,
    from: u64,
    message: &Message,
) -> Result<(), Refusal> {
    let raft = &node.raft;
    if message.from != from || message.to != raft.id {
        return Err(Refusal::Address);
    }
    let kind = MessageType::from_i32(message.msg_type).ok_or(Refusal::Kind)?;
    let has_term = match kind {
        MessageType::MsgReadIndex => false,
        MessageType::MsgAppend
        | MessageType::MsgAppendResponse
        | MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse
        | MessageType::MsgSnapshot
        | MessageType::MsgHeartbeat
        | MessageType::MsgHeartbeatResponse
        | MessageType::MsgReadIndexResp => true,
        // a transfer of leadership is between a leader and itself here; proposals travel beside raft
        _ => return Err(Refusal::Kind),
    };
    let is_far = message.term > raft.term.saturating_add(TERM_LEAD_MAX) && !planted("any term is believed");
    // raft-rs takes a message without a term for one of its own, and panics on sending a read on that has one
    if has_term == (message.term == 0) || is_far {
        return Err(Refusal::Term);
    }
    // replicas have no priorities: raft-rs answers a vote that a priority lost without a term
    if message.priority != 0 || message.deprecated_priority != 0 {
        return Err(Refusal::Kind);
    }
    // of a former term, from an honest leader that was held, say: raft-rs reads no more of it, and tells of the present term
    if has_term && message.term < raft.term {
        return Ok(());
    }
    // where a read stands in the log is the leader's to say
    if kind == MessageType::MsgReadIndexResp && raft.leader_id != from {
        return Err(not_the_leader(raft.leader_id));
    }
    // whoever needs a raft snapshot is sent one without asking, and the leader writes nothing new meanwhile
    if message.request_snapshot != 0 {
        return Err(Refusal::Snapshot);
    }
    // raft-rs follows whoever appends; but a term has one leader, and what a second one sends would make another log of it
    let leads = matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat);
    let has_other = message.term == raft.term && raft.leader_id != INVALID_ID && raft.leader_id != from;
    if leads && has_other && !planted("a term may have two leaders") {
        return Err(Refusal::Leader);
    }
    let last_index = raft.raft_log.last_index();
    match kind {
        MessageType::MsgHeartbeat if message.commit > last_index && !planted("any commit index is believed") => {
            Err(Refusal::Commit)
        }
        // raft-rs would send whoever says so what is not there
        MessageType::MsgAppendResponse if message.index > last_index || message.reject_hint > last_index => {
            Err(Refusal::Commit)
        }
        MessageType::MsgAppend => check_append(node, agreed, message),
        MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => match message.entries.as_slice() {
            [entry] if entry.data.len() <= READ_CONTEXT_BYTES_MAX => Ok(()),
            _ => Err(Refusal::Entries),
        },
        // what it brings is fetched and verified before raft hears of it (`raft_snapshot.rs`)
        MessageType::MsgSnapshot => Err(Refusal::Snapshot),
        _ => Ok(()),
    }
}

/// Whether a raft snapshot is worth being looked at: it comes from who leads, and could be.
pub(crate) fn admit_snapshot(node: &RawNode<RaftStorage>, from: u64, message: &Message) -> Result<(), Refusal> {
    let raft = &node.raft;
    if message.from != from || message.to != raft.id {
        return Err(Refusal::Address);
    }
    if message.term != raft.term {
        // an honest leader's, who was held
        return Err(if message.term < raft.term {
            Refusal::Unled
        } else {
            Refusal::Term
        });
    }
    if raft.leader_id != from {
        return Err(not_the_leader(raft.leader_id));
    }
    let metadata = message.get_snapshot().get_metadata();
    let conf_state = metadata.get_conf_state();
    // changes go one by one here, without learners
    let is_plain = conf_state.learners.is_empty()
        && conf_state.learners_next.is_empty()
        && conf_state.voters_outgoing.is_empty()
        && !conf_state.auto_leave;
    let voters = &conf_state.voters;
    let are_voters = (1..=MEMBERS_MAX).contains(&voters.len()) && !voters.contains(&0) && voters.contains(&raft.id);
    let is_near = metadata.index <= raft.raft_log.committed.saturating_add(INDEX_LEAD_MAX);
    let has_term = (1..=message.term).contains(&metadata.term);
    match is_plain && are_voters && is_near && has_term {
        true => Ok(()),
        false => Err(Refusal::Snapshot),
    }
}

fn not_the_leader(leader_id: u64) -> Refusal {
    match leader_id {
        INVALID_ID => Refusal::Unled,
        _ => Refusal::Leader,
    }
}

/// The message without what it says about commits beside its purpose: raft-rs commits by the word of whoever asks for its
/// vote, or refuses it. A leader says the same soon enough.
pub(crate) fn without_hints(mut message: Message) -> Message {
    let vote = [
        MessageType::MsgRequestVote,
        MessageType::MsgRequestVoteResponse,
        MessageType::MsgRequestPreVote,
        MessageType::MsgRequestPreVoteResponse,
    ];
    if vote.iter().any(|kind| message.msg_type == *kind as i32) {
        (message.commit, message.commit_term) = (0, 0);
    }
    message
}

fn check_append(node: &RawNode<RaftStorage>, agreed: Option<&Settings>, message: &Message) -> Result<(), Refusal> {
    let raft_log = &node.raft.raft_log;
    // raft-rs takes term 0 for what it finds beyond its last entry
    if message.log_term > message.term || (message.index == 0) != (message.log_term == 0) {
        return Err(Refusal::Entries);
    }
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in &message.entries {
        let follows =
            index.checked_add(1) == Some(entry.index) && entry.term >= term.max(1) && entry.term <= message.term;
        if !follows || !is_understood(entry, agreed) {
            return Err(Refusal::Entries);
        }
        (index, term) = (entry.index, entry.term);
        // raft-rs replaces no committed entry, and takes this for an old message; but only a liar sends it
        let committed = entry.index <= raft_log.committed && entry.index >= raft_log.first_index();
        let differs = committed && raft_log.term(entry.index).is_ok_and(|ours| ours != entry.term);
        if differs {
            return Err(Refusal::Contradiction);
        }
    }
    Ok(())
}

/// Whether this replica could apply the entry once it is committed. What it stores it has to apply, at every start too: so
/// settings that a leader made up, with writers of its own, do not come in.
fn is_understood(entry: &Entry, agreed: Option<&Settings>) -> bool {
    let is_known = || match LedgerEntry::from_bytes(entry.index, &entry.data) {
        Ok(Content::Settings(settings)) => agreed.is_none_or(|agreed| *agreed == settings),
        Ok(Content::Group(_)) => true,
        Err(_) => false,
    };
    let is_change = || ConfChange::decode(&*entry.data).is_ok_and(|change| change.context.is_empty());
    let fits = entry.data.len() + entry.context.len() <= ENTRY_BYTES_MAX;
    match EntryType::from_i32(entry.entry_type) {
        Some(EntryType::EntryNormal) => fits && (entry.data.is_empty() || is_known()),
        // whether it is one that the members ask for is known when it is applied
        Some(EntryType::EntryConfChange) => fits && entry.context.is_empty() && is_change(),
        _ => false,
    }
}
