//! Leaves by their hashes.

use dab_ledger::reader::{LEAVES_PER_CALL_MAX, LedgerReader};
use dab_proof::hash::Hash;
use dab_proof::leaf::SignedLeaf;
use dab_proof::tree::LeafIndex;
use tokio::sync::Mutex as AsyncMutex;

use super::Places;
use crate::Error;

/// A hash by which a leaf is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafHash {
    /// The leaf's own.
    Leaf(Hash),
    /// The BLAKE3 of what it binds: for a table, the commit digest.
    Blake3([u8; 32]),
    /// The SHA-256 of what it binds.
    Sha256([u8; 32]),
}

/// Where each leaf's three hashes lead.
#[derive(Debug, Default)]
pub(crate) struct LeafPlaces(AsyncMutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The first leaf that was not read yet.
    next: LeafIndex,
    places: Places,
}

impl LeafHash {
    fn bytes(&self) -> &[u8; 32] {
        match self {
            Self::Leaf(hash) => hash.as_bytes(),
            Self::Blake3(digest) | Self::Sha256(digest) => digest,
        }
    }

    fn is_of(&self, leaf: &SignedLeaf) -> bool {
        match self {
            Self::Leaf(hash) => leaf.hash() == *hash,
            Self::Blake3(digest) => leaf.leaf().body.blake3 == *digest,
            Self::Sha256(digest) => leaf.leaf().body.sha256 == *digest,
        }
    }
}

impl LeafPlaces {
    /// The leaves that have this hash, oldest first, among all that are certified now.
    pub(crate) async fn find(
        &self,
        reader: &dyn LedgerReader,
        hash: LeafHash,
    ) -> Result<Vec<(LeafIndex, SignedLeaf)>, Error> {
        let places = {
            let mut known = self.0.lock().await;
            known.read_on(reader).await?;
            known.places.of(hash.bytes())
        };
        let mut found = Vec::new();
        for place in places {
            let leaf = reader.leaves(LeafIndex(place), 1).await?.pop();
            found.extend(leaf.filter(|(_, leaf)| hash.is_of(leaf)));
        }
        Ok(found)
    }
}

impl Known {
    async fn read_on(&mut self, reader: &dyn LedgerReader) -> Result<(), Error> {
        loop {
            let leaves = reader.leaves(self.next, LEAVES_PER_CALL_MAX).await?;
            if leaves.is_empty() {
                return Ok(());
            }
            for (index, leaf) in leaves {
                let body = &leaf.leaf().body;
                for hash in [leaf.hash().as_bytes(), &body.blake3, &body.sha256] {
                    self.places.insert(hash, index.0);
                }
                self.next = LeafIndex(index.0 + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dab_ledger::notary::{Notary, Proposal};
    use dab_ledger::testing::TestLedger;
    use dab_proof::leaf::BodyDigest;

    use super::*;

    #[tokio::test]
    async fn a_leaf_is_found_by_each_of_its_hashes_and_those_that_came_later_too() {
        let test = TestLedger::start();
        let (node, places) = (test.node(), LeafPlaces::default());
        let digest = BodyDigest::of(b"bytes");
        let by_body = LeafHash::Blake3(digest.blake3);
        assert!(places.find(&**node, by_body).await.unwrap().is_empty());
        let mut hashes = Vec::new();
        for (at, subject) in ["digest/a", "digest/b", "digest/a"].into_iter().enumerate() {
            let statement = test.next(subject, "bytes").await;
            hashes.push(statement.leaf.hash());
            let statements = vec![statement];
            node.notarize(Proposal { statements }).await.unwrap();
            let found = places.find(&**node, by_body).await.unwrap();
            assert_eq!(found.len(), at + 1);
        }
        let by_sha256 = places.find(&**node, LeafHash::Sha256(digest.sha256)).await.unwrap();
        assert_eq!(by_sha256.len(), 3);
        for (at, hash) in hashes.into_iter().enumerate() {
            let found = places.find(&**node, LeafHash::Leaf(hash)).await.unwrap();
            assert_eq!(found.iter().map(|(index, _)| index.0).collect::<Vec<_>>(), [at as u64]);
            // what is no leaf's own hash is not found as one
            let other = LeafHash::Blake3(*hash.as_bytes());
            assert!(places.find(&**node, other).await.unwrap().is_empty());
        }
    }
}
