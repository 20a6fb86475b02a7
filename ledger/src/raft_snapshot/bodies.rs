//! What goes with the leaves in a bundle and stands in no public file, as replicas give it to each other.
//!
//! ```text
//! path    bodies/<N>[.p/<W>]         of tile/entries/<N>[.p/<W>] (C2SP tlog-tiles)
//! bytes   for each leaf, in order    length u32 little-endian, body; or the length 2^32 - 1 alone, where there is none
//!                                    leaves u16 little-endian, request 32, statement 32, where it is the first leaf of a
//!                                    request that is remembered; or two zero bytes
//! ```
//!
//! A body has to match its leaf. A request is its giver's word: one who lies about it makes a replica that judges repeated
//! requests otherwise than all others, and comes to another tree.

use bytes::Bytes;
use dab_proof::leaf::SignedLeaf;
use dab_proof::tree::LeafIndex;

use super::staging::Taken;
use crate::notary::{BODY_BYTES_MAX, PROPOSAL_STATEMENTS_MAX};
use crate::state_machine::CarriedOut;

const NONE: u32 = u32::MAX;
const CUT_SHORT: &str = "a file of bodies is cut short";

/// A request, by its first leaf.
pub(crate) type RequestAt = ([u8; 32], CarriedOut);

/// Bodies, and requests, each for one leaf.
pub(crate) fn encode_bodies(shares: &[(Option<Bytes>, Option<RequestAt>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (body, request) in shares {
        match body {
            Some(body) => {
                bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
                bytes.extend_from_slice(body);
            }
            None => bytes.extend_from_slice(&NONE.to_le_bytes()),
        }
        let leaves = request.as_ref().map_or(0, |(_, carried_out)| carried_out.leaves.len());
        bytes.extend_from_slice(&(leaves as u16).to_le_bytes());
        if let Some((request, carried_out)) = request {
            bytes.extend_from_slice(request);
            bytes.extend_from_slice(&carried_out.statement);
        }
    }
    bytes
}

/// What goes with these leaves, of which the first has the index `first`; `Err` where the bytes are no such file or a body
/// is not its leaf's.
pub(crate) fn decode_bodies(
    mut bytes: Bytes,
    first: LeafIndex,
    leaves: Vec<SignedLeaf>,
) -> Result<Vec<Taken>, &'static str> {
    let mut taken = Vec::with_capacity(leaves.len());
    for (index, leaf) in (first.0..).zip(leaves) {
        let body = take_body(&mut bytes, &leaf)?;
        let request = take_request(&mut bytes, index)?;
        taken.push(Taken { leaf, body, request });
    }
    match bytes.is_empty() {
        true => Ok(taken),
        false => Err("more follows the bodies"),
    }
}

fn take_body(bytes: &mut Bytes, leaf: &SignedLeaf) -> Result<Option<Bytes>, &'static str> {
    let length = u32::from_le_bytes(take(bytes)?);
    if length == NONE {
        let subject = &leaf.leaf().subject;
        return match subject.is_members() || subject.is_heads() {
            true => Err("a body that every such leaf has is left out"),
            false => Ok(None),
        };
    }
    if length as usize > bytes.len() {
        return Err(CUT_SHORT);
    }
    let body = bytes.split_to(length as usize);
    match body.len() <= BODY_BYTES_MAX && leaf.leaf().body.matches(&body) {
        true => Ok(Some(body)),
        false => Err("a body is not its leaf's"),
    }
}

fn take_request(bytes: &mut Bytes, first: u64) -> Result<Option<RequestAt>, &'static str> {
    let count = u64::from(u16::from_le_bytes(take(bytes)?));
    if count == 0 {
        return Ok(None);
    }
    if count > PROPOSAL_STATEMENTS_MAX as u64 {
        return Err("a request has more leaves than a proposal");
    }
    let (request, statement) = (take(bytes)?, take(bytes)?);
    // the leaves of a proposal follow one another
    let leaves = (first..first + count).map(LeafIndex).collect();
    Ok(Some((request, CarriedOut { statement, leaves })))
}

fn take<const N: usize>(bytes: &mut Bytes) -> Result<[u8; N], &'static str> {
    let first = *bytes.first_chunk::<N>().ok_or(CUT_SHORT)?;
    let _ = bytes.split_to(N);
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_path::SHARE_BYTES_MAX;
    use dab_proof::note::SigningKey;

    use crate::testing::{private_statement, statement};

    type Share = (Option<Bytes>, Option<RequestAt>);

    fn shares() -> (Vec<SignedLeaf>, Vec<Share>) {
        let writer = SigningKey::generate("dab/test/writer", &[1; 32]).unwrap();
        let private = private_statement("dab/test", &writer, "catalog", 0, None, "secret");
        let public = statement("dab/test", &writer, "table/t", 0, None, "known");
        let empty = private_statement("dab/test", &writer, "access", 0, None, "");
        let carried_out = CarriedOut {
            statement: [7; 32],
            leaves: vec![LeafIndex(11), LeafIndex(12)],
        };
        let shares = [(private, None), (public, Some(([6; 32], carried_out))), (empty, None)];
        shares
            .into_iter()
            .map(|(one, request)| (one.leaf, (one.body, request)))
            .unzip()
    }

    #[test]
    fn what_goes_with_leaves_is_read_back_and_nothing_else_is_taken_for_it() {
        let (leaves, shares) = shares();
        let decode = |bytes: &[u8]| {
            let taken = decode_bodies(Bytes::copy_from_slice(bytes), LeafIndex(10), leaves.clone())?;
            Ok::<Vec<Share>, &str>(taken.into_iter().map(|taken| (taken.body, taken.request)).collect())
        };
        let bytes = encode_bodies(&shares);
        assert_eq!(decode(&bytes).unwrap(), shares);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Err(CUT_SHORT), "{cut}");
        }
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), Err("more follows the bodies"));
        let forged = encode_bodies(&[(Some(Bytes::from_static(b"Secret")), None), (None, None), (None, None)]);
        assert_eq!(decode(&forged), Err("a body is not its leaf's"));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0x7f]), Err(CUT_SHORT));
        let mut many = bytes;
        let at = 4 + 6 + 2 + 4;
        many[at..at + 2].copy_from_slice(&u16::MAX.to_le_bytes());
        assert_eq!(decode(&many), Err("a request has more leaves than a proposal"));
    }

    #[test]
    fn leaves_whose_body_all_have_come_with_it() {
        let writer = SigningKey::generate("dab/test/writer", &[1; 32]).unwrap();
        let leaf = statement("dab/test", &writer, "members", 0, None, "x").leaf;
        let without = encode_bodies(&[(None, None)]);
        let taken = decode_bodies(without.into(), LeafIndex(0), vec![leaf]);
        assert_eq!(taken.unwrap_err(), "a body that every such leaf has is left out");
    }

    #[test]
    fn the_longest_share_is_as_long_as_who_asks_for_it_expects() {
        let carried_out = CarriedOut {
            statement: [7; 32],
            leaves: vec![LeafIndex(0)],
        };
        let request = ([7; 32], carried_out);
        let bytes = encode_bodies(&[(Some(vec![0; BODY_BYTES_MAX].into()), Some(request))]);
        assert_eq!(bytes.len(), SHARE_BYTES_MAX);
    }
}
