//! Data that is not DAB's: other programs have its digests bound, under subjects `digest/<name>` of their choice.
//!
//! The ledger keeps the digests alone. What a leaf says is that somebody who may write here knew bytes with these digests
//! before the leaf was certified; where the bytes are, and that they are kept, is their owner's business.

use dab_ledger::notary::{Once, Proposal, Statement};
use dab_ledger::reader::Head;
use dab_proof::leaf::{BodyDigest, Leaf, SignedLeaf, Subject};
use dab_proof::receipt::Receipt;
use dab_proof::tree::LeafIndex;

use crate::Error;
use crate::commit::ratify::{Draft, Ratified, propose, ratify};
use crate::lake::Ledger;

/// The operation that these leaves name, where the node's own writer signs them.
pub const OPERATION: &str = "NOTARIZE";

/// How often a statement is drafted anew because another one of its subject came first.
const DRAFTS_MAX: u32 = 16;

/// Digests to be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignData {
    /// `digest/<name>`.
    pub subject: Subject,
    /// What the data hashes to.
    pub digest: BodyDigest,
    /// The sequence that the leaf has to get; `None` for the next one, or the last if that binds the same digests.
    pub sequence: Option<u64>,
    /// The request that it carries out, where its client may repeat it.
    pub once: Option<Once>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Bound {
    /// The ledger has it.
    Certified(Box<Receipt>),
    /// Another leaf stands where this one should. The subject's head, if it has one.
    Conflict(Option<Head>),
}

/// Checks that a subject is one of those that are bound from outside.
///
/// # Errors
///
/// [`Error::NotForeign`].
pub fn check_subject(subject: &Subject) -> Result<(), Error> {
    match subject.digest_name() {
        Some(_) => Ok(()),
        None => Err(Error::NotForeign {
            subject: subject.clone(),
        }),
    }
}

/// Binds digests; this node's writer signs. Asking again changes nothing: a head that binds these digests already is
/// answered with, and so is the leaf at the sequence asked for. A request with a name of its own gets a leaf of its own, once.
///
/// # Errors
///
/// [`Error::NotForeign`], [`Error::OutcomeUnknown`], and those of the ledger.
pub async fn bind(ledger: &Ledger, data: &ForeignData) -> Result<Bound, Error> {
    check_subject(&data.subject)?;
    if let Some(receipt) = carried_out(ledger, data.once.as_ref()).await? {
        return Ok(Bound::Certified(Box::new(receipt)));
    }
    for _ in 0..DRAFTS_MAX {
        let head = ledger.reader.head(&data.subject).await?;
        if data.sequence.is_none()
            && data.once.is_none()
            && let Some(receipt) = receipt_of_head(ledger, data, head).await?
        {
            return Ok(Bound::Certified(Box::new(receipt)));
        }
        let Some((sequence, parent)) = place(ledger, data, head).await? else {
            return Ok(Bound::Conflict(head));
        };
        let draft = Draft {
            subject: data.subject.clone(),
            sequence,
            parent,
            digest: data.digest,
            files: None,
            operation: OPERATION.to_owned(),
            body: None,
        };
        let ratified = match ratify(ledger, vec![draft], data.once).await {
            Err(Error::CarriedOut { leaf_indexes }) => return first_of(ledger, &leaf_indexes).await,
            ratified => ratified?,
        };
        match (ratified, data.sequence) {
            (Ratified::Certified(receipts), _) => return Ok(certified(receipts)),
            (Ratified::Conflict(subject), Some(_)) => return conflict(ledger, &subject).await,
            // somebody else bound something meanwhile: this comes behind it
            (Ratified::Conflict(_), None) => {}
        }
    }
    conflict(ledger, &data.subject).await
}

/// Has a leaf taken that its own writer has signed, one of those that `trust/writers` lists.
///
/// # Errors
///
/// As [`bind`]; [`dab_ledger::Error::Refused`] for a writer who may not.
pub async fn bind_signed(ledger: &Ledger, leaf: SignedLeaf, once: Option<Once>) -> Result<Bound, Error> {
    let subject = leaf.leaf().subject.clone();
    check_subject(&subject)?;
    if let Some(receipt) = carried_out(ledger, once.as_ref()).await? {
        return Ok(Bound::Certified(Box::new(receipt)));
    }
    let statements = vec![Statement { leaf, body: None }];
    match propose(ledger, Proposal { statements }, once).await {
        Ok(Ratified::Certified(receipts)) => Ok(certified(receipts)),
        Ok(Ratified::Conflict(_)) => conflict(ledger, &subject).await,
        Err(Error::CarriedOut { leaf_indexes }) => first_of(ledger, &leaf_indexes).await,
        Err(error) => Err(error),
    }
}

async fn carried_out(ledger: &Ledger, once: Option<&Once>) -> Result<Option<Receipt>, Error> {
    let Some(once) = once else {
        return Ok(None);
    };
    match ledger
        .reader
        .carried_out(once)
        .await?
        .and_then(|leaves| leaves.first().copied())
    {
        Some(leaf) => Ok(Some(ledger.reader.receipt(leaf).await?)),
        None => Ok(None),
    }
}

async fn first_of(ledger: &Ledger, leaf_indexes: &[u64]) -> Result<Bound, Error> {
    let first = LeafIndex(leaf_indexes.first().copied().unwrap_or_default());
    Ok(Bound::Certified(Box::new(ledger.reader.receipt(first).await?)))
}

/// The receipt of the subject's head, if that binds these digests.
async fn receipt_of_head(ledger: &Ledger, data: &ForeignData, head: Option<Head>) -> Result<Option<Receipt>, Error> {
    let Some(head) = head else {
        return Ok(None);
    };
    let found = ledger.reader.notarized(&data.subject, head.sequence).await?;
    match found.is_some_and(|found| binds(found.leaf.leaf(), data)) {
        true => Ok(Some(ledger.reader.receipt(head.leaf_index).await?)),
        false => Ok(None),
    }
}

fn binds(leaf: &Leaf, data: &ForeignData) -> bool {
    leaf.body == data.digest && leaf.files.is_none() && leaf.operation == OPERATION
}

/// Sequence and parent of the leaf to be; `None` where the sequence asked for leaves a gap.
async fn place(
    ledger: &Ledger,
    data: &ForeignData,
    head: Option<Head>,
) -> Result<Option<(u64, Option<dab_proof::hash::Hash>)>, Error> {
    let next = head.map_or(Some(0), |head| head.sequence.checked_add(1));
    let parent = head.map(|head| head.leaf_hash);
    let Some(wanted) = data.sequence.filter(|wanted| Some(*wanted) != next) else {
        return Ok(next.map(|next| (next, parent)));
    };
    // one that stands already: the same statement has to name the same parent
    match (wanted.checked_sub(1), next.is_none_or(|next| wanted < next)) {
        (_, false) => Ok(None),
        (None, true) => Ok(Some((0, None))),
        (Some(before), true) => {
            let before = ledger.reader.notarized(&data.subject, before).await?;
            Ok(before.map(|before| (wanted, Some(before.leaf.hash()))))
        }
    }
}

fn certified(receipts: Vec<Receipt>) -> Bound {
    let receipt = receipts.into_iter().next().expect("one receipt per statement");
    Bound::Certified(Box::new(receipt))
}

async fn conflict(ledger: &Ledger, subject: &Subject) -> Result<Bound, Error> {
    Ok(Bound::Conflict(ledger.reader.head(subject).await?))
}

#[cfg(test)]
mod tests;
