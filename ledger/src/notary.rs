//! Statements in, receipts out.

use async_trait::async_trait;
use bytes::Bytes;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::receipt::Receipt;

use crate::Error;
use crate::reader::Head;

/// The longest private body that the ledger carries.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// The most statements of one proposal.
pub const PROPOSAL_STATEMENTS_MAX: usize = 256;
/// The most bytes of one proposal, leaves and bodies together.
pub const PROPOSAL_BYTES_MAX: usize = 1 << 20;

/// Leaves for which a request is remembered, counted from its first: each has at least one, so this is also how many requests
/// the state has at most. Part of the one rule: replicas with other numbers would part ways.
pub const REQUEST_WINDOW_LEAVES: u64 = 1 << 18;

/// A leaf to be notarized, with the body that it binds where that body is private.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The signed leaf: its bytes are hashed into the tree as they are.
    pub leaf: SignedLeaf,
    /// A body that is replicated with the ledger's state but stands in no public file; at most [`BODY_BYTES_MAX`]. It
    /// must match the digest in the leaf.
    pub body: Option<Bytes>,
}

/// Statements that are notarized together or not at all. Each speaks about another subject.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// One to [`PROPOSAL_STATEMENTS_MAX`] statements, at most [`PROPOSAL_BYTES_MAX`] bytes.
    pub statements: Vec<Statement>,
}

/// A request that may come again: whoever repeats it hears what became of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// Digest of who asks and of the key that they chose for this request.
    pub request: [u8; 32],
    /// Digest of what they ask for.
    pub statement: [u8; 32],
}

/// What became of a proposal.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Every statement is in the ledger, under a certified checkpoint: one receipt each, in the order proposed.
    Certified(Vec<Receipt>),
    /// Somebody else was first, and nothing of the proposal is in the ledger.
    Conflict(Conflict),
}

/// The subject over which a proposal lost the race.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The first subject of the proposal whose sequence or parent does not follow on.
    pub subject: Subject,
    /// What stands there now; `None` when the subject has no leaf yet.
    pub head: Option<Head>,
}

/// Has statements notarized.
///
/// For each subject the ledger accepts exactly one leaf per sequence: the sequence follows that of the head (0 for the
/// first) and the parent is the head's leaf hash (none for the first).
#[async_trait]
pub trait Notary: Send + Sync {
    /// Notarizes a proposal and answers when a certified checkpoint covers it, not before.
    ///
    /// Exactly once: a proposal whose leaf texts are in the ledger already, whoever signed them and however often, is
    /// answered with receipts for the leaves that stand there. So after a lost answer or an error that
    /// [`Error::is_retryable`], proposing the same statements again gives their one outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]: nothing was proposed. [`Error::Refused`]: a statement breaks a rule and nothing was notarized.
    /// [`Error::Stopped`] and [`Error::OutcomeUnknown`]: the outcome is not known. [`Error::Sequenced`]: it waits for cosigners.
    async fn notarize(&self, proposal: Proposal) -> Result<Outcome, Error>;

    /// The same for a proposal that carries out a request, once: another one that does the same comes to nothing, at whichever
    /// node and whenever it is made, as long as the request is remembered ([`REQUEST_WINDOW_LEAVES`]). The same statements
    /// again are answered as above.
    ///
    /// # Errors
    ///
    /// Besides those above: [`Error::CarriedOut`], which names the leaves of the first; [`Error::OtherStatement`].
    async fn notarize_once(&self, proposal: Proposal, once: Once) -> Result<Outcome, Error>;
}
