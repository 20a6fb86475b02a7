//! The files that replicas give each other: the public ones, and the private bodies of certified leaves.

use std::sync::Arc;

use dab_proof::leaf::SignedLeaf;
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE};
use dab_proof::tree::LeafIndex;

use crate::Error;
use crate::peer_path::bundle_of;
use crate::raft_snapshot::bodies::encode_bodies;
use crate::shared::Shared;

/// The files of one replica.
#[derive(Clone, Debug)]
pub(crate) struct PeerFiles {
    shared: Arc<Shared>,
}

impl PeerFiles {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What goes with a bundle's leaves; `None` where not all of these are certified.
    fn bodies(&self, bundle: BundlePath) -> Result<Option<Vec<u8>>, Error> {
        let shared = &self.shared;
        let end = bundle.index() * u64::from(HASHES_PER_TILE) + u64::from(bundle.width());
        if end > shared.visible.read().certified.size.0 {
            return Ok(None);
        }
        let entries = tile::read_bundle(&shared.files, bundle)?;
        let first = bundle.index() * u64::from(HASHES_PER_TILE);
        let share = |(index, entry): (u64, &Vec<u8>)| {
            let leaf = SignedLeaf::from_bytes(entry)?;
            let (subject, sequence) = (&leaf.leaf().subject, leaf.leaf().sequence);
            shared.read(|_, state| Ok((state.body(subject, sequence)?, state.request_at(LeafIndex(index))?)))
        };
        let shares: Vec<_> = (first..).zip(&entries).map(share).collect::<Result<_, Error>>()?;
        Ok(Some(encode_bodies(&shares)))
    }
}

impl Source for PeerFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        match bundle_of(path) {
            None => self.shared.files.read(path),
            Some(bundle) => self.bodies(bundle).map_err(|error| dab_proof::Error::Unavailable {
                path: path.to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notary::{Notary, Proposal};
    use crate::testing::{TestLedger, private_statement};

    #[tokio::test]
    async fn bodies_are_those_of_certified_leaves_only() {
        let ledger = TestLedger::start();
        let node = ledger.node();
        let statements = vec![private_statement(
            node.trust().policy.logs()[0].key.name(),
            node.writer(),
            "catalog",
            0,
            None,
            "secret",
        )];
        node.notarize(Proposal { statements }).await.unwrap();
        let files = PeerFiles::new(Arc::clone(node.shared()));
        let bytes = files.read("bodies/000.p/1").unwrap().unwrap();
        assert_eq!(bytes, b"\x06\0\0\0secret\0\0");
        assert_eq!(files.read("bodies/000.p/2").unwrap(), None);
        assert_eq!(files.read("bodies/000").unwrap(), None);
        assert!(files.read("checkpoint").unwrap().is_some());
    }
}
