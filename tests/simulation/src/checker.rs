//! What must hold, looked at after every step.
//!
//! The checker believes no replica: it keeps its own record of every raft entry, root, certified checkpoint, cosignature
//! and answer that was ever seen, and holds what it sees now against that.

use std::collections::BTreeMap;

use dab_ledger::notary::Conflict;
use dab_ledger::reader::Head;
use dab_ledger::testing::core::Core;
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::receipt::Receipt;
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath};
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};
use dab_proof::trust::Trust;
use dab_proof::{consistency, hash};

use crate::replica::Machine;

/// Names a proposal in the checker's record.
pub(crate) type ProposalId = usize;

/// A rule was broken, in words.
pub(crate) type Check<T = ()> = Result<T, String>;

type Root = [u8; 32];

/// A statement as it was proposed.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) subject: Subject,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

#[derive(Debug)]
struct Record {
    statements: Vec<Proposed>,
    /// It must never be accepted: its parent is invented, or a conflict was answered that no later leaf can undo.
    must_fail: Option<&'static str>,
    /// It was proposed before its parent was certified: a conflict may come true later.
    runs_ahead: bool,
    indexes: Option<Vec<u64>>,
}

#[derive(Debug, Default)]
struct Seen {
    committed: u64,
    certified: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Checker {
    trust: Trust,
    /// The replica that is not bound by any rule.
    traitor: Option<u64>,
    /// Whether the raft log may differ among the honest, since a voter took back what it had promised.
    raft_is_broken: bool,
    entries: BTreeMap<(u64, u64), Root>,
    committed: BTreeMap<u64, (u64, Root)>,
    roots: BTreeMap<u64, Root>,
    pub(crate) certified: BTreeMap<u64, Root>,
    seen: BTreeMap<u64, Seen>,
    records: Vec<Record>,
    leaves: BTreeMap<u64, Hash>,
    places: BTreeMap<(String, u64), Hash>,
    /// The last sequence of each subject that somebody was told of.
    told: BTreeMap<String, u64>,
}

impl Checker {
    pub(crate) fn new(trust: Trust, traitor: Option<u64>, raft_is_broken: bool) -> Self {
        Self {
            trust,
            traitor,
            raft_is_broken,
            entries: BTreeMap::new(),
            committed: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            seen: BTreeMap::new(),
            records: Vec::new(),
            leaves: BTreeMap::new(),
            places: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// A replica starts again: everything in it is looked at again.
    pub(crate) fn restarted(&mut self, id: u64) {
        self.seen.insert(id, Seen::default());
    }

    /// Looks at a replica after a step.
    pub(crate) fn replica(&mut self, machine: &mut Machine) -> Check {
        let id = machine.id;
        let Some(core) = &mut machine.core else { return Ok(()) };
        let state = core.state();
        self.certified_of(id, core)?;
        if self.traitor == Some(id) {
            return Ok(());
        }
        if let Some((&size, root)) = machine.cosigned.last_key_value() {
            match state.signed {
                Some((signed, _)) if signed > size => {}
                Some(signed) if signed == (size, *root) => {}
                signed => {
                    return Err(format!(
                        "replica {id} has cosigned {size} leaves, and remembers {signed:?}"
                    ));
                }
            }
        }
        if let Some((size, root)) = state.signed
            && machine.cosigned.get(&size).is_some_and(|cosigned| *cosigned != root)
        {
            return Err(format!("replica {id} signs two roots for {size} leaves"));
        }
        if self.raft_is_broken {
            return Ok(());
        }
        let seen = self.seen.entry(id).or_default();
        // what a log gives up within one step is not seen at this replica
        seen.committed = seen.committed.max(state.raft_base);
        let mut index = seen.committed + 1;
        while let Some((term, digest)) = core.raft_entry(index) {
            let known = *self.entries.entry((index, term)).or_insert(digest);
            if known != digest {
                return Err(format!(
                    "raft entry {index} of term {term} has two contents, one at replica {id}"
                ));
            }
            if index <= state.raft_committed {
                let known = *self.committed.entry(index).or_insert((term, digest));
                if known != (term, digest) {
                    return Err(format!(
                        "raft entry {index} is committed twice, differently, at replica {id}"
                    ));
                }
                seen.committed = index;
            }
            index += 1;
        }
        if seen.committed < state.raft_committed {
            let (held, committed) = (index - 1, state.raft_committed);
            return Err(format!(
                "replica {id} has {committed} committed and holds entries to {held}"
            ));
        }
        let (size, root) = state.tree;
        one_root(&mut self.roots, size, root, "trees", id)
    }

    fn certified_of(&mut self, id: u64, core: &Core) -> Check {
        let Some(checkpoint) = core.checkpoint() else {
            return Ok(());
        };
        let size = checkpoint.checkpoint().size.0;
        let seen = self.seen.entry(id).or_default();
        if seen.certified.is_some_and(|before| before > size) {
            return Err(format!("replica {id} shows {size} certified leaves after more"));
        }
        if seen.certified.replace(size) == Some(size) {
            return Ok(());
        }
        // the checkpoint of a traitor counts too: nobody can make one alone
        self.certify(id, &checkpoint)?;
        let before = self.certified.range(..size).next_back();
        let Some((&older, root)) = before.filter(|_| self.traitor != Some(id)) else {
            return Ok(());
        };
        let files = core.files();
        let (older, newer) = (TreeSize(older), TreeSize(size));
        let mut node = |level, at| tile::hash_from_tiles(files, newer, level, at);
        let proof = consistency::prove(older, newer, &mut node).map_err(|error| format!("replica {id}: {error}"))?;
        let roots = (Hash::from_bytes(*root), checkpoint.checkpoint().root);
        consistency::verify(older, &roots.0, newer, &roots.1, &proof).map_err(|error| {
            format!("certified {newer} leaves do not extend certified {older}, at replica {id}: {error}")
        })
    }

    fn certify(&mut self, id: u64, checkpoint: &SignedCheckpoint) -> Check {
        let head = checkpoint.checkpoint();
        self.trust
            .policy
            .verify(checkpoint)
            .map_err(|error| format!("replica {id} shows a checkpoint that is not certified: {error}"))?;
        one_root(
            &mut self.certified,
            head.size.0,
            *head.root.as_bytes(),
            "certified checkpoints",
            id,
        )
    }

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
            return Err(format!("proposal {id} is accepted, although {reason}"));
        }
        if receipts.len() != statements.len() {
            return Err(format!("proposal {id} has {} receipts", receipts.len()));
        }
        let mut indexes = Vec::new();
        for (statement, receipt) in statements.iter().zip(receipts) {
            let verified = receipt.verify(&self.trust);
            verified.map_err(|error| format!("the receipt of proposal {id} does not verify: {error}"))?;
            if receipt.leaf.hash() != statement.hash {
                return Err(format!("the receipt of proposal {id} is for another leaf"));
            }
            self.certify(replica, &receipt.checkpoint)?;
            self.place(receipt.index.0, &receipt.leaf)?;
            self.told_of(&statement.subject, statement.sequence);
            indexes.push(receipt.index.0);
        }
        match self.records[id].indexes.replace(indexes.clone()) {
            Some(before) if before != indexes => Err(format!("proposal {id} stands at {before:?} and at {indexes:?}")),
            _ => Ok(()),
        }
    }

    /// A client is told that somebody else was first.
    pub(crate) fn conflict(&mut self, id: ProposalId, conflict: &Conflict) -> Check {
        let record = &mut self.records[id];
        if record.indexes.is_some() {
            return Err(format!("proposal {id} is acknowledged, and then a conflict"));
        }
        if !record.runs_ahead {
            record.must_fail = Some("a conflict was answered");
        }
        conflict
            .head
            .map_or(Ok(()), |head| self.read(&conflict.subject, Some(head), None))
    }

    /// The sequence that a read which begins now may not fall behind.
    pub(crate) fn floor(&self, subject: &Subject) -> Option<u64> {
        self.told.get(subject.as_str()).copied()
    }

    /// A reader is shown a head.
    pub(crate) fn read(&mut self, subject: &Subject, head: Option<Head>, floor: Option<u64>) -> Check {
        let sequence = head.map(|head| head.sequence);
        if sequence < floor {
            return Err(format!(
                "a read of {subject} shows {sequence:?} after {floor:?} was told"
            ));
        }
        let Some(head) = head else { return Ok(()) };
        let known = *self.leaves.entry(head.leaf_index.0).or_insert(head.leaf_hash);
        let place = (subject.as_str().to_owned(), head.sequence);
        let placed = *self.places.entry(place).or_insert(head.leaf_hash);
        if known != head.leaf_hash || placed != head.leaf_hash {
            return Err(format!(
                "a read of {subject} shows another leaf {} than before",
                head.leaf_index
            ));
        }
        self.told_of(subject, head.sequence);
        Ok(())
    }

    fn told_of(&mut self, subject: &Subject, sequence: u64) {
        let told = self.told.entry(subject.as_str().to_owned()).or_insert(sequence);
        *told = sequence.max(*told);
    }

    fn place(&mut self, index: u64, leaf: &SignedLeaf) -> Check {
        if *self.leaves.entry(index).or_insert(leaf.hash()) != leaf.hash() {
            return Err(format!("two leaves stand at index {index}"));
        }
        let (subject, sequence) = (leaf.leaf().subject.as_str(), leaf.leaf().sequence);
        if *self.places.entry((subject.to_owned(), sequence)).or_insert(leaf.hash()) != leaf.hash() {
            return Err(format!("{subject} has two leaves of sequence {sequence}"));
        }
        Ok(())
    }

    /// Looks at a replica's whole tree, once everything has settled. Gives its leaves.
    pub(crate) fn whole_tree(&mut self, id: u64, core: &mut Core) -> Check<u64> {
        let at = |error: dab_proof::Error| format!("the tree of replica {id}: {error}");
        let state = core.state();
        let Some(checkpoint) = core.checkpoint() else {
            return Err(format!("replica {id} has no certified checkpoint"));
        };
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        if (size.0, *root.as_bytes()) != state.tree {
            return Err(format!(
                "replica {id} has {} leaves, of which {size} are certified",
                state.tree.0
            ));
        }
        let leaves = leaves(core.files(), size).map_err(at)?;
        let mut tree = Frontier::new();
        let mut found: BTreeMap<Hash, u64> = BTreeMap::new();
        let mut heads: BTreeMap<String, (u64, Hash)> = BTreeMap::new();
        for (index, leaf) in (0..).zip(&leaves) {
            tree.push(hash::leaf_hash(leaf.bytes()));
            self.place(index, leaf)?;
            let text = leaf.leaf();
            if let Some(before) = found.insert(leaf.hash(), index) {
                return Err(format!("one leaf stands at {before} and at {index}"));
            }
            let before = heads.insert(text.subject.as_str().to_owned(), (text.sequence, leaf.hash()));
            let expected = before.map_or((0, None), |(sequence, hash)| (sequence + 1, Some(hash)));
            if (text.sequence, text.parent) != expected {
                return Err(format!("leaf {index} of replica {id} does not follow its parent"));
            }
        }
        if tree.root() != root {
            return Err(format!("the leaves of replica {id} do not make its root"));
        }
        for (proposal, record) in self.records.iter().enumerate() {
            let indexes: Vec<Option<u64>> = record
                .statements
                .iter()
                .map(|statement| found.get(&statement.hash).copied())
                .collect();
            let there = indexes.iter().flatten().count();
            let acknowledged = record.indexes.as_ref();
            if acknowledged.is_some_and(|acknowledged| indexes.iter().flatten().ne(acknowledged)) {
                return Err(format!(
                    "proposal {proposal} is acknowledged, and not in the tree of replica {id}"
                ));
            }
            if there > 0 && there < indexes.len() {
                return Err(format!("proposal {proposal} is in the tree of replica {id} in part"));
            }
            if let Some(reason) = record.must_fail.filter(|_| there > 0) {
                return Err(format!(
                    "proposal {proposal} is in the tree of replica {id}, although {reason}"
                ));
            }
        }
        Ok(size.0)
    }
}

fn one_root(roots: &mut BTreeMap<u64, Root>, size: u64, root: Root, what: &str, id: u64) -> Check {
    match *roots.entry(size).or_insert(root) == root {
        true => Ok(()),
        false => Err(format!(
            "two {what} of {size} leaves have different roots, one at replica {id}"
        )),
    }
}

fn leaves(files: &dyn Source, size: TreeSize) -> Result<Vec<SignedLeaf>, dab_proof::Error> {
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < size.0 {
        let path = BundlePath::holding(LeafIndex(leaves.len() as u64), size)?;
        for entry in tile::read_bundle(files, path)? {
            leaves.push(SignedLeaf::from_bytes(&entry)?);
        }
    }
    Ok(leaves)
}
