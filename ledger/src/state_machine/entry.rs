//! What a raft entry of the ledger says, as bytes.
//!
//! The data of a raft entry is one protobuf message; `version` comes first. It is the lowest that knows all that the entry
//! says: 2 where a proposal carries out a request, else 1. A node that meets a version or a content it does not know stops
//! rather than guess, because its replicas may know it; so does one that meets what its version should not have.
//!
//! ```protobuf
//! message LedgerEntry {
//!   uint32 version = 1;
//!   oneof content { Group group = 2; Settings settings = 3; }
//! }
//! message Group { repeated Proposal proposals = 1; }
//! message Proposal { repeated Statement statements = 1; bytes request = 2; Once once = 3; }
//! message Once { bytes request = 1; bytes statement = 2; }
//! message Statement { bytes leaf = 1; optional bytes body = 2; }
//! message Settings { string origin = 1; string writers = 2; string members = 3; uint64 changes_bytes = 4; }
//! ```

use dab_proof::epoch::EpochText;
use dab_proof::leaf::SignedLeaf;
use prost::{Message, Oneof};

use crate::Error;
use crate::epoch::Epoch;
use crate::members::NotMembers;
use crate::notary::{Once, PROPOSAL_BYTES_MAX, PROPOSAL_STATEMENTS_MAX, Proposal};

/// The version of an entry that no request stands behind.
const ENTRY_VERSION: u32 = 1;
/// The version since which proposals may carry out requests.
const ENTRY_VERSION_WITH_REQUESTS: u32 = 2;

/// The data of one raft entry.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LedgerEntry {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(oneof = "Content", tags = "2, 3")]
    pub(crate) content: Option<Content>,
}

/// What an entry asks for.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Content {
    /// Proposals of one group commit, each judged by itself, in this order.
    #[prost(message, tag = "2")]
    Group(Group),
    /// The ledger's origin, and who may write from here on.
    #[prost(message, tag = "3")]
    Settings(Settings),
}

/// Proposals that share an entry.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Group {
    #[prost(message, repeated, tag = "1")]
    pub(crate) proposals: Vec<ProposalBytes>,
}

/// Statements that are accepted together or not at all.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProposalBytes {
    #[prost(message, repeated, tag = "1")]
    pub(crate) statements: Vec<StatementBytes>,
    /// Leads from the applied entry back to whoever waits; means nothing to the state machine, nor to other replicas.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) request: Vec<u8>,
    /// The request that it carries out, where its client may repeat it.
    #[prost(message, optional, tag = "3")]
    pub(crate) once: Option<OnceBytes>,
}

/// A [`Once`] as an entry has it: 32 bytes each.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OnceBytes {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) request: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) statement: Vec<u8>,
}

/// A signed leaf and, where it is private, its body.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatementBytes {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) leaf: Vec<u8>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) body: Option<bytes::Bytes>,
}

/// What every replica must agree on to judge a leaf.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Settings {
    /// The ledger's origin; fixed by the first settings.
    #[prost(string, tag = "1")]
    pub(crate) origin: String,
    /// The text of `trust/writers`.
    #[prost(string, tag = "2")]
    pub(crate) writers: String,
    /// The epoch (`dab_proof::epoch`), writers included; empty where a node certifies alone and the ledger has not changed who
    /// writes.
    #[prost(string, tag = "3")]
    pub(crate) members: String,
    /// Bytes that all changes of the epoch so far come to at most, each with its proof; zero in an entry.
    #[prost(uint64, tag = "4")]
    pub(crate) changes_bytes: u64,
}

impl Settings {
    /// Those of an epoch that a change begins, with which all changes come to `changes_bytes`.
    pub(crate) fn of(epoch: &Epoch, changes_bytes: u64) -> Self {
        Self {
            changes_bytes,
            origin: epoch.text.origin.clone(),
            writers: epoch.text.writers.clone(),
            members: epoch.text.text(),
        }
    }

    /// The epoch; `None` where a node certifies alone and the ledger has not changed who writes.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>, NotMembers> {
        match self.members.as_str() {
            "" => Ok(None),
            text => Epoch::parse(text.as_bytes()).map(Some),
        }
    }
}

impl Settings {
    /// The epoch that `next` would come after. Of a node that certifies alone the policy is its operator's affair.
    pub(crate) fn epoch_before(&self, next: &EpochText) -> Result<Epoch, NotMembers> {
        match self.epoch()?.filter(|epoch| !epoch.is_alone()) {
            Some(epoch) => Ok(epoch),
            None => Epoch::alone(&self.origin, &next.policy, &self.writers),
        }
    }
}

impl LedgerEntry {
    pub(crate) fn group(proposals: Vec<ProposalBytes>) -> Self {
        let version = match proposals.iter().any(|proposal| proposal.once.is_some()) {
            true => ENTRY_VERSION_WITH_REQUESTS,
            false => ENTRY_VERSION,
        };
        Self {
            version,
            content: Some(Content::Group(Group { proposals })),
        }
    }

    pub(crate) fn settings(settings: Settings) -> Self {
        Self {
            version: ENTRY_VERSION,
            content: Some(Content::Settings(settings)),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads the data of the raft entry at `raft_index`.
    ///
    /// # Errors
    ///
    /// [`Error::Raft`] when this release cannot know what the entry asks for.
    pub(crate) fn from_bytes(raft_index: u64, data: &[u8]) -> Result<Content, Error> {
        let unknown = |reason: String| Error::Raft {
            reason: format!("raft entry {raft_index} {reason}"),
        };
        let entry = Self::decode(data).map_err(|error| unknown(format!("is no ledger entry: {error}")))?;
        if !(ENTRY_VERSION..=ENTRY_VERSION_WITH_REQUESTS).contains(&entry.version) {
            return Err(unknown(format!(
                "has version {}; this release knows {ENTRY_VERSION} to {ENTRY_VERSION_WITH_REQUESTS}",
                entry.version
            )));
        }
        if entry.version == ENTRY_VERSION && entry.has_requests() {
            // a release that knows no other version would read over them, and part ways
            return Err(unknown(format!("has version {ENTRY_VERSION}, and requests")));
        }
        entry
            .content
            .ok_or_else(|| unknown("asks for something that this release does not know".to_owned()))
    }
}

impl LedgerEntry {
    fn has_requests(&self) -> bool {
        match &self.content {
            Some(Content::Group(group)) => group.proposals.iter().any(|proposal| proposal.once.is_some()),
            _ => false,
        }
    }
}

impl From<&Proposal> for ProposalBytes {
    fn from(proposal: &Proposal) -> Self {
        let statement = |statement: &crate::notary::Statement| StatementBytes {
            leaf: statement.leaf.bytes().to_vec(),
            body: statement.body.clone(),
        };
        Self {
            statements: proposal.statements.iter().map(statement).collect(),
            request: Vec::new(),
            once: None,
        }
    }
}

impl ProposalBytes {
    /// The same, to carry out a request.
    pub(crate) fn carrying_out(self, once: &Once) -> Self {
        let once = OnceBytes {
            request: once.request.to_vec(),
            statement: once.statement.to_vec(),
        };
        Self {
            once: Some(once),
            ..self
        }
    }

    /// Whether it keeps to the bounds of one proposal, whatever its statements say.
    pub(crate) fn is_bounded(&self) -> bool {
        (1..=PROPOSAL_STATEMENTS_MAX).contains(&self.statements.len()) && self.size() <= PROPOSAL_BYTES_MAX
    }

    /// Whether it changes the ledger's members.
    pub(crate) fn changes_members(&self) -> bool {
        let leaf = |statement: &StatementBytes| SignedLeaf::from_bytes(&statement.leaf);
        let only = self.statements.first().filter(|_| self.statements.len() == 1);
        only.is_some_and(|statement| leaf(statement).is_ok_and(|leaf| leaf.leaf().subject.is_members()))
    }

    /// Bytes of leaves and bodies.
    pub(crate) fn size(&self) -> usize {
        self.statements
            .iter()
            .map(|s| s.leaf.len() + s.body.as_ref().map_or(0, bytes::Bytes::len))
            .sum()
    }
}
