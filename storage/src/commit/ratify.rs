//! Has the ledger take a commit, alone or together with the catalog record that names its table.

use bytes::Bytes;
use dab_ledger::notary::{Once, Outcome, Proposal, Statement};
use dab_proof::hash::Hash;
use dab_proof::leaf::{BodyDigest, FilesRoot, Leaf, Subject};
use dab_proof::receipt::Receipt;

use crate::Error;
use crate::lake::Ledger;

/// How often the same statements are proposed while the ledger cannot say what became of them.
const PROPOSALS_MAX: u32 = 3;

/// What the ledger decided.
#[derive(Debug)]
pub(crate) enum Ratified {
    /// It took every statement; the receipts are in their order.
    Certified(Vec<Receipt>),
    /// Another statement stands where this subject's should.
    Conflict(Subject),
}

/// One statement to be, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) subject: Subject,
    pub(crate) sequence: u64,
    pub(crate) parent: Option<Hash>,
    pub(crate) digest: BodyDigest,
    pub(crate) files: Option<FilesRoot>,
    pub(crate) operation: String,
    /// The body to keep as private replicated state.
    pub(crate) body: Option<Bytes>,
}

/// Signs the drafts and proposes them as one: the ledger takes all or none. Where they carry out a request that was carried
/// out before it takes none: [`Error::CarriedOut`].
pub(crate) async fn ratify(ledger: &Ledger, drafts: Vec<Draft>, once: Option<Once>) -> Result<Ratified, Error> {
    let statements = drafts
        .into_iter()
        .map(|draft| sign(ledger, draft))
        .collect::<Result<_, _>>()?;
    propose(ledger, Proposal { statements }, once).await
}

/// Proposes what is signed already, again where the ledger cannot say what became of it.
pub(crate) async fn propose(ledger: &Ledger, proposal: Proposal, once: Option<Once>) -> Result<Ratified, Error> {
    let mut asked = 0;
    loop {
        asked += 1;
        let outcome = match once {
            None => ledger.notary.notarize(proposal.clone()).await,
            Some(once) => ledger.notary.notarize_once(proposal.clone(), once).await,
        };
        match outcome {
            Ok(Outcome::Certified(receipts)) => return Ok(Ratified::Certified(receipts)),
            Ok(Outcome::Conflict(conflict)) => return Ok(Ratified::Conflict(conflict.subject)),
            // The same statements again get the receipts of the first time, if there was one.
            Err(dab_ledger::Error::OutcomeUnknown) if asked < PROPOSALS_MAX => {}
            // Nothing new can be learned before more cosigners answer, and that may take long.
            Err(
                error @ (dab_ledger::Error::OutcomeUnknown
                | dab_ledger::Error::Sequenced { .. }
                | dab_ledger::Error::Stopped { .. }),
            ) => return Err(Error::OutcomeUnknown(error)),
            // These decide it: had the first answer been of a proposal that stands, this one would have found it.
            Err(error @ (dab_ledger::Error::CarriedOut { .. } | dab_ledger::Error::OtherStatement { .. })) => {
                return Err(error.into());
            }
            // What the first answer left open, no refusal of a later one decides.
            Err(error) if asked > 1 => return Err(Error::OutcomeUnknown(error)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn sign(ledger: &Ledger, draft: Draft) -> Result<Statement, Error> {
    let leaf = Leaf {
        origin: ledger.reader.origin().to_owned(),
        subject: draft.subject,
        sequence: draft.sequence,
        parent: draft.parent,
        body: draft.digest,
        files: draft.files,
        operation: draft.operation,
    };
    Ok(Statement {
        leaf: leaf.sign(&ledger.writer)?,
        body: draft.body,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use dab_ledger::notary::Notary;
    use dab_ledger::testing::TestLedger;
    use parking_lot::Mutex;

    use super::*;

    /// Answers what it was told to, in turn.
    struct Scripted(Mutex<Vec<dab_ledger::Error>>);

    #[async_trait]
    impl Notary for Scripted {
        async fn notarize(&self, _: Proposal) -> Result<Outcome, dab_ledger::Error> {
            Err(self.0.lock().remove(0))
        }

        async fn notarize_once(&self, proposal: Proposal, _: Once) -> Result<Outcome, dab_ledger::Error> {
            self.notarize(proposal).await
        }
    }

    async fn answered(answers: Vec<dab_ledger::Error>) -> Error {
        let test = TestLedger::start();
        let ledger = Ledger {
            notary: Arc::new(Scripted(Mutex::new(answers))),
            reader: test.node().clone(),
            writer: Arc::new(test.node().writer().clone()),
        };
        let draft = Draft {
            subject: Subject::catalog(),
            sequence: 0,
            parent: None,
            digest: BodyDigest::of(b"x"),
            files: None,
            operation: "CREATE TABLE".into(),
            body: None,
        };
        match ratify(&ledger, vec![draft], None).await {
            Err(error) => error,
            Ok(_) => panic!("an error was scripted"),
        }
    }

    /// The first proposal may stand. A client that hears "busy" instead sends its rows again.
    #[tokio::test]
    async fn a_refusal_of_the_second_try_does_not_decide_what_the_first_left_open() {
        use dab_ledger::Error::{Busy, OutcomeUnknown, Sequenced};
        let decided = answered(vec![Busy { waiting: 1 }]).await;
        assert!(!matches!(decided, Error::OutcomeUnknown(_)), "{decided}");
        let open = answered(vec![OutcomeUnknown, Busy { waiting: 1 }]).await;
        assert!(matches!(open, Error::OutcomeUnknown(_)), "{open}");
        let sequenced = answered(vec![OutcomeUnknown, Sequenced { leaf_index: 7 }]).await;
        assert!(
            matches!(sequenced, Error::OutcomeUnknown(Sequenced { leaf_index: 7 })),
            "{sequenced}"
        );
    }
}
