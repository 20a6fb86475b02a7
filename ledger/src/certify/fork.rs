//! What becomes of two trees of one size: evidence, and the end of whoever holds the one that is not certified.

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::hash::Hash;

use super::Certifier;
use crate::Error;
use crate::planted::planted;

/// Contradictions that wait to be written out; the first ones are evidence enough.
const CONTRADICTIONS_MAX: usize = 16;

/// Two notes that contradict each other, as somebody else can check.
#[derive(Clone, Debug)]
pub(crate) struct Contradiction {
    /// Signed over the tree that this replica holds.
    pub(crate) ours: SignedCheckpoint,
    /// Signed by the same log over another tree of that size.
    pub(crate) theirs: SignedCheckpoint,
}

impl Certifier {
    /// Why this replica cannot go on: its tree has another root than a certified one of that size. So its leader has told it
    /// other entries than the others, or its disk has lost some. The two notes are kept, the own one signed for this.
    ///
    /// No quorum has cosigned what this replica holds, and none will; it has nothing to answer from.
    pub(crate) fn forked(&mut self, root: Hash, certified: &SignedCheckpoint) -> Result<Error, Error> {
        let size = certified.checkpoint().size;
        let cosigned = self
            .candidates
            .get(&size.0)
            .filter(|ours| ours.checkpoint().root == root);
        let ours = match cosigned {
            Some(ours) => ours.clone(),
            None => {
                let origin = self.log.name().to_owned();
                Checkpoint { origin, size, root }.sign(&self.log)?
            }
        };
        if !planted("the evidence is forgotten") {
            self.contradict(ours, certified);
        }
        let theirs = certified.checkpoint().root;
        let reason = format!(
            "a certified checkpoint has root {theirs} for {size} leaves, this replica's tree {root}: it cannot go on, and must \
             begin anew as another member"
        );
        Ok(Error::Inconsistent { reason })
    }

    /// Keeps a note that shows another tree of a size that this replica has, when it is evidence: signed by the log.
    pub(super) fn contradict(&mut self, ours: SignedCheckpoint, note: &SignedCheckpoint) {
        if !self.is_signed_by_log(note) || self.contradictions.len() == CONTRADICTIONS_MAX {
            return;
        }
        let size = ours.checkpoint().size.0;
        tracing::error!(size, ours = %ours.checkpoint().root, theirs = %note.checkpoint().root, "two trees of one size");
        self.contradictions.push(Contradiction {
            ours,
            theirs: note.clone(),
        });
    }

    fn is_signed_by_log(&self, note: &SignedCheckpoint) -> bool {
        let signed = note.note().verify("checkpoint", [self.log.verifier()]);
        signed.is_ok_and(|signed| signed.len() == 1)
    }

    /// Contradictions met since the last call.
    pub(crate) fn take_contradictions(&mut self) -> Vec<Contradiction> {
        std::mem::take(&mut self.contradictions)
    }
}
