//! Heads leaves, written when somebody wants a head proof that the last one is too old for.

use std::sync::Arc;

use dab_proof::head_proof::HeadProof;
use dab_proof::heads_leaf::HEADS_OPERATION;
use dab_proof::leaf::{BodyDigest, Leaf, Subject};
use dab_proof::tree::TreeSize;

use super::Node;
use crate::Error;
use crate::notary::{Notary, Outcome, Proposal, Statement};
use crate::sequencer::panic_text;
use crate::shared::Shared;

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
        if !self.is_covered(wanted).await? {
            let _turn = self.heads_turn.lock().await;
            self.cover(wanted).await?;
        }
        self.prove_head(subject).await?.ok_or(Error::NoCheckpoint)
    }

    /// The head proof of a subject under the last certified heads leaf.
    pub(super) async fn prove_head(&self, subject: &Subject) -> Result<Option<HeadProof>, Error> {
        let subject = subject.clone();
        self.read_aside(move |shared| shared.prove_head(&subject)).await
    }

    async fn is_covered(&self, wanted: TreeSize) -> Result<bool, Error> {
        self.read_aside(move |shared| shared.is_covered(wanted)).await
    }

    /// Reads state and tiles where a slow disk keeps no other task waiting.
    async fn read_aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || read(&shared)).await;
        read.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => Err(Error::Inconsistent {
                reason: format!("reading the ledger panicked: {}", panic_text(panic.as_ref())),
            }),
            // the runtime is shutting down
            Err(_) => Err(self.shared.stopped()),
        })
    }

    async fn cover(&self, wanted: TreeSize) -> Result<(), Error> {
        let mut tries = 0;
        while !self.is_covered(wanted).await? {
            tries += 1;
            let proposal = Proposal {
                statements: vec![self.heads_statement().await?],
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

    async fn heads_statement(&self) -> Result<Statement, Error> {
        let (body, head) = self.read_aside(Shared::next_heads).await?;
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
    use std::sync::mpsc;
    use std::time::Duration;

    use dab_proof::head_map::HeadMap;
    use dab_proof::report::Verdict;

    use super::*;
    use crate::reader::LedgerReader;
    use crate::state_machine::apply::NewLeaf;
    use crate::state_machine::heads::MapStep;
    use crate::state_machine::{Effects, StateView};
    use crate::testing::TestLedger;

    /// Reading on the runtime's only thread, a head proof would wait for a writer of the state that waits for the runtime.
    #[tokio::test]
    async fn a_head_proof_that_waits_for_the_state_keeps_no_other_task_waiting() {
        let ledger = TestLedger::start();
        ledger.notarize("table/a", "0").await;
        let node = ledger.node().clone();
        let subject: Subject = "table/a".parse().unwrap();
        let proof = node.head_proof(&subject).await.unwrap();
        let (held, is_held) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let shared = Arc::clone(&node.shared);
        let holder = std::thread::spawn(move || {
            let _visible = shared.visible.write();
            held.send(()).unwrap();
            released.recv_timeout(Duration::from_secs(10)).is_ok()
        });
        is_held.recv().unwrap();
        let asked = node.clone();
        let asked = tokio::spawn(async move { asked.last_head_proof(&subject).await });
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        assert!(holder.join().unwrap(), "the runtime's thread waited");
        assert_eq!(asked.await.unwrap().unwrap().unwrap(), proof);
    }

    /// It was logged as a ledger without a checkpoint.
    #[tokio::test]
    async fn a_panic_while_reading_is_told_as_what_it_is() {
        let ledger = TestLedger::start();
        let read = ledger
            .node()
            .read_aside(|_| -> Result<(), Error> { panic!("the test's own panic") });
        let error = read.await.unwrap_err().to_string();
        assert!(error.contains("the test's own panic"), "{error}");
    }

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
