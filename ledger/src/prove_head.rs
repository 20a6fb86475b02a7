//! Head proofs, made of the state's head map and the public files.

use dab_proof::head_map::{HeadMap, MapKey};
use dab_proof::head_proof::{Found, HeadProof};
use dab_proof::heads_leaf::HeadsBody;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::tile::TilesOnce;
use dab_proof::tree::{LeafIndex, TreeSize};

use crate::Error;
use crate::reader::Head;
use crate::shared::{Shared, leaf_at, receipt};
use crate::state_machine::{Cover, StateView};

impl Shared {
    /// What the next heads leaf has to say, and the one before it: of the state as it is applied, since on that it is judged.
    pub(crate) fn next_heads(&self) -> Result<(HeadsBody, Option<Head>), Error> {
        self.read(|_, state| {
            let size = state.tree_size();
            let HeadMap { root, subjects } = state.map_at(size)?.ok_or_else(|| Error::Inconsistent {
                reason: format!("the state has no head map of its {size} leaves"),
            })?;
            let body = HeadsBody {
                origin: self.origin.clone(),
                size: TreeSize(size),
                subjects,
                root,
            };
            Ok((body, state.head(&Subject::heads())?))
        })
    }

    /// Whether the last certified heads leaf says how the heads stand among the first `size` leaves: it covers them, or
    /// nothing but heads leaves has come since.
    pub(crate) fn is_covered(&self, size: TreeSize) -> Result<bool, Error> {
        self.read(
            |visible, state| match last_cover(state.covers(), visible.certified.size)? {
                Some(cover) if cover.size >= size => Ok(true),
                Some(cover) => Ok(state.map_at(size.0)? == Some(cover.map)),
                None => Ok(false),
            },
        )
    }

    /// The head proof of a subject under the last certified heads leaf; `None` before the first.
    pub(crate) fn prove_head(&self, subject: &Subject) -> Result<Option<HeadProof>, Error> {
        let key = MapKey::of(subject);
        let read = self.read(|visible, state| {
            let Some(cover) = last_cover(state.covers(), visible.certified.size)? else {
                return Ok(None);
            };
            let checkpoint = visible.checkpoint.clone().ok_or(Error::NoCheckpoint)?;
            let path = cover.map.find(state, &key)?;
            let next = path
                .entry_of(&key)
                .map_or(Some(0), |entry| entry.sequence.checked_add(1));
            let next = next.map_or(Ok(None), |next| state.placed(subject, next))?;
            if let Some(next) = next.filter(|next| next.leaf_index.0 < cover.size.0) {
                let (size, index) = (cover.size, next.leaf_index);
                let reason =
                    format!("the head map of {size} leaves says nothing of leaf {index}, the last of {subject}");
                return Err(Error::Inconsistent { reason });
            }
            Ok(Some((cover, path, checkpoint)))
        });
        let Some((cover, path, checkpoint)) = read? else {
            return Ok(None);
        };
        let checked_leaf = |index: LeafIndex| -> Result<SignedLeaf, Error> {
            let leaf = leaf_at(&self.files, index, checkpoint.checkpoint().size)?;
            self.check_leaf(index, &leaf)?;
            Ok(leaf)
        };
        let found = match (path.entry_of(&key), path.found) {
            (Some(entry), _) => Found::Head {
                index: entry.leaf_index,
                leaf: Box::new(checked_leaf(entry.leaf_index)?),
            },
            (None, Some(other)) => Found::Other(other),
            (None, None) => Found::Nothing,
        };
        let heads_leaf = checked_leaf(cover.leaf_index)?;
        let mut tiles = TilesOnce::new(&self.files, checkpoint.checkpoint().size);
        let proof = HeadProof {
            subject: subject.clone(),
            size: cover.size,
            subjects: cover.map.subjects,
            found,
            steps: path.steps,
            receipt: receipt(&mut tiles, &checkpoint, cover.leaf_index, heads_leaf)?,
        };
        // checked before it is given out, as a receipt is: what has rotted makes an error, not a bad proof
        proof.check_map()?;
        Ok(Some(proof))
    }
}

/// The last heads leaf that a certified tree of `certified` leaves has.
fn last_cover(
    covers: impl DoubleEndedIterator<Item = Result<Cover, Error>>,
    certified: TreeSize,
) -> Result<Option<Cover>, Error> {
    for cover in covers.rev() {
        let cover = cover?;
        if cover.leaf_index.0 < certified.0 {
            return Ok(Some(cover));
        }
    }
    Ok(None)
}
