//! A leaf that is signed here, with a key of one's own, and not by the node.

use anyhow::{Context, Result, bail};
use dab_flight::Client;
use dab_flight::receipt_metadata::BoundReceipt;
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::note::SigningKey;
use dab_proof::policy::Policy;
use dab_proof::receipt::Receipt;
use dab_proof::report::escape;
use dab_storage::foreign_data::OPERATION;

/// How often a leaf is signed anew because another one of its subject came first.
const DRAFTS_MAX: u32 = 16;

/// What is signed.
pub(super) struct Signed<'a> {
    pub(super) key: &'a SigningKey,
    /// For which ledgers: those whose logs it lists.
    pub(super) policy: &'a Policy,
    pub(super) subject: &'a Subject,
    pub(super) digest: BodyDigest,
    /// The number that it has to get; else the next, or the last where that is the same statement of this key.
    pub(super) sequence: Option<u64>,
}

/// Has the ledger take the leaf. Asking again for the same bytes gives the same leaf.
pub(super) async fn notarize(client: &Client, signed: &Signed<'_>) -> Result<BoundReceipt> {
    let mut drafted: Option<(String, u64)> = None;
    for _ in 0..DRAFTS_MAX {
        let found = client.head(signed.subject).await?;
        // the node says where the leaf is to stand, and could have one signed for a ledger that nobody has in mind
        signed.check_origin(&found.origin)?;
        let head = found.proof.map(|proof| Receipt::parse(proof.as_bytes())).transpose()?;
        if let Some(leaf) = head.as_ref().map(|head| head.leaf.leaf())
            && (leaf.origin != found.origin || leaf.subject != *signed.subject)
        {
            bail!(
                "the node answers with a leaf of {} in {}, where the last one of {} was asked for",
                leaf.subject,
                leaf.origin,
                signed.subject
            );
        }
        if let Some(head) = head.as_ref().filter(|head| signed.is_said_by(head)) {
            // the very same leaf, which the ledger knows
            return Ok(client.notarize_leaf(&head.leaf).await?);
        }
        let (sequence, parent) = match &head {
            Some(head) => (head.leaf.leaf().sequence.checked_add(1), Some(head.leaf.hash())),
            None => (Some(0), None),
        };
        let sequence = sequence.with_context(|| format!("{} has no number left", signed.subject))?;
        if let Some(wanted) = signed.sequence.filter(|wanted| *wanted != sequence) {
            bail!(
                "number {wanted} does not follow on in {}: the next one is {sequence}",
                signed.subject
            );
        }
        // each signature is given for one place: whoever answers with another past may not have two of them
        let is_next = |(origin, last): &(String, u64)| *origin == found.origin && *last < sequence;
        if drafted.as_ref().is_some_and(|drafted| !is_next(drafted)) {
            bail!("the node tells of another last leaf of {} than before", signed.subject);
        }
        drafted = Some((found.origin.clone(), sequence));
        let leaf = Leaf {
            origin: found.origin,
            subject: signed.subject.clone(),
            sequence,
            parent,
            body: signed.digest,
            files: None,
            operation: OPERATION.to_owned(),
        };
        match client.notarize_leaf(&leaf.sign(signed.key)?).await {
            // somebody else bound something meanwhile: this comes behind it
            Err(error) if error.is_conflict() && signed.sequence.is_none() => {}
            bound => return Ok(bound?),
        }
    }
    bail!("others write {} all the time: try again", signed.subject)
}

impl Signed<'_> {
    fn check_origin(&self, origin: &str) -> Result<()> {
        let trusted: Vec<_> = self.policy.logs().iter().map(|log| log.key.name()).collect();
        if trusted.contains(&origin) {
            return Ok(());
        }
        bail!(
            "the node keeps the ledger {}, and the trust directory speaks of {}: nothing was signed; --trust names another \
             directory, --data or --url another node",
            escape(origin),
            trusted.join(", ")
        )
    }

    /// Whether the subject's last leaf says the same, by the same key.
    fn is_said_by(&self, head: &Receipt) -> bool {
        let leaf = head.leaf.leaf();
        // the same key makes the same bytes of it
        let is_own = || leaf.sign(self.key).is_ok_and(|own| own == head.leaf);
        self.sequence.is_none_or(|wanted| wanted == leaf.sequence)
            && leaf.subject == *self.subject
            && leaf.body == self.digest
            && leaf.files.is_none()
            && leaf.operation == OPERATION
            && is_own()
    }
}
