//! What stands in the trees when everything has settled.

use std::collections::BTreeMap;

use dab_ledger::testing::core::Core;
use dab_proof::hash::{self, Hash};
use dab_proof::leaf::SignedLeaf;
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath};
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};

use super::{Checker, Root};
use crate::rules::{Check, Rule};

/// The leaves of one replica.
#[derive(Debug)]
pub(crate) struct Tree {
    leaves: Vec<SignedLeaf>,
    /// Where each stands.
    found: BTreeMap<Hash, u64>,
}

impl Checker {
    /// Looks at every certified leaf of a replica. Gives the replica's own tree, certified or not.
    pub(crate) fn whole_tree(&mut self, id: u64, core: &mut Core) -> Check<Tree> {
        let own = core.state().tree.0;
        let head = core.checkpoint().map(|checkpoint| checkpoint.checkpoint().clone());
        let certified = head.as_ref().map_or(0, |head| head.size.0);
        let leaves = match leaves(core.files(), TreeSize(own)) {
            Ok(leaves) => leaves,
            Err(error) => {
                self.broken(Rule::NeverForks, format!("the tree of replica {id}: {error}"))?;
                Vec::new()
            }
        };
        let mut tree = Frontier::new();
        let mut found = BTreeMap::new();
        let mut heads: BTreeMap<String, (u64, Hash)> = BTreeMap::new();
        for (index, leaf) in (0..certified).zip(&leaves) {
            tree.push(hash::leaf_hash(leaf.bytes()));
            self.place(index, leaf)?;
            let text = leaf.leaf();
            if let Some(before) = found.insert(leaf.hash(), index) {
                let what = format!("one leaf stands at {before} and at {index}");
                self.broken(Rule::OnePlace, what)?;
            }
            let before = heads.insert(text.subject.as_str().to_owned(), (text.sequence, leaf.hash()));
            let expected = before.map_or((0, None), |(sequence, hash)| (sequence + 1, Some(hash)));
            if (text.sequence, text.parent) != expected {
                let what = format!("leaf {index} of replica {id} does not follow its parent");
                self.broken(Rule::OneLeaf, what)?;
            }
        }
        if head.is_some_and(|head| tree.root() != head.root) {
            let what = format!("the leaves of replica {id} do not make its certified root");
            self.broken(Rule::NeverForks, what)?;
        }
        self.proposals_in(id, &found, certified)?;
        found.extend(
            (0..)
                .zip(&leaves)
                .skip(found.len())
                .map(|(index, leaf)| (leaf.hash(), index)),
        );
        Ok(Tree { leaves, found })
    }

    /// Holds what clients were told against the certified leaves of a replica.
    fn proposals_in(&self, id: u64, found: &BTreeMap<Hash, u64>, certified: u64) -> Check {
        for (proposal, record) in self.records.iter().enumerate() {
            let hashes = record.statements.iter().map(|statement| &statement.hash);
            let indexes: Vec<u64> = hashes.filter_map(|hash| found.get(hash).copied()).collect();
            if let Some(acknowledged) = &record.indexes
                && acknowledged.iter().all(|index| *index < certified)
                && *acknowledged != indexes
            {
                let what = format!("proposal {proposal} was, and is not in the certified tree of replica {id}");
                self.broken(Rule::Acknowledged, what)?;
            }
            if !indexes.is_empty() && indexes.len() < record.statements.len() {
                let what = format!("proposal {proposal} is in the tree of replica {id} in part");
                self.broken(Rule::Whole, what)?;
            }
            if let Some(reason) = record.must_fail.filter(|_| !indexes.is_empty()) {
                let what = format!("proposal {proposal} is in the tree of replica {id}, although {reason}");
                self.broken(Rule::ConflictStands, what)?;
            }
        }
        Ok(())
    }

    /// Whether at least `holders` of these trees hold whatever was acknowledged, where it was.
    pub(crate) fn nothing_lost(&self, trees: &[Tree], holders: usize) -> Check {
        for (proposal, record) in self.records.iter().enumerate() {
            let Some(indexes) = &record.indexes else { continue };
            for (statement, index) in record.statements.iter().zip(indexes) {
                let holds = |tree: &&Tree| tree.found.get(&statement.hash) == Some(index);
                let held = trees.iter().filter(holds).count();
                if held < holders {
                    let what = format!("proposal {proposal} was, and {held} replicas hold it");
                    self.broken(Rule::Acknowledged, what)?;
                }
            }
        }
        Ok(())
    }

    /// A replica that runs on holds no other tree than the certified ones that it was shown.
    pub(crate) fn is_not_forked(&self, id: u64, tree: &Tree, shown: &BTreeMap<u64, Root>) -> Check {
        let mut own = Frontier::new();
        for (size, leaf) in (1..).zip(&tree.leaves) {
            own.push(hash::leaf_hash(leaf.bytes()));
            if shown.get(&size).is_some_and(|root| root != own.root().as_bytes()) {
                let what = format!("replica {id} was shown another tree of {size} leaves, certified, and runs on");
                return self.broken(Rule::Forked, what);
            }
        }
        Ok(())
    }
}

/// The first `size` leaves, from public files.
pub(crate) fn leaves(files: &dyn Source, size: TreeSize) -> Result<Vec<SignedLeaf>, dab_proof::Error> {
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < size.0 {
        let path = BundlePath::holding(LeafIndex(leaves.len() as u64), size)?;
        for entry in tile::read_bundle(files, path)? {
            leaves.push(SignedLeaf::from_bytes(&entry)?);
        }
    }
    Ok(leaves)
}
