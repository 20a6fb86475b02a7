//! Notes between replicas: a head with its cosignatures, given, asked for and taken.

use bytes::Bytes;
use dab_proof::checkpoint::SignedCheckpoint;

use super::message::{Content, NoteBytes, PeerMessage};
use super::{Outgoing, Replica};
use crate::Error;
use crate::planted::planted;

/// Ticks between two notes of a replica that waits for the quorum.
pub(super) const ASK_TICKS: u64 = 5;

impl Replica {
    /// Cosigns what has been applied, once the head is durable, and tells the others.
    pub(super) fn cosign(&mut self) -> Result<(), Error> {
        let time_unix_s = self.machine.unix_s();
        if let Some(head) = self.machine.certifier().to_sign() {
            let is_new = self
                .machine
                .certifier()
                .signed()
                .is_none_or(|signed| signed.size < head.size);
            if is_new && !planted("the signed head is not recorded") {
                self.driver.raft_log().append_signed_head(head)?;
            }
            let notes = self.machine.certifier().cosign(head, time_unix_s)?;
            for note in notes {
                self.broadcast_note(&note.to_bytes(), false);
            }
            self.next_ask = self.ticks + ASK_TICKS;
        } else if self.ticks >= self.next_ask {
            self.next_ask = self.ticks + ASK_TICKS;
            if let Some(note) = self.machine.certifier().unanswered(time_unix_s)? {
                self.broadcast_note(&note.to_bytes(), true);
            }
        }
        self.machine.show_certified()
    }

    pub(super) fn broadcast_note(&mut self, note: &[u8], asks: bool) {
        let checkpoint = Bytes::copy_from_slice(note);
        self.broadcast(&PeerMessage::to_bytes(Content::Note(NoteBytes { checkpoint, asks })));
    }

    pub(super) fn receive_note(&mut self, from: u64, note: &NoteBytes) -> Result<(), Error> {
        let Ok(signed) = SignedCheckpoint::parse(&note.checkpoint) else {
            self.count_refusal(from, "it is no checkpoint");
            return Ok(());
        };
        let tree_size = self.machine.tree_size();
        // a smaller one too: whoever asks may hold another tree of that size, and has to learn of it
        let size = signed.checkpoint().size;
        if let Some(ours) = self.machine.certified_for(size).filter(|_| note.asks) {
            let checkpoint = ours.to_bytes().into();
            let message = PeerMessage::to_bytes(Content::Note(NoteBytes {
                checkpoint,
                asks: false,
            }));
            self.outgoing.push(Outgoing { to: from, message });
        }
        self.machine.certifier().receive(&signed, tree_size)?;
        if self.machine.certifier().certifies_more(&signed) {
            self.machine.expect(signed)?;
        }
        // one after another: the certificate of a change of the members must not be passed over
        self.machine.show_certified()
    }
}
