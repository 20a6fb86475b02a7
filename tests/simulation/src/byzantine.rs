//! What a hostile replica says, beside what its core says, that nobody can believe. `liar.rs` has the other kind.
//!
//! It holds the log's key, as every replica does, and its own, but nobody else's. Its connection is bound to its raft id.
//! Everything here is what honest replicas must refuse, or take without harm.

use bytes::Bytes;
use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::hash::Hash;
use dab_proof::note::NoteSignature;
use dab_proof::tree::TreeSize;
use raft::eraftpb::{Entry, Message as RaftMessage, MessageType};

use crate::ledger::{Ledger, REPLICAS};
use crate::rng::Rng;
use crate::wire::Content;

/// Own messages kept to be said again.
const KEPT_MAX: usize = 200;

/// A hostile replica's memory.
#[derive(Debug)]
pub(crate) struct Traitor {
    id: u64,
    said: Vec<(u64, Bytes)>,
}

impl Traitor {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, said: Vec::new() }
    }

    /// Remembers what its core has said.
    pub(crate) fn remember(&mut self, to: u64, message: &Bytes, rng: &mut Rng) {
        match self.said.len() < KEPT_MAX {
            true => self.said.push((to, message.clone())),
            false => self.said[rng.below(KEPT_MAX)] = (to, message.clone()),
        }
    }

    /// Something hostile for somebody. `tree` is what it knows of the ledger, `term` of raft.
    pub(crate) fn say(&self, ledger: &Ledger, tree: (u64, [u8; 32]), term: u64, rng: &mut Rng) -> Option<(u64, Bytes)> {
        let to = 1 + (self.id + rng.below(REPLICAS as usize - 1) as u64) % REPLICAS;
        let message = match rng.below(6) {
            0 => self.contradiction(ledger, tree.0, rng),
            1 => self.bad_cosignature(ledger, tree, to, rng),
            2 => self.forged(to, term, rng),
            3 => rng.bytes::<40>().to_vec().into(),
            4 => {
                let (_, said) = self.said.get(rng.below(KEPT_MAX))?;
                said.slice(..rng.below(said.len() + 1))
            }
            _ => {
                let (to, said) = self.said.get(rng.below(KEPT_MAX))?;
                return Some((*to, said.clone()));
            }
        };
        Some((to, message))
    }

    /// A note over a tree that nobody has, cosigned by itself: for a size that is known, or soon will be.
    fn contradiction(&self, ledger: &Ledger, size: u64, rng: &mut Rng) -> Bytes {
        let checkpoint = Checkpoint {
            origin: ledger.log.name().to_owned(),
            size: TreeSize((size + rng.between(0, 3)).max(1)),
            root: Hash::from_bytes(rng.bytes()),
        };
        let mut note = checkpoint.sign(&ledger.log).expect("the log signs");
        let line = checkpoint.cosign(ledger.cosigner(self.id), 1_800_000_000);
        note.add(line.expect("a cosigner cosigns")).expect("one line more");
        said(&note, rng)
    }

    /// A note over the right tree, with a cosignature of another replica that it did not give.
    fn bad_cosignature(&self, ledger: &Ledger, tree: (u64, [u8; 32]), to: u64, rng: &mut Rng) -> Bytes {
        let checkpoint = Checkpoint {
            origin: ledger.log.name().to_owned(),
            size: TreeSize(tree.0),
            root: Hash::from_bytes(tree.1),
        };
        let mut note = checkpoint.sign(&ledger.log).expect("the log signs");
        for id in (1..=REPLICAS).filter(|id| *id != to) {
            let other = ledger.cosigner(id).verifier();
            let mut signature = vec![0; 8];
            signature.extend(rng.bytes::<64>());
            note.add(NoteSignature {
                name: other.name().to_owned(),
                key_id: other.key_id(),
                signature,
            })
            .expect("one line more");
        }
        said(&note, rng)
    }

    /// A raft message that no honest replica sends: what cannot be true, and what would make raft-rs panic.
    fn forged(&self, to: u64, term: u64, rng: &mut Rng) -> Bytes {
        let far = u64::MAX / 2;
        let mut message = RaftMessage {
            from: self.id,
            to,
            term,
            ..RaftMessage::default()
        };
        match rng.below(7) {
            0 => {
                message.set_msg_type(MessageType::MsgHeartbeat);
                message.commit = far;
            }
            1 => {
                message.set_msg_type(MessageType::MsgAppendResponse);
                message.index = far;
            }
            2 => {
                message.set_msg_type(*rng.pick(&[
                    MessageType::MsgHeartbeat,
                    MessageType::MsgRequestVote,
                    MessageType::MsgAppend,
                ]));
                message.term = *rng.pick(&[0, far, u64::MAX]);
            }
            3 => {
                message.set_msg_type(*rng.pick(&[
                    MessageType::MsgHup,
                    MessageType::MsgBeat,
                    MessageType::MsgPropose,
                    MessageType::MsgTimeoutNow,
                    MessageType::MsgTransferLeader,
                    MessageType::MsgUnreachable,
                    MessageType::MsgSnapStatus,
                ]));
            }
            4 => {
                message.set_msg_type(MessageType::MsgAppend);
                message.entries = vec![Entry {
                    index: far,
                    term,
                    ..Entry::default()
                }];
            }
            5 => {
                message.set_msg_type(MessageType::MsgHeartbeat);
                message.from = 1 + self.id % REPLICAS;
                message.term = term + 1;
            }
            _ => {
                message.set_msg_type(MessageType::MsgSnapshot);
            }
        }
        Content::raft(&message).into_bytes()
    }
}

fn said(note: &SignedCheckpoint, rng: &mut Rng) -> Bytes {
    Content::note(note, rng.chance(5000)).into_bytes()
}

/// An append as a leader sends it behind an entry, with one entry more that asks for nothing.
pub(crate) fn append(from: u64, to: u64, term: u64, behind: (u64, u64)) -> Bytes {
    let mut message = RaftMessage {
        from,
        to,
        term,
        index: behind.0,
        log_term: behind.1,
        ..RaftMessage::default()
    };
    message.set_msg_type(MessageType::MsgAppend);
    message.entries = vec![Entry {
        index: behind.0 + 1,
        term,
        ..Entry::default()
    }];
    Content::raft(&message).into_bytes()
}
