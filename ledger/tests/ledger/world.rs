//! Checks the whole world after a step: nothing acknowledged is lost, nothing is doubled, and an auditor agrees.

use dab_ledger::notary::Statement;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_proof::receipt::Receipt;
use dab_proof::report::Verdict;
use dab_proof::tree::LeafIndex;

use crate::writing::notarize;

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) statement: Statement,
    pub(crate) receipt: Receipt,
}

/// Notarizes the next statement on a subject and remembers the answer.
pub(crate) async fn acknowledge(ledger: &TestLedger, subject: &str, body: &str) -> Acknowledged {
    let statement = ledger.next(subject, body).await;
    let receipt = notarize_again(ledger, &statement).await;
    Acknowledged { statement, receipt }
}

/// Proposes a statement, new or not, which must be certified.
pub(crate) async fn notarize_again(ledger: &TestLedger, statement: &Statement) -> Receipt {
    notarize(ledger.node(), statement.clone()).await.unwrap()
}

/// Every acknowledged leaf stands where its receipt says, a retry finds it there, there is nothing else, and a full
/// audit with a comparison of the private state holds.
pub(crate) async fn check(ledger: &TestLedger, acknowledged: &[Acknowledged]) {
    let node = ledger.node();
    let size = node.certified().await.size;
    assert_eq!(size.0, acknowledged.len() as u64, "leaves in the tree");
    for told in acknowledged {
        told.receipt.verify(&node.trust()).unwrap();
        let leaf = told.statement.leaf.leaf();
        let found = node
            .notarized(&leaf.subject, leaf.sequence)
            .await
            .unwrap()
            .expect("an acknowledged leaf");
        assert_eq!(
            (found.leaf_index, &found.leaf),
            (told.receipt.index, &told.receipt.leaf)
        );
        let again = notarize_again(ledger, &told.statement).await;
        assert_eq!(again.index, told.receipt.index, "a retry got another leaf");
        again.verify(&node.trust()).unwrap();
    }
    assert_eq!(node.certified().await.size, size, "a retry appended a leaf");
    let leaves = node.leaves(LeafIndex(0), usize::MAX).await.unwrap();
    assert_eq!(leaves.len(), acknowledged.len());
    let report = node.fsck().unwrap();
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let issued = node.checkpoints().await;
    assert!(issued.is_sorted_by(|a, b| a.size < b.size), "{issued:?}");
    assert_eq!(issued.last().unwrap().size, size);
}
