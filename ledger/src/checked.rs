//! Leaves whose signature this replica has found good, so that it checks none twice.
//!
//! A leaf comes by several times: from its client, forwarded to the leader, and in the entry that is applied. To check a
//! signature is most of what a leaf costs, and for the same bytes under the same key the answer is the same. Only that
//! answer is remembered: who may write what is looked up each time, and what is forgotten is checked again.

use std::collections::HashSet;

use dab_proof::leaf::SignedLeaf;
use dab_proof::note::VerifierKey;
use dab_proof::writers::{Writer, Writers};
use parking_lot::Mutex;

/// Leaves after which those before the last so many are forgotten: more than wait at any time.
const GENERATION_LEAVES_MAX: usize = 8192;

/// Good signatures of late.
#[derive(Debug, Default)]
pub(crate) struct CheckedLeaves {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    latest: HashSet<Checked>,
    before: HashSet<Checked>,
}

/// The leaf hash, of all bytes with the signature among them, and the public key.
type Checked = ([u8; 32], [u8; 32]);

impl CheckedLeaves {
    /// [`SignedLeaf::verify_new`].
    ///
    /// # Errors
    ///
    /// Those of [`SignedLeaf::verify_new`].
    pub(crate) fn verify<'w>(&self, leaf: &SignedLeaf, writers: &'w Writers) -> Result<&'w Writer, dab_proof::Error> {
        if signatures_are_believed() {
            return leaf.verify_new_unless_known(writers, |_| true);
        }
        let checked = |key: &VerifierKey| (*leaf.hash().as_bytes(), *key.public_key());
        let writer = leaf.verify_new_unless_known(writers, |key| self.knows(&checked(key)))?;
        self.remember(checked(writer.key()));
        Ok(writer)
    }

    fn knows(&self, checked: &Checked) -> bool {
        let generations = self.generations.lock();
        generations.latest.contains(checked) || generations.before.contains(checked)
    }

    fn remember(&self, checked: Checked) {
        let mut generations = self.generations.lock();
        if generations.before.contains(&checked) {
            return;
        }
        generations.latest.insert(checked);
        if generations.latest.len() == GENERATION_LEAVES_MAX {
            generations.before = std::mem::take(&mut generations.latest);
        }
    }
}

/// Whether signatures are believed and not checked: never.
#[cfg(not(feature = "testing"))]
const fn signatures_are_believed() -> bool {
    false
}

#[cfg(feature = "testing")]
static BELIEVED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[cfg(feature = "testing")]
fn signatures_are_believed() -> bool {
    BELIEVED.load(std::sync::atomic::Ordering::Relaxed)
}

/// Has all nodes of this process believe every signature of a leaf, so that a benchmark can tell what the rest costs.
#[cfg(feature = "testing")]
pub fn believe_signatures() {
    BELIEVED.store(true, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use dab_proof::note::SigningKey;

    use super::*;
    use crate::testing::statement;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::generate(name, &[seed; 32]).unwrap()
    }

    fn writers(key: &SigningKey, globs: &str) -> Writers {
        Writers::parse(format!("{} {globs}\n", key.verifier()).as_bytes()).unwrap()
    }

    fn leaf(writer: &SigningKey, body: &str) -> SignedLeaf {
        statement("dab/test", writer, "table/t", 0, None, body).leaf
    }

    /// The leaf with another writer's signature in the place of its own.
    fn forged(leaf: &SignedLeaf, other: &SignedLeaf) -> SignedLeaf {
        let signature = |leaf: &SignedLeaf| {
            let text = String::from_utf8(leaf.bytes().to_vec()).unwrap();
            text.rsplit_once(' ').unwrap().1.to_owned()
        };
        let text = String::from_utf8(leaf.bytes().to_vec()).unwrap();
        SignedLeaf::from_bytes(text.replace(&signature(leaf), &signature(other)).as_bytes()).unwrap()
    }

    #[test]
    fn a_known_leaf_says_nothing_of_the_same_text_with_another_signature() {
        let (checked, writer) = (CheckedLeaves::default(), key("dab/writer", 1));
        let all = writers(&writer, "*");
        let good = leaf(&writer, "x");
        let forged = forged(&good, &leaf(&writer, "y"));
        for _ in 0..2 {
            checked.verify(&good, &all).unwrap();
            let refused = checked.verify(&forged, &all).unwrap_err();
            assert!(matches!(refused, dab_proof::Error::BadSignature { .. }), "{refused}");
        }
    }

    #[test]
    fn who_may_write_is_looked_up_for_a_known_leaf_too() {
        let (checked, writer) = (CheckedLeaves::default(), key("dab/writer", 1));
        let good = leaf(&writer, "x");
        checked.verify(&good, &writers(&writer, "*")).unwrap();
        let elsewhere = checked.verify(&good, &writers(&writer, "catalog")).unwrap_err();
        assert!(
            matches!(elsewhere, dab_proof::Error::WriterNotAllowed { .. }),
            "{elsewhere}"
        );
        let gone = checked.verify(&good, &writers(&key("dab/other", 2), "*")).unwrap_err();
        assert!(matches!(gone, dab_proof::Error::WriterUnknown { .. }), "{gone}");
        // of the same name, as after a change of the key
        let other_key = checked.verify(&good, &writers(&key("dab/writer", 2), "*")).unwrap_err();
        assert!(
            matches!(other_key, dab_proof::Error::WriterUnknown { .. }),
            "{other_key}"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_stay() {
        let checked = CheckedLeaves::default();
        let one = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            (hash, [0; 32])
        };
        for number in 0..5 * GENERATION_LEAVES_MAX {
            checked.remember(one(number));
            let generations = checked.generations.lock();
            assert!(generations.latest.len() + generations.before.len() <= 2 * GENERATION_LEAVES_MAX);
        }
        assert!(checked.knows(&one(4 * GENERATION_LEAVES_MAX)));
        assert!(!checked.knows(&one(0)));
    }
}
