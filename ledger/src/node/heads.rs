//! Heads leaves, written when somebody wants a head proof that the last one is too old for.

use dab_proof::head_proof::HeadProof;
use dab_proof::heads_leaf::HEADS_OPERATION;
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::tree::TreeSize;

use super::Node;
use crate::Error;
use crate::notary::{Notary, Outcome, Proposal, Statement};

/// How often a heads leaf is proposed when other nodes were first, or the ledger grew too fast for it.
const HEADS_TRIES_MAX: u32 = 8;

impl Node {
    /// The head proof of a subject, of a heads leaf that covers everything certified before the call. Those who ask while
    /// one is written wait and share the next, so that there is never more than one under way.
    pub(super) async fn prove_head_now(&self, subject: &Subject) -> Result<HeadProof, Error> {
        if subject.is_heads() {
            return Err(Error::refused(
                Some(subject),
                "it is not in the head map, which its leaves bind",
            ));
        }
        self.catch_up_unless_failed().await?;
        let wanted = self.shared.visible.read().certified.size;
        if !self.shared.is_covered(wanted)? {
            let _turn = self.heads_turn.lock().await;
            self.cover(wanted).await?;
        }
        self.shared.prove_head(subject)?.ok_or(Error::NoCheckpoint)
    }

    async fn cover(&self, wanted: TreeSize) -> Result<(), Error> {
        let mut tries = 0;
        while !self.shared.is_covered(wanted)? {
            tries += 1;
            let proposal = Proposal {
                statements: vec![self.heads_statement()?],
            };
            match self.notarize(proposal).await {
                Ok(_) | Err(Error::Refused { .. }) if tries < HEADS_TRIES_MAX => {}
                Ok(Outcome::Certified(_)) => {
                    let reason = format!("other heads leaves took the place of this node's, {tries} times");
                    return Err(Error::refused(Some(&Subject::heads()), reason));
                }
                Ok(Outcome::Conflict(conflict)) => {
                    let reason = format!("other nodes were first with it, {tries} times");
                    return Err(Error::refused(Some(&conflict.subject), reason));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn heads_statement(&self) -> Result<Statement, Error> {
        let (body, head) = self.shared.next_heads()?;
        let text = body.text();
        let leaf = Leaf {
            origin: body.origin,
            subject: Subject::heads(),
            sequence: head.map_or(0, |head| head.sequence + 1),
            parent: head.map(|head| head.leaf_hash),
            body: BodyDigest::of(text.as_bytes()),
            files: None,
            operation: HEADS_OPERATION.to_owned(),
        };
        Ok(Statement {
            leaf: leaf.sign(&self.writer)?,
            body: Some(text.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use dab_proof::head_map::HeadMap;
    use dab_proof::report::Verdict;

    use crate::reader::LedgerReader;
    use crate::state_machine::apply::NewLeaf;
    use crate::state_machine::heads::MapStep;
    use crate::state_machine::{Effects, StateView};
    use crate::testing::TestLedger;

    /// The check recomputes the map: a state whose root is another, as after a bad disk or a bug, is found.
    #[tokio::test]
    async fn fsck_finds_a_head_map_that_is_not_that_of_the_heads() {
        let ledger = TestLedger::start();
        let receipt = ledger.notarize("table/a", "0").await;
        let node = ledger.node();
        assert_eq!(node.fsck().unwrap().verdict(), Verdict::Valid);
        let placed = node.shared.placed(&receipt.leaf.leaf().subject, 0).unwrap().unwrap();
        let leaf = |map| NewLeaf {
            placed,
            leaf: receipt.leaf.clone(),
            body: None,
            map,
        };
        let right = node.shared.read(|_, state| state.map_at(1)).unwrap().unwrap();
        for (map, expected) in [
            (HeadMap::default(), "the root of the head map"),
            (HeadMap { subjects: 2, ..right }, "the root of the head map"),
        ] {
            let step = MapStep {
                map,
                made: Vec::new(),
                gone: Vec::new(),
                cover: None,
            };
            let effects = Effects {
                leaves: vec![leaf(step)],
                ..Effects::default()
            };
            node.shared.write(|_, state| state.insert(&effects)).unwrap();
            let report = node.fsck().unwrap();
            assert_eq!(report.verdict(), Verdict::Invalid);
            let found = report.failures.iter().any(|failure| failure.message.contains(expected));
            assert!(found, "{report}");
            // and no proof is made of it
            assert!(node.head_proof(&"table/a".parse().unwrap()).await.is_err());
        }
    }
}
