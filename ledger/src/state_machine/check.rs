//! Whether a proposal is well formed: everything that can be judged without knowing the heads.

use std::collections::BTreeSet;

use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::writers::Writers;

use super::entry::ProposalBytes;
use super::heads::read_body;
use super::members::read_epoch;
use super::requests::read_once;
use crate::checked::CheckedLeaves;
use crate::notary::{BODY_BYTES_MAX, PROPOSAL_BYTES_MAX, PROPOSAL_STATEMENTS_MAX};

/// Why a proposal is refused: the subject at fault, where one can be named, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) subject: Option<Subject>,
    pub(crate) reason: String,
}

/// Checks a proposal against the rules that hold for every ledger and every head; gives its leaves.
///
/// Runs twice on the same bytes: before they are proposed, so that nothing malformed enters the raft log, and when they
/// are applied, because another replica may have proposed them. `checked` knows the signatures that were good before.
pub(crate) fn check(
    proposal: &ProposalBytes,
    origin: &str,
    writers: &Writers,
    checked: &CheckedLeaves,
) -> Result<Vec<SignedLeaf>, Refusal> {
    let whole = |reason: String| Refusal { subject: None, reason };
    let count = proposal.statements.len();
    if count == 0 || count > PROPOSAL_STATEMENTS_MAX {
        return Err(whole(format!(
            "a proposal has 1 to {PROPOSAL_STATEMENTS_MAX} statements, not {count}"
        )));
    }
    if proposal.size() > PROPOSAL_BYTES_MAX {
        return Err(whole(format!(
            "a proposal has at most {PROPOSAL_BYTES_MAX} bytes, not {}",
            proposal.size()
        )));
    }
    read_once(proposal)?;
    let mut subjects = BTreeSet::new();
    let mut leaves = Vec::with_capacity(count);
    for statement in &proposal.statements {
        let signed = SignedLeaf::from_bytes(&statement.leaf).map_err(|error| whole(error.to_string()))?;
        let leaf = signed.leaf();
        let refusal = |reason: String| Refusal {
            subject: Some(leaf.subject.clone()),
            reason,
        };
        if leaf.origin != origin {
            return Err(refusal(format!(
                "its origin is {}, this ledger's is {origin}",
                leaf.origin
            )));
        }
        // it has no place yet, so whoever signed it has to be one who may write now
        checked
            .verify(&signed, writers)
            .map_err(|error| refusal(error.to_string()))?;
        if let Some(body) = &statement.body {
            if body.len() > BODY_BYTES_MAX {
                return Err(refusal(format!(
                    "its body has {} bytes, the limit is {BODY_BYTES_MAX}",
                    body.len()
                )));
            }
            if !leaf.body.matches(body) {
                return Err(refusal("its body does not match the digest in the leaf".to_owned()));
            }
        }
        if leaf.subject.is_heads() {
            // so that it stands right behind the leaves that its place in the ledger is judged by
            if count > 1 {
                return Err(refusal("a heads leaf is proposed alone".to_owned()));
            }
            read_body(&signed, statement.body.as_ref()).map_err(|error| refusal(error.to_string()))?;
        }
        if leaf.subject.is_members() {
            // what comes with it would be judged by who wrote before, and certified by who certified before
            if count > 1 {
                return Err(refusal("a change of the members is proposed alone".to_owned()));
            }
            read_epoch(&signed, statement.body.as_ref()).map_err(refusal)?;
        }
        if !subjects.insert(leaf.subject.as_str().to_owned()) {
            return Err(refusal("the proposal has two statements on this subject".to_owned()));
        }
        leaves.push(signed);
    }
    Ok(leaves)
}
