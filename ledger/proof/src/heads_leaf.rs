//! The heads leaf: how the root of the head map gets under a checkpoint.
//!
//! Checkpoints have no room for a second root, so the ledger binds the map in leaves of its own, on the subject `heads`. Such
//! a leaf has no files, the operation `HEADS`, and as its body the text
//!
//! ```text
//! dab/head-map/v1
//! origin <origin of the ledger>
//! size <N>           the map has the last leaf of each subject among the first N leaves of the ledger
//! subjects <count>
//! root <base64>
//! ```
//!
//! which anybody can write down who knows the four values. The subject `heads` itself is not in the map. A replica takes the
//! leaf only when it has computed the same text from its own state, and cosigns after that: so whoever certified a checkpoint
//! that covers the leaf vouches for the map.
//!
//! Each heads leaf covers more leaves than the one before it. Behind those that it covers a few may lie before it: whoever
//! proposes one does not know how many will come first.

use crate::error::Error;
use crate::hash::Hash;
use crate::leaf::{BodyDigest, Leaf};
use crate::text;
use crate::tree::TreeSize;

/// The operation of every heads leaf.
pub const HEADS_OPERATION: &str = "HEADS";

/// Fewer leaves than this lie between those that a heads leaf covers and itself. Part of the ledger's one rule: replicas that
/// disagreed on it would come to different trees.
pub const MAP_WINDOW_LEAVES: u64 = 1024;

const WHAT: &str = "heads leaf";
const HEADER: &str = "dab/head-map/v1";

/// What a heads leaf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsBody {
    /// Origin of the ledger.
    pub origin: String,
    /// Leaves that the map covers.
    pub size: TreeSize,
    /// Subjects that the map has.
    pub subjects: u64,
    /// Root of the map.
    pub root: Hash,
}

impl HeadsBody {
    /// The leaf's body.
    pub fn text(&self) -> String {
        let HeadsBody {
            origin,
            size,
            subjects,
            root,
        } = self;
        format!("{HEADER}\norigin {origin}\nsize {size}\nsubjects {subjects}\nroot {root}\n")
    }

    /// Reads a leaf's body.
    ///
    /// # Errors
    /// `Malformed` for anything but the one text that `text` gives.
    pub fn parse(body: &[u8]) -> Result<HeadsBody, Error> {
        let malformed = || Error::malformed(WHAT, format!("its body is no text of the form {HEADER}"));
        let body = std::str::from_utf8(body).map_err(|_| malformed())?;
        let lines: Vec<_> = body.strip_suffix('\n').ok_or_else(malformed)?.split('\n').collect();
        let [HEADER, origin, size, subjects, root] = lines[..] else {
            return Err(malformed());
        };
        let after = |line: &str, field: &str| Some(line.strip_prefix(field)?.to_owned());
        Ok(HeadsBody {
            origin: after(origin, "origin ").ok_or_else(malformed)?,
            size: after(size, "size ").ok_or_else(malformed)?.parse()?,
            subjects: after(subjects, "subjects ")
                .and_then(|count| text::decimal(&count))
                .ok_or_else(malformed)?,
            root: after(root, "root ").ok_or_else(malformed)?.parse()?,
        })
    }

    /// Checks that `leaf` is the heads leaf that says this.
    ///
    /// # Errors
    /// `ProofRejected`, naming the field.
    pub fn check(&self, leaf: &Leaf) -> Result<(), Error> {
        self.check_with(leaf, &BodyDigest::of(self.text().as_bytes()))
    }

    /// [`Self::check`] where the digests of the text are known already: `digest` is that of [`Self::text`].
    pub(crate) fn check_with(&self, leaf: &Leaf, digest: &BodyDigest) -> Result<(), Error> {
        let rejected = |reason: String| Err(Error::ProofRejected { what: WHAT, reason });
        if !leaf.subject.is_heads() {
            return rejected(format!("its subject is {}, not heads", leaf.subject));
        }
        if leaf.files.is_some() || leaf.operation != HEADS_OPERATION {
            return rejected(format!("its operation is {}, or it has files", leaf.operation));
        }
        if leaf.origin != self.origin || leaf.body != *digest {
            return rejected(format!(
                "it does not bind the map of {} subjects with root {} over {} leaves",
                self.subjects, self.root, self.size
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head_map::empty_map_root;
    use crate::leaf::Subject;

    fn body() -> HeadsBody {
        HeadsBody {
            origin: "dab/test".into(),
            size: TreeSize(7),
            subjects: 0,
            root: empty_map_root(),
        }
    }

    #[test]
    fn text_is_read_back_and_no_other_spelling_is() {
        let text = body().text();
        assert_eq!(HeadsBody::parse(text.as_bytes()).unwrap(), body());
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] ^= 1;
            assert_ne!(HeadsBody::parse(&other).ok(), Some(body()), "byte {at}");
        }
        for other in [
            text.replace("size 7", "size 07"),
            text.replace("subjects 0", "subjects +0"),
            text.replace("root ", "root  "),
            text.replace('=', ""),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert!(HeadsBody::parse(other.as_bytes()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn only_a_heads_leaf_of_this_very_text_fits() {
        let leaf = Leaf {
            origin: "dab/test".into(),
            subject: Subject::heads(),
            sequence: 0,
            parent: None,
            body: BodyDigest::of(body().text().as_bytes()),
            files: None,
            operation: HEADS_OPERATION.into(),
        };
        assert!(body().check(&leaf).is_ok());
        let another = |change: fn(&mut Leaf)| {
            let mut leaf = leaf.clone();
            change(&mut leaf);
            body().check(&leaf)
        };
        assert!(another(|leaf| leaf.subject = Subject::catalog()).is_err());
        assert!(another(|leaf| leaf.operation = "WRITE".into()).is_err());
        assert!(another(|leaf| leaf.origin = "dab/other".into()).is_err());
        assert!(another(|leaf| leaf.body.sha256[0] ^= 1).is_err());
        assert!(another(|leaf| leaf.body.blake3[0] ^= 1).is_err());
        assert!(another(|leaf| leaf.body.bytes += 1).is_err());
    }
}
