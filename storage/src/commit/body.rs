//! A commit file's bytes, hashed once.

use bytes::Bytes;
use dab_proof::leaf::BodyDigest;

/// The bytes of a commit file with their digests, which are computed where the bytes come into this process: from
/// deltalake, or from a disk that nobody has to trust. From there on digests are compared, and nothing is hashed again.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    bytes: Bytes,
    digest: BodyDigest,
}

impl Body {
    pub(crate) fn of(bytes: Bytes) -> Self {
        let digest = BodyDigest::of(&bytes);
        Self { bytes, digest }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn digest(&self) -> &BodyDigest {
        &self.digest
    }
}
