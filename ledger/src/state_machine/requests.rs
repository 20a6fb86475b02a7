//! Requests that clients may repeat: which were carried out, and by which leaves.
//!
//! A request is remembered for [`REQUEST_WINDOW_LEAVES`] leaves from its first on. Whether it still is depends on the size of
//! the tree alone, so that every replica forgets it at the same leaf, whenever it clears its database.

use dab_proof::tree::LeafIndex;

use super::check::Refusal;
use super::entry::{OnceBytes, ProposalBytes};
use crate::Error;
use crate::notary::{Once, REQUEST_WINDOW_LEAVES};

/// A request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CarriedOut {
    /// Digest of what was asked for.
    pub(crate) statement: [u8; 32],
    /// The leaves, at least one, in the order of the proposal's statements.
    pub(crate) leaves: Vec<LeafIndex>,
}

impl CarriedOut {
    /// Whether it is remembered in a tree of so many leaves.
    pub(crate) fn is_remembered(&self, tree_size: u64) -> bool {
        let first = self.leaves.first().map_or(0, |leaf| leaf.0);
        tree_size.saturating_sub(first) <= REQUEST_WINDOW_LEAVES
    }

    /// The leaves, for whoever asks for the same.
    ///
    /// # Errors
    ///
    /// [`Error::OtherStatement`].
    pub(crate) fn answer(&self, once: &Once) -> Result<Vec<LeafIndex>, Error> {
        match self.statement == once.statement {
            true => Ok(self.leaves.clone()),
            false => Err(Error::OtherStatement {
                leaf_index: self.leaves.first().map_or(0, |leaf| leaf.0),
            }),
        }
    }
}

/// The request that a proposal carries out, if it does.
pub(super) fn read_once(proposal: &ProposalBytes) -> Result<Option<Once>, Refusal> {
    let Some(OnceBytes { request, statement }) = &proposal.once else {
        return Ok(None);
    };
    match (request.as_slice().try_into(), statement.as_slice().try_into()) {
        (Ok(request), Ok(statement)) => Ok(Some(Once { request, statement })),
        _ => Err(Refusal {
            subject: None,
            reason: "the digests of its request are not 32 bytes long".to_owned(),
        }),
    }
}
