//! The private bodies of the leaves in a bundle, as replicas give them to each other.
//!
//! ```text
//! path    bodies/<N>[.p/<W>]         those of tile/entries/<N>[.p/<W>] (C2SP tlog-tiles)
//! bytes   for each leaf, in order    length u32 little-endian, body; or the length 2^32 - 1 alone, where there is none
//! ```

use bytes::Bytes;
use dab_proof::leaf::SignedLeaf;
use dab_proof::tile::BundlePath;

use crate::notary::BODY_BYTES_MAX;

const FOLDER: &str = "bodies/";
const BUNDLES: &str = "tile/entries/";
const NONE: u32 = u32::MAX;
const LENGTH_BYTES: usize = 4;

/// Bytes of the longest file of bodies.
pub(crate) const BODIES_BYTES_MAX: usize = dab_proof::tile::HASHES_PER_TILE as usize * (LENGTH_BYTES + BODY_BYTES_MAX);

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

pub(crate) fn encode_bodies(bodies: &[Option<Bytes>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        match body {
            Some(body) => {
                bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
                bytes.extend_from_slice(body);
            }
            None => bytes.extend_from_slice(&NONE.to_le_bytes()),
        }
    }
    bytes
}

/// One body, or none, for each of these leaves; `Err` where the bytes are no such file or a body is not its leaf's.
pub(crate) fn decode_bodies(mut bytes: Bytes, leaves: &[SignedLeaf]) -> Result<Vec<Option<Bytes>>, &'static str> {
    let mut bodies = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let Some(length) = bytes
            .first_chunk::<LENGTH_BYTES>()
            .map(|first| u32::from_le_bytes(*first))
        else {
            return Err("a file of bodies is cut short");
        };
        let _ = bytes.split_to(LENGTH_BYTES);
        if length == NONE {
            bodies.push(None);
            continue;
        }
        if length as usize > bytes.len() {
            return Err("a file of bodies is cut short");
        }
        let body = bytes.split_to(length as usize);
        if body.len() > BODY_BYTES_MAX || !leaf.leaf().body.matches(&body) {
            return Err("a body is not its leaf's");
        }
        bodies.push(Some(body));
    }
    match bytes.is_empty() {
        true => Ok(bodies),
        false => Err("more follows the bodies"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dab_proof::note::SigningKey;

    use crate::testing::{private_statement, statement};

    fn leaves() -> (Vec<SignedLeaf>, Vec<Option<Bytes>>) {
        let writer = SigningKey::generate("dab/test/writer", &[1; 32]).unwrap();
        let private = private_statement("dab/test", &writer, "catalog", 0, None, "secret");
        let public = statement("dab/test", &writer, "table/t", 0, None, "known");
        let empty = private_statement("dab/test", &writer, "access", 0, None, "");
        let statements = [private, public, empty];
        statements.into_iter().map(|one| (one.leaf, one.body)).unzip()
    }

    #[test]
    fn bodies_are_read_back_and_nothing_else_is_taken_for_them() {
        let (leaves, bodies) = leaves();
        let bytes = encode_bodies(&bodies);
        assert_eq!(decode_bodies(bytes.clone().into(), &leaves).unwrap(), bodies);
        for cut in 0..bytes.len() {
            assert!(
                decode_bodies(Bytes::copy_from_slice(&bytes[..cut]), &leaves).is_err(),
                "{cut}"
            );
        }
        let more = [&bytes[..], b"x"].concat();
        assert_eq!(decode_bodies(more.into(), &leaves), Err("more follows the bodies"));
        let forged = encode_bodies(&[Some(Bytes::from_static(b"Secret")), None, None]);
        assert_eq!(decode_bodies(forged.into(), &leaves), Err("a body is not its leaf's"));
        let lying = [0xff, 0xff, 0xff, 0x7f];
        assert_eq!(
            decode_bodies(Bytes::copy_from_slice(&lying), &leaves),
            Err("a file of bodies is cut short")
        );
    }

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
}
