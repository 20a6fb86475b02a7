//! Which files replicas may ask each other for, and by which name: the public ones, and what goes with a bundle's leaves
//! and stands in none of them (`raft_snapshot/bodies.rs` has its format).

use dab_proof::source::limit_of;
use dab_proof::tile::{BundlePath, HASHES_PER_TILE};

use crate::notary::BODY_BYTES_MAX;
use crate::public_path::public_path;

const FOLDER: &str = "bodies/";
const BUNDLES: &str = "tile/entries/";

/// Bytes of one leaf's share of a file of bodies at most: its body with a length of 4 bytes, and the request that it is the
/// first leaf of, two digests with a count of 2 bytes.
pub(crate) const SHARE_BYTES_MAX: usize = 4 + BODY_BYTES_MAX + 2 + 2 * 32;

/// Bytes of the longest file of bodies.
const BODIES_BYTES_MAX: usize = HASHES_PER_TILE as usize * SHARE_BYTES_MAX;

/// A file that one replica may ask another for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerPath {
    /// In its one spelling.
    pub(crate) path: String,
    /// Bytes that the file has at most.
    pub(crate) limit: usize,
}

impl PeerPath {
    /// `None` for what is no such file's path.
    pub(crate) fn parse(asked: &str) -> Option<Self> {
        if let Some(bundle) = bundle_of(asked) {
            return Some(Self {
                path: bodies_path(bundle),
                limit: BODIES_BYTES_MAX,
            });
        }
        let path = public_path(asked)?;
        let limit = limit_of(&path);
        Some(Self { path, limit })
    }
}

/// Where the bodies of a bundle's leaves are asked for.
pub(crate) fn bodies_path(bundle: BundlePath) -> String {
    let bundle = bundle.to_string();
    format!("{FOLDER}{}", bundle.strip_prefix(BUNDLES).unwrap_or(&bundle))
}

/// The bundle whose leaves' bodies are asked for under this path; `None` for every other path.
pub(crate) fn bundle_of(path: &str) -> Option<BundlePath> {
    let bundle = format!("{BUNDLES}{}", path.strip_prefix(FOLDER)?);
    bundle
        .parse::<BundlePath>()
        .ok()
        .filter(|parsed| parsed.to_string() == bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_bodies_names_a_bundle_in_its_one_spelling() {
        for bundle in ["tile/entries/000", "tile/entries/x001/067.p/8"] {
            let bundle: BundlePath = bundle.parse().unwrap();
            assert_eq!(bundle_of(&bodies_path(bundle)), Some(bundle));
        }
        for path in [
            "bodies/",
            "bodies/0",
            "bodies/000.p/256",
            "bodies/../000",
            "tile/entries/000",
            "bodies/000/",
        ] {
            assert_eq!(bundle_of(path), None, "{path}");
        }
    }
    #[test]
    fn public_files_and_bodies_are_given_and_nothing_else() {
        let limit = |path| PeerPath::parse(path).map(|path| path.limit);
        assert_eq!(limit("bodies/000.p/1"), Some(BODIES_BYTES_MAX));
        assert_eq!(limit("tile/0/000"), Some(limit_of("tile/0/000")));
        assert_eq!(limit("private/log.key"), None);
    }
}
