//! What the state machine sees of the state.

use dab_proof::hash::Hash;
use dab_proof::head_map::HeadMap;
use dab_proof::leaf::Subject;
use dab_proof::tree::LeafIndex;

use super::entry::Settings;
use super::heads::{Cover, NodeSince};
use super::requests::CarriedOut;
use crate::Error;
use crate::reader::Head;

/// Where a leaf stands, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) leaf_index: LeafIndex,
    /// Hash of the leaf's bytes, signature included.
    pub(crate) leaf_hash: Hash,
    /// SHA-256 of the leaf's text, without the signature: what makes two leaves the same statement.
    pub(crate) text_hash: [u8; 32],
}

/// The state before an entry. Reading may fail, being disk; it never answers wrongly.
pub(crate) trait StateView {
    /// Origin and writers, `None` before the first settings.
    fn settings(&self) -> Option<&Settings>;

    /// Leaves in the tree.
    fn tree_size(&self) -> u64;

    /// The last leaf of a subject.
    fn head(&self, subject: &Subject) -> Result<Option<Head>, Error>;

    /// The leaf at a sequence of a subject.
    fn placed(&self, subject: &Subject, sequence: u64) -> Result<Option<Placed>, Error>;

    /// What is known of a request; it may be forgotten already.
    fn request(&self, request: &[u8; 32]) -> Result<Option<CarriedOut>, Error>;

    /// The head map of the first `size` leaves; `None` unless this is one of the last
    /// [`MAP_WINDOW_LEAVES`](dab_proof::heads_leaf::MAP_WINDOW_LEAVES) sizes.
    fn map_at(&self, size: u64) -> Result<Option<HeadMap>, Error>;

    /// A node of the head map, by its hash.
    fn map_node(&self, hash: &Hash) -> Result<Option<NodeSince>, Error>;

    /// What the last heads leaf covers.
    fn last_cover(&self) -> Result<Option<Cover>, Error>;
}
