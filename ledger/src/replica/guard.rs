//! Stands in front of raft-rs: refuses what would make it panic, or believe what cannot be.
//!
//! raft-rs trusts its peers: it panics on a heartbeat that commits more than the log holds and on an append that
//! contradicts a committed entry, follows any higher term, and replaces its whole state by a snapshot that nobody asked
//! for. A replica of another organisation may send any of these, so each message is held against this replica's own log
//! first. What is refused here is counted and told; raft never sees it.
//!
//! What no guard can refuse: a leader that orders leaves unfairly or not at all, and one that sends different entries to
//! different followers. The first is visible to those who wait, the second to the cosigners, who come to other roots.

use raft::RawNode;
use raft::eraftpb::{Message, MessageType};

use crate::raft::RaftStorage;

/// A term may run ahead of ours by this much. Terms grow by elections, one each; a replica that has been away for years
/// is still below it, and 2^64 is out of reach.
const TERM_LEAD_MAX: u64 = 1 << 32;

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
    /// Its entries do not follow one another.
    Entries,
    /// A raft snapshot, which nobody can need yet.
    Snapshot,
}

/// Whether `message`, from the replica that its connection is bound to, may be given to raft.
pub(crate) fn admit(node: &RawNode<RaftStorage>, from: u64, message: &Message) -> Result<(), Refusal> {
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
    // raft-rs takes a message without a term for one of its own
    if has_term && message.term == 0 || message.term > raft.term.saturating_add(TERM_LEAD_MAX) {
        return Err(Refusal::Term);
    }
    let last_index = raft.raft_log.last_index();
    match kind {
        MessageType::MsgHeartbeat if message.commit > last_index => Err(Refusal::Commit),
        MessageType::MsgAppendResponse if message.index > last_index => Err(Refusal::Commit),
        MessageType::MsgAppend => check_append(node, message),
        MessageType::MsgReadIndex if message.entries.len() != 1 => Err(Refusal::Entries),
        MessageType::MsgReadIndexResp if message.entries.len() != 1 => Err(Refusal::Entries),
        // this release sends none, since it never compacts a log that others may need, and takes none
        MessageType::MsgSnapshot => Err(Refusal::Snapshot),
        _ => Ok(()),
    }
}

fn check_append(node: &RawNode<RaftStorage>, message: &Message) -> Result<(), Refusal> {
    let raft_log = &node.raft.raft_log;
    if message.log_term > message.term {
        return Err(Refusal::Entries);
    }
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in &message.entries {
        let follows = index.checked_add(1) == Some(entry.index) && entry.term >= term && entry.term <= message.term;
        if !follows {
            return Err(Refusal::Entries);
        }
        (index, term) = (entry.index, entry.term);
        // raft-rs panics where a committed entry would be replaced
        let committed = entry.index <= raft_log.committed && entry.index >= raft_log.first_index();
        if committed && raft_log.term(entry.index).is_ok_and(|ours| ours != entry.term) {
            return Err(Refusal::Contradiction);
        }
    }
    Ok(())
}
