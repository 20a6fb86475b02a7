//! What clients are told.

use dab_ledger::notary::Conflict;
use dab_ledger::reader::Head;
use dab_proof::hash::Hash;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::receipt::Receipt;

use super::{Checker, Voters};
use crate::rules::{Check, Rule};

/// Names a proposal in the checker's record.
pub(crate) type ProposalId = usize;

/// A statement as it was proposed.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) subject: Subject,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) statements: Vec<Proposed>,
    /// It must never be accepted: its parent is invented, or a conflict was answered that no later leaf can undo.
    pub(super) must_fail: Option<&'static str>,
    /// It was proposed before its parent was certified: a conflict may come true later.
    runs_ahead: bool,
    pub(super) indexes: Option<Vec<u64>>,
}

impl Checker {
    /// A client proposes something for the first time.
    pub(crate) fn proposed(&mut self, statements: Vec<Proposed>, invented: bool, runs_ahead: bool) -> ProposalId {
        self.records.push(Record {
            statements,
            must_fail: invented.then_some("its parent is invented"),
            runs_ahead,
            indexes: None,
        });
        self.records.len() - 1
    }

    /// A client is told that its proposal is in the ledger.
    pub(crate) fn acknowledged(&mut self, id: ProposalId, replica: u64, receipts: &[Receipt]) -> Check {
        let statements = self.records[id].statements.clone();
        if let Some(reason) = self.records[id].must_fail {
            let what = format!("proposal {id} is accepted, although {reason}");
            self.broken(Rule::ConflictStands, what)?;
        }
        if receipts.len() != statements.len() {
            let what = format!("proposal {id} has {} receipts", receipts.len());
            return self.broken(Rule::Receipts, what);
        }
        let mut indexes = Vec::new();
        for (statement, receipt) in statements.iter().zip(receipts) {
            if let Err(error) = receipt.verify(&self.trust) {
                self.broken(Rule::Receipts, format!("that of proposal {id} does not: {error}"))?;
            }
            if receipt.leaf.hash() != statement.hash {
                self.broken(Rule::Receipts, format!("that of proposal {id} is for another leaf"))?;
            }
            self.certify(replica, &receipt.checkpoint)?;
            self.place(receipt.index.0, &receipt.leaf)?;
            self.told_of(&statement.subject, statement.sequence);
            indexes.push(receipt.index.0);
        }
        match self.records[id].indexes.replace(indexes.clone()) {
            Some(before) if before != indexes => {
                let what = format!("proposal {id} stands at {before:?} and at {indexes:?}");
                self.broken(Rule::OnePlace, what)
            }
            _ => Ok(()),
        }
    }

    /// A client is told that somebody else was first.
    pub(crate) fn conflict(&mut self, id: ProposalId, conflict: &Conflict) -> Check {
        if self.records[id].indexes.is_some() {
            let what = format!("proposal {id} is acknowledged, and then a conflict");
            self.broken(Rule::OnePlace, what)?;
        }
        let record = &mut self.records[id];
        if !record.runs_ahead {
            record.must_fail = Some("a conflict was answered");
        }
        conflict
            .head
            .map_or(Ok(()), |head| self.read(&conflict.subject, Some(head), None))
    }

    /// A client is told something else than an outcome, or than to try again.
    pub(crate) fn refused(&self, id: ProposalId, error: &dab_ledger::Error) -> Check {
        self.broken(Rule::Answers, format!("proposal {id} is answered: {error}"))
    }

    /// The sequence that a read which begins now may not fall behind.
    pub(crate) fn floor(&self, subject: &Subject) -> Option<u64> {
        match self.voters {
            Voters::Lying => None,
            _ => self.told.get(subject.as_str()).copied(),
        }
    }

    /// A reader is shown a head.
    pub(crate) fn read(&mut self, subject: &Subject, head: Option<Head>, floor: Option<u64>) -> Check {
        let sequence = head.map(|head| head.sequence);
        if sequence < floor {
            let what = format!("a read of {subject} shows {sequence:?} after {floor:?} was told");
            self.broken(Rule::ReadsNew, what)?;
        }
        let Some(head) = head else { return Ok(()) };
        let index = head.leaf_index;
        let certified = self.certified.last_key_value().map_or(0, |(size, _)| *size);
        if index.0 >= certified {
            let what = format!("a read of {subject} shows leaf {index}, of {certified} that are certified");
            self.broken(Rule::ReadsCertified, what)?;
        }
        let known = *self.leaves.entry(index.0).or_insert(head.leaf_hash);
        let place = (subject.as_str().to_owned(), head.sequence);
        let placed = *self.places.entry(place).or_insert(head.leaf_hash);
        if known != head.leaf_hash || placed != head.leaf_hash {
            let what = format!("a read of {subject} shows another leaf {index} than before");
            self.broken(Rule::OneLeaf, what)?;
        }
        self.told_of(subject, head.sequence);
        Ok(())
    }

    fn told_of(&mut self, subject: &Subject, sequence: u64) {
        let told = self.told.entry(subject.as_str().to_owned()).or_insert(sequence);
        *told = sequence.max(*told);
    }

    pub(super) fn place(&mut self, index: u64, leaf: &SignedLeaf) -> Check {
        if *self.leaves.entry(index).or_insert(leaf.hash()) != leaf.hash() {
            self.broken(Rule::OneLeaf, format!("two leaves stand at index {index}"))?;
        }
        let (subject, sequence) = (leaf.leaf().subject.as_str(), leaf.leaf().sequence);
        let placed = *self.places.entry((subject.to_owned(), sequence)).or_insert(leaf.hash());
        if placed != leaf.hash() {
            self.broken(
                Rule::OneLeaf,
                format!("{subject} has two leaves of sequence {sequence}"),
            )?;
        }
        Ok(())
    }
}
