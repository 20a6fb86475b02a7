//! Bugs planted on purpose, one at a time, so that the simulator can show that it finds them.
//!
//! Without the feature `planted_bugs` the question is a constant, and nothing of this is in the program.

use raft::eraftpb::Message;

/// Whether the bug of this name is planted now.
#[cfg(not(feature = "planted_bugs"))]
pub(crate) const fn planted(_name: &str) -> bool {
    false
}

/// Whether the bug of this name is planted now.
#[cfg(feature = "planted_bugs")]
pub(crate) fn planted(name: &str) -> bool {
    PLANTED.get() == Some(name)
}

/// A raft message as it was sent: bugs within raft-rs are planted in what it hears.
#[cfg(not(feature = "planted_bugs"))]
pub(crate) fn misread(message: Message, _last_index: u64) -> Message {
    message
}

/// A raft message as a planted bug reads it, where the own log ends at `last_index`.
#[cfg(feature = "planted_bugs")]
pub(crate) fn misread(mut message: Message, last_index: u64) -> Message {
    use raft::eraftpb::MessageType;
    match message.get_msg_type() {
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote if planted("a vote is given to whoever asks") => {
            message.log_term = message.term;
        }
        MessageType::MsgRequestVoteResponse if planted("a refusal counts as a vote") => message.reject = false,
        MessageType::MsgAppendResponse if planted("an acknowledgement counts for the whole log") && !message.reject => {
            message.index = last_index;
        }
        _ => {}
    }
    message
}

#[cfg(feature = "planted_bugs")]
thread_local! {
    // by thread, so that runs side by side do not disturb each other
    static PLANTED: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in the replicas of this thread, or none.
#[cfg(feature = "planted_bugs")]
pub fn plant(name: Option<&'static str>) {
    PLANTED.set(name);
}
