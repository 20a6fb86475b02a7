//! What a writer does at a node: it looks for the head of a subject, and notarizes what follows on it.

use dab_ledger::Error;
use dab_ledger::node::Node;
use dab_ledger::notary::{Notary, Outcome, Proposal, Statement};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::statement;
use dab_proof::note::SigningKey;
use dab_proof::receipt::Receipt;

/// Writes what follows on a subject, as the node itself.
pub(crate) async fn write(node: &Node, subject: &str, body: &str) -> Receipt {
    let statement = next(node, node.writer(), subject, body).await;
    notarize(node, statement).await.unwrap()
}

/// What follows on a subject, signed by `key`.
pub(crate) async fn next(node: &Node, key: &SigningKey, subject: &str, body: &str) -> Statement {
    let head = node.head(&subject.parse().unwrap()).await.unwrap();
    let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
    statement(node.origin(), key, subject, sequence, parent, body)
}

/// Notarizes one statement, for which nobody contends.
pub(crate) async fn notarize(node: &Node, statement: Statement) -> Result<Receipt, Error> {
    let statements = vec![statement];
    match node.notarize(Proposal { statements }).await? {
        Outcome::Certified(mut receipts) => Ok(receipts.remove(0)),
        Outcome::Conflict(conflict) => panic!("a conflict: {conflict:?}"),
    }
}

/// The last sequence of a subject that the node shows.
pub(crate) async fn last(node: &Node, subject: &str) -> Option<u64> {
    let head = node.head(&subject.parse().unwrap()).await.unwrap();
    head.map(|head| head.sequence)
}
