//! Who is answered when: those whose proposal or read is decided wait here for a certified checkpoint that covers it.
//!
//! A quorum may be long in coming, or a witness away. Whoever has waited for too long is told that nothing is known; what was
//! decided stands all the same.

use dab_proof::leaf::SignedLeaf;
use dab_proof::tile::TilesOnce;
use dab_proof::tree::{LeafIndex, TreeSize};

use super::Machine;
use crate::Error;
use crate::notary::Outcome;
use crate::planted::planted;
use crate::pool::Answer;
use crate::shared::{leaf_at, receipt};

/// Bounds of what waits for a certified checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitLimits {
    /// Ticks that it may take.
    pub(crate) ticks_max: u64,
    /// Proposals, and reads that were asked for together.
    pub(crate) count_max: usize,
}

/// Who waits for the same read.
type Readers = Vec<Answer<()>>;

/// A read that may be answered once its raft index is applied, and what is applied then is certified.
#[derive(Debug)]
pub(super) struct PlacedRead {
    raft_index: u64,
    readers: Readers,
    deadline: Option<u64>,
}

/// What is answered when a certified checkpoint covers `size`.
#[derive(Debug)]
pub(super) struct Decided {
    size: TreeSize,
    answer: DecidedAnswer,
    /// The tick at which it is given up; drawn at the first tick that finds it here.
    deadline: Option<u64>,
}

#[derive(Debug)]
pub(super) enum DecidedAnswer {
    Proposal(Answer<Outcome>, DecidedOutcome),
    Read(Readers),
}

#[derive(Debug)]
pub(super) enum DecidedOutcome {
    /// The leaves, where they are new; one that stood before is read again.
    Accepted(Vec<(LeafIndex, Option<SignedLeaf>)>),
    Other(Result<Outcome, Error>),
}

impl Machine {
    /// Answers once readers see everything that is applied now.
    pub(super) fn answer_when_certified(&mut self, answer: DecidedAnswer) {
        let size = match &answer {
            // a proposal that comes again, and is certified already
            DecidedAnswer::Proposal(_, DecidedOutcome::Accepted(leaves)) if self.are_shown(leaves) => self.shown_size,
            _ => self.tiles.size(),
        };
        let early = matches!(answer, DecidedAnswer::Read(_)) && planted("a read does not wait for the certificate");
        match size <= self.shown_size || early || planted("acknowledged when sequenced") {
            true => {
                let mut tiles = self.tiles_for_receipts();
                self.answer(answer, &mut tiles);
            }
            false => self.decided.push_back(Decided {
                size,
                answer,
                deadline: None,
            }),
        }
    }

    fn are_shown(&self, leaves: &[(LeafIndex, Option<SignedLeaf>)]) -> bool {
        leaves.iter().all(|(index, _)| index.0 < self.shown_size.0)
    }

    /// The tiles that receipts are made from now.
    fn tiles_for_receipts(&self) -> TilesOnce<'_> {
        let checkpoint = self.certifier.for_receipts();
        TilesOnce::new(
            &self.tiles,
            checkpoint.map_or(TreeSize(0), |signed| signed.checkpoint().size),
        )
    }

    /// Whoever asked may have gone; the leaf stands all the same.
    fn answer(&self, answer: DecidedAnswer, tiles: &mut TilesOnce<'_>) {
        match answer {
            DecidedAnswer::Read(readers) => {
                for reader in readers {
                    let _ = reader.send(Ok(()));
                }
            }
            DecidedAnswer::Proposal(answer, DecidedOutcome::Other(outcome)) => {
                let _ = answer.send(outcome);
            }
            DecidedAnswer::Proposal(answer, DecidedOutcome::Accepted(leaves)) => {
                let receipts: Result<Vec<_>, Error> =
                    leaves.into_iter().map(|leaf| self.receipt(leaf, tiles)).collect();
                let outcome = receipts.map(Outcome::Certified).map_err(|error| {
                    // the leaves stand: any other word would have the client write them again
                    tracing::error!(%error, "cannot make the receipts of notarized leaves");
                    Error::OutcomeUnknown
                });
                let _ = answer.send(outcome);
            }
        }
    }

    fn receipt(
        &self,
        (index, leaf): (LeafIndex, Option<SignedLeaf>),
        tiles: &mut TilesOnce<'_>,
    ) -> Result<dab_proof::receipt::Receipt, Error> {
        let checkpoint = self.certifier.for_receipts().ok_or(Error::NoCheckpoint)?;
        let leaf = match leaf {
            Some(leaf) => leaf,
            None => leaf_at(&self.tiles, index, checkpoint.checkpoint().size)?,
        };
        receipt(tiles, checkpoint, index, leaf)
    }

    /// Answers what the checkpoint that is shown now covers.
    pub(super) fn answer_covered(&mut self) {
        let covered = self.decided.partition_point(|decided| decided.size <= self.shown_size);
        let covered: Vec<_> = self.decided.drain(..covered).collect();
        let mut tiles = self.tiles_for_receipts();
        for decided in covered {
            self.answer(decided.answer, &mut tiles);
        }
    }

    /// Notes the place of a read in the raft log.
    pub(super) fn place_read(&mut self, raft_index: u64, context: &[u8]) {
        let readers = self.pending.placed(context);
        if !readers.is_empty() {
            self.placed_reads.push(PlacedRead {
                raft_index,
                readers,
                deadline: None,
            });
        }
    }

    /// Decides the reads up to whose places everything is applied now.
    pub(super) fn decide_reads(&mut self) {
        let applied = self.applied.index;
        let early = planted("a read does not wait for its place");
        let decided = self
            .placed_reads
            .extract_if(.., |read| read.raft_index <= applied || early);
        for read in decided.collect::<Vec<_>>() {
            self.answer_when_certified(DecidedAnswer::Read(read.readers));
        }
    }

    /// Refuses one more where as many wait for a checkpoint as may.
    pub(crate) fn check_waiting(&self) -> Result<(), Error> {
        let waiting = self.decided.len() + self.placed_reads.len();
        match waiting < self.wait_limits.count_max {
            true => Ok(()),
            false => Err(Error::Busy { waiting }),
        }
    }

    /// Tells those who have waited for too long what is known.
    pub(crate) fn expire(&mut self, now: u64) {
        let end = now + self.wait_limits.ticks_max;
        let is_over = |deadline: &mut Option<u64>| *deadline.get_or_insert(end) <= now;
        for read in self.placed_reads.extract_if(.., |read| is_over(&mut read.deadline)) {
            give_up(DecidedAnswer::Read(read.readers));
        }
        // those that came first are over first
        while let Some(first) = self.decided.front_mut()
            && is_over(&mut first.deadline)
        {
            if let Some(first) = self.decided.pop_front() {
                give_up(first.answer);
            }
        }
        for decided in self.decided.iter_mut().rev() {
            if decided.deadline.is_some() {
                break;
            }
            decided.deadline = Some(end);
        }
    }
}

/// The leaves of a proposal have their places, and may be certified yet. A read that nothing covers has seen nothing, and a
/// conflict names what nobody may hear of.
fn give_up(answer: DecidedAnswer) {
    match answer {
        DecidedAnswer::Read(readers) => {
            for reader in readers {
                let _ = reader.send(Err(Error::NoQuorum));
            }
        }
        DecidedAnswer::Proposal(answer, outcome) => {
            let first = match &outcome {
                DecidedOutcome::Accepted(leaves) => leaves.first(),
                DecidedOutcome::Other(_) => None,
            };
            let error = first.map_or(Error::OutcomeUnknown, |(index, _)| Error::Sequenced {
                leaf_index: index.0,
            });
            let _ = answer.send(Err(error));
        }
    }
}
