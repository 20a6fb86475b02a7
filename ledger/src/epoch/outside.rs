//! The witnesses outside, and what may become of them.
//!
//! They are no members: they hold no ledger, approve of nothing, and are asked by whoever leads. Any one of them has to cosign
//! what a quorum of the replicas has.

use dab_proof::note::VerifierKey;
use dab_proof::policy::Policy;

use super::{Change, Epoch, check_foreign_name};
use crate::members::{NotMembers, refuse};

/// Witnesses outside that one ledger may have. A checkpoint has room for all members' lines and theirs.
pub const WITNESSES_MAX: usize = 16;

/// Bytes of the longest URL of a witness.
pub const WITNESS_URL_BYTES_MAX: usize = 512;

/// A witness outside, and where to ask it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAt {
    /// The key of its cosignatures.
    pub key: VerifierKey,
    /// Its submission prefix (C2SP tlog-witness).
    pub url: String,
}

impl WitnessAt {
    /// Those that a policy names, in its order.
    pub fn all_of(policy: &Policy) -> Vec<WitnessAt> {
        let outside = policy.outside().filter_map(|witness| {
            let (key, url) = (witness.key.clone(), witness.url.clone()?);
            Some(WitnessAt { key, url })
        });
        outside.collect()
    }
}

impl Epoch {
    /// Those of the epoch's policy.
    pub(crate) fn witnesses(&self) -> Vec<WitnessAt> {
        WitnessAt::all_of(self.policy())
    }

    /// Those after a change. One that comes in place of another takes its place.
    pub(super) fn witnesses_after(&self, change: &Change) -> Result<Vec<WitnessAt>, NotMembers> {
        let mut witnesses = self.witnesses();
        if change.engages.is_none() && change.dismisses.is_none() {
            return Ok(witnesses);
        }
        if self.is_alone() {
            return refuse("this node certifies alone: its operator writes whom it asks into trust/policy");
        }
        let mut place = witnesses.len();
        if let Some(key) = &change.dismisses {
            let name = key.name();
            let found = witnesses.iter().position(|witness| witness.key == *key);
            place = found.ok_or_else(|| NotMembers::because(format!("{name} is no witness outside of this ledger")))?;
            witnesses.remove(place);
        }
        if let Some(new) = &change.engages {
            check_witness(&self.text.origin, new, &witnesses)?;
            witnesses.insert(place, new.clone());
        }
        Ok(witnesses)
    }

    /// The witnesses that `next` has no more, and those that only `next` has.
    pub(super) fn witnesses_until(&self, next: &Epoch) -> (Vec<WitnessAt>, Vec<WitnessAt>) {
        let beyond = |these: &Epoch, those: &Epoch| {
            let known = those.witnesses();
            these
                .witnesses()
                .into_iter()
                .filter(|witness| !known.contains(witness))
                .collect()
        };
        (beyond(self, next), beyond(next, self))
    }
}

/// Refuses a witness that could not be asked, would be taken for another, or is one too many beside `others`. That its key is
/// nobody else's, and a cosigner's, is the policy's to say.
pub(crate) fn check_witness(origin: &str, new: &WitnessAt, others: &[WitnessAt]) -> Result<(), NotMembers> {
    let name = new.key.name();
    check_foreign_name(origin, name)?;
    if others.iter().any(|other| other.key.name().eq_ignore_ascii_case(name)) {
        return refuse(format!(
            "there is a witness {name} already: replace it, or take another"
        ));
    }
    if others.len() >= WITNESSES_MAX {
        return refuse(format!("a ledger has at most {WITNESSES_MAX} witnesses outside"));
    }
    check_url(&new.url)
}

/// A URL stands in the policy, which everybody reads, and is asked by every replica that ever leads.
fn check_url(url: &str) -> Result<(), NotMembers> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.contains('@') {
        // without the URL itself: these words are logged
        return refuse("a witness's URL has a user or a password in it, which everybody would read: leave them out");
    }
    let fits = url.len() <= WITNESS_URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits || !is_authority(authority) || url.contains(['?', '#']) {
        return refuse(format!(
            "{url:?} is no URL of a witness: https://HOST[:PORT][/PATH], visible ASCII characters without ? and #, at most \
             {WITNESS_URL_BYTES_MAX} of them"
        ));
    }
    Ok(())
}

/// Whether this is a host, perhaps with a port: what no client could ask would stop the ledger.
fn is_authority(authority: &str) -> bool {
    // an address of IP version 6 stands in brackets
    let is_port = |colon: &usize| authority.rfind(']').is_none_or(|bracket| *colon > bracket);
    let port_at = authority.rfind(':').filter(is_port);
    let (host, port) = port_at.map_or((authority, None), |colon| {
        (&authority[..colon], Some(&authority[colon + 1..]))
    });
    !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
