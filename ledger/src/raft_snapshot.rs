//! Catching up without the raft log: what a replica that lacks entries which nobody holds any more is given instead.
//!
//! ```text
//!  leader                                              replica that is behind
//!  anchor -> raft snapshot                     ------>  checkpoint: certified?
//!  (position, certified checkpoint)                       |
//!                              entries, bodies  <----  incoming: bundle by bundle, into private/incoming/
//!                                                         |  they make the checkpoint's root
//!                                                      judged and appended like the leaves of raft entries
//!                                                         |
//!                                                      state durable -> raft log begins anew behind the position
//! ```
//!
//! A raft snapshot says little and is believed in less. Every leaf comes from a public file, and all of them together have
//! to make the root that the quorum has certified; heads, positions and the head map are computed from them, each signature
//! checked. A private body has to match its leaf. Whoever gives the files can leave private bodies out and tell wrong
//! requests (`bodies.rs`); a lying leader can name a raft position that is not the tree's: a replica that lacks leaves is of no
//! use then until its operator replaces it, and one that has them all takes none.
//!
//! In the message, as the data of raft-rs's snapshot:
//!
//! ```protobuf
//! message Snapshot { uint32 version = 1; repeated string epoch_changes = 2; bytes checkpoint = 3; }
//! ```
//!
//! `version` is 1; `epoch_changes` lead from the members that founded the ledger to those of now (`dab_proof::epoch`);
//! `checkpoint` is a certified one of exactly the leaves applied there, empty while there are none.

pub(crate) mod anchor;
pub(crate) mod bodies;
pub(crate) mod incoming;
pub(crate) mod staging;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::epoch::EpochChange;
use dab_proof::hash::empty_root;
use dab_proof::tree::TreeSize;
use dab_proof::trust::Trust;
use prost::Message;
use prost_for_raft::Message as _;
use raft::eraftpb;

use crate::certify::TreeHead;
use crate::epoch::Epoch;
use crate::raft::Position;

/// The version that this release writes, and the only one that it takes.
const SNAPSHOT_VERSION: u32 = 1;

const BAD_CHANGE: &str = "a change of the members in its raft snapshot is not certified";

/// The data of a raft snapshot.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RaftSnapshotData {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, repeated, tag = "2")]
    epoch_changes: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    checkpoint: Vec<u8>,
}

impl RaftSnapshotData {
    pub(crate) fn new(epoch_changes: Vec<String>, checkpoint: Option<&SignedCheckpoint>) -> Self {
        Self {
            version: SNAPSHOT_VERSION,
            epoch_changes,
            checkpoint: checkpoint.map(SignedCheckpoint::to_bytes).unwrap_or_default(),
        }
    }
}

/// What a replica catches up with, as far as its words go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// As raft-rs has it.
    pub(crate) raft: eraftpb::Snapshot,
    /// The last raft entry that is in it.
    pub(crate) at: Position,
    /// Each checked against the one before, from those on who founded the ledger.
    pub(crate) epoch_changes: Vec<String>,
    /// The raft ids of the last of them; `None` where there was no change.
    pub(crate) members: Option<Vec<u64>>,
    /// Certified; `None` where there are no leaves.
    pub(crate) checkpoint: Option<SignedCheckpoint>,
}

impl Target {
    /// Reads a raft snapshot and checks that its checkpoint is certified by the members that come, by certified changes, from
    /// those who founded the ledger; `Err` says what is wrong with it.
    pub(crate) fn read(raft: eraftpb::Snapshot, founded: &Trust) -> Result<Self, &'static str> {
        let data = RaftSnapshotData::decode(raft.data.as_slice()).map_err(|_| "it is no raft snapshot of a ledger")?;
        if data.version != SNAPSHOT_VERSION {
            return Err("its raft snapshot is of a version that this release does not know");
        }
        let checkpoint = match data.checkpoint.as_slice() {
            [] => None,
            bytes => Some(SignedCheckpoint::parse(bytes).map_err(|_| "its raft snapshot has no checkpoint")?),
        };
        let (mut trust, mut members, mut epoch_changes) = (founded.clone(), None, Vec::new());
        for (epoch, text) in (0..).zip(&data.epoch_changes) {
            let (mut change, rest) = EpochChange::parse(text.as_bytes()).map_err(|_| BAD_CHANGE)?;
            let ends_there = |signed: &SignedCheckpoint| signed.checkpoint().size.0 == change.receipt.index.0 + 1;
            let next = change.follow(&trust, epoch).map_err(|_| BAD_CHANGE)?;
            if !rest.is_empty() {
                return Err(BAD_CHANGE);
            }
            let epoch = Epoch::of(&change).map_err(|_| BAD_CHANGE)?;
            // whoever passed it on may have added lines
            change.receipt.checkpoint = trust.policy.known_lines(&change.receipt.checkpoint);
            epoch_changes.push(change.to_text());
            members = Some(epoch.members.iter().map(|member| member.id.0).collect());
            // those who leave certify the leaf with which they do
            if !checkpoint.as_ref().is_some_and(ends_there) {
                trust = next;
            }
        }
        if checkpoint
            .as_ref()
            .is_some_and(|signed| trust.policy.verify(signed).is_err())
        {
            return Err("the checkpoint of its raft snapshot is not certified");
        }
        let checkpoint = checkpoint.map(|signed| trust.policy.known_lines(&signed));
        let metadata = raft.get_metadata();
        Ok(Self {
            at: Position {
                index: metadata.index,
                term: metadata.term,
            },
            epoch_changes,
            members,
            checkpoint,
            raft,
        })
    }

    /// The tree that has to come out.
    pub(crate) fn head(&self) -> TreeHead {
        let empty = TreeHead {
            size: TreeSize(0),
            root: empty_root(),
        };
        self.checkpoint.as_ref().map_or(empty, |signed| TreeHead {
            size: signed.checkpoint().size,
            root: signed.checkpoint().root,
        })
    }

    /// As the state database keeps it while it is being installed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.raft.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use dab_proof::leaf::Subject;
    use dab_proof::note::SigningKey;
    use dab_proof::testing::TinyLedger;

    use super::*;

    fn raft_snapshot(data: &RaftSnapshotData) -> eraftpb::Snapshot {
        let mut metadata = eraftpb::SnapshotMetadata {
            index: 7,
            term: 3,
            ..Default::default()
        };
        metadata.set_conf_state(eraftpb::ConfState::default());
        let mut raft = eraftpb::Snapshot {
            data: data.encode_to_vec(),
            ..Default::default()
        };
        raft.set_metadata(metadata);
        raft
    }

    /// Whoever passes a certificate on may add lines by keys of its own, which would go into receipts and public files.
    #[test]
    fn lines_of_strangers_are_left_out() {
        let mut ledger = TinyLedger::with_cosigners(3);
        ledger.append(&Subject::catalog(), b"body", None, "TEST");
        let (certified, trust) = (ledger.checkpoint(), ledger.trust());
        let mut padded = certified.clone();
        let stranger = SigningKey::generate_cosigner("stranger", &[77; 32]).unwrap();
        padded
            .add(certified.checkpoint().cosign(&stranger, 1).unwrap())
            .unwrap();
        let data = RaftSnapshotData::new(Vec::new(), Some(&padded));
        let target = Target::read(raft_snapshot(&data), &trust).unwrap();
        assert_eq!(target.checkpoint, Some(certified));
    }

    #[test]
    fn only_a_certified_checkpoint_makes_a_target() {
        let mut ledger = TinyLedger::with_cosigners(3);
        ledger.append(&Subject::catalog(), b"body", None, "TEST");
        let (checkpoint, trust) = (ledger.checkpoint(), ledger.trust());
        let data = RaftSnapshotData::new(Vec::new(), Some(&checkpoint));
        let target = Target::read(raft_snapshot(&data), &trust).unwrap();
        assert_eq!((target.at.index, target.at.term, target.head().size.0), (7, 3, 1));
        let kept = eraftpb::Snapshot::decode(target.to_bytes().as_slice()).unwrap();
        assert_eq!(Target::read(kept, &trust).unwrap(), target);
        let by_the_log = checkpoint.checkpoint().sign(&ledger.log).unwrap();
        let refused = |data: RaftSnapshotData| Target::read(raft_snapshot(&data), &trust).unwrap_err();
        assert!(refused(RaftSnapshotData::new(Vec::new(), Some(&by_the_log))).contains("not certified"));
        assert!(
            refused(RaftSnapshotData {
                version: 2,
                ..data.clone()
            })
            .contains("version")
        );
        let checkpoint = b"no note".to_vec();
        assert!(refused(RaftSnapshotData { checkpoint, ..data }).contains("no checkpoint"));
        let empty = Target::read(raft_snapshot(&RaftSnapshotData::new(Vec::new(), None)), &trust).unwrap();
        assert_eq!(empty.head().size.0, 0);
    }
}
