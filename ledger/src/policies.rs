//! Whose cosignatures certify which size of the tree.
//!
//! The leaf that changes the members is the last that the old ones certify ([`dab_proof::epoch`]). Until they have, nothing
//! larger is cosigned or certified here. So whoever sees a checkpoint of the new quorum knows that the old one has agreed to
//! be succeeded by it, as long as one honest replica is in the new one.

use dab_proof::note::VerifierKey;
use dab_proof::policy::Policy;
use dab_proof::tree::TreeSize;

/// The policies of a ledger, by the sizes that they certify.
#[derive(Debug)]
pub(crate) struct Policies {
    /// Those that have been succeeded, each with the last size that it certifies; in their order.
    ended: Vec<(TreeSize, Policy)>,
    last: Policy,
    /// How many of the ended ones have certified their last size, durably.
    certified: usize,
}

impl Policies {
    pub(crate) fn new(first: Policy) -> Self {
        Self {
            ended: Vec::new(),
            last: first,
            certified: 0,
        }
    }

    /// The tree has grown to the last size of the policy that was the last: `next` certifies what comes after it.
    pub(crate) fn begin(&mut self, last_size: TreeSize, next: Policy) {
        let before = std::mem::replace(&mut self.last, next);
        self.ended.push((last_size, before));
    }

    /// The first `changes` changes are certified, durably.
    pub(crate) fn settle(&mut self, changes: usize) {
        self.certified = self.certified.max(changes.min(self.ended.len()));
    }

    /// The policy that certifies trees of this size.
    pub(crate) fn at(&self, size: TreeSize) -> &Policy {
        let ended = self.ended.iter().find(|(last, _)| *last >= size);
        ended.map_or(&self.last, |(_, policy)| policy)
    }

    /// The last size that may be cosigned now; `None` where every size may.
    pub(crate) fn bound(&self) -> Option<TreeSize> {
        self.ended.get(self.certified).map(|(last, _)| *last)
    }

    /// Last sizes of policies that are yet to be certified, below a size.
    pub(crate) fn bounds_below(&self, size: TreeSize) -> Vec<TreeSize> {
        let pending = self.ended.iter().skip(self.certified).map(|(last, _)| *last);
        pending.filter(|last| *last < size).collect()
    }

    /// Whether a policy certifies this size last.
    pub(crate) fn ends_at(&self, size: TreeSize) -> bool {
        self.ended.iter().any(|(last, _)| *last == size)
    }

    /// Whether a size may be cosigned now.
    pub(crate) fn allows(&self, size: TreeSize) -> bool {
        self.bound().is_none_or(|bound| size <= bound)
    }

    /// Whether the policy for this size lists a cosigner.
    pub(crate) fn lists(&self, size: TreeSize, cosigner: &VerifierKey) -> bool {
        self.at(size).witnesses().iter().any(|witness| witness.key == *cosigner)
    }
}

#[cfg(test)]
mod tests {
    use dab_proof::testing::TinyLedger;

    use super::*;

    #[test]
    fn each_size_has_one_policy_and_none_is_passed_over() {
        let policy = |cosigners| TinyLedger::with_cosigners(cosigners).trust().policy;
        let mut policies = Policies::new(policy(1));
        let witnesses = |policies: &Policies, size| policies.at(TreeSize(size)).witnesses().len();
        assert_eq!((policies.bound(), witnesses(&policies, 9)), (None, 1));
        policies.begin(TreeSize(5), policy(2));
        policies.begin(TreeSize(8), policy(3));
        assert_eq!([4, 5, 6, 8, 9].map(|size| witnesses(&policies, size)), [1, 1, 2, 2, 3]);
        assert!(policies.allows(TreeSize(5)) && !policies.allows(TreeSize(6)));
        assert_eq!(policies.bounds_below(TreeSize(8)), [TreeSize(5)]);
        assert!(policies.ends_at(TreeSize(8)) && !policies.ends_at(TreeSize(7)));
        policies.settle(0);
        assert_eq!(policies.bound(), Some(TreeSize(5)));
        policies.settle(1);
        assert_eq!(policies.bound(), Some(TreeSize(8)));
        policies.settle(3);
        policies.settle(1);
        assert!(policies.allows(TreeSize(100)));
    }
}
