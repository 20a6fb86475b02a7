//! What replicas say to each other, as bytes; `replica.rs` has what becomes of it.

use dab_ledger::testing::decoders;

use crate::laws::{one_spelling, settles};
use crate::{Bound, Target};

/// A protobuf message of many empty parts is held as many structs: two bytes stand for a hundred and more, and for twice
/// as many while the list grows.
const PARTS: Bound = Bound {
    base: 16 << 10,
    per_byte: 256,
};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "peer_hello",
        decode: peer_hello,
        bound: Bound::SMALL,
    },
    Target {
        name: "peer_frames",
        decode: peer_frames,
        // the room for one frame, however long it says that it will be
        bound: Bound {
            base: 160 << 10,
            per_byte: 32,
        },
    },
    Target {
        name: "peer_message",
        decode: peer_message,
        bound: PARTS,
    },
    Target {
        name: "raft_message",
        decode: raft_message,
        bound: PARTS,
    },
    Target {
        name: "raft_entry",
        decode: raft_entry,
        bound: PARTS,
    },
];

fn peer_hello(bytes: &[u8]) -> bool {
    one_spelling(bytes, decoders::peer_hello(bytes))
}

fn peer_frames(bytes: &[u8]) -> bool {
    let frames = decoders::peer_frames(bytes);
    assert!(bytes.starts_with(&frames), "a frame is not what came");
    !frames.is_empty()
}

fn peer_message(bytes: &[u8]) -> bool {
    settles(bytes, decoders::peer_message)
}

fn raft_message(bytes: &[u8]) -> bool {
    settles(bytes, decoders::raft_message)
}

fn raft_entry(bytes: &[u8]) -> bool {
    settles(bytes, decoders::raft_entry)
}
