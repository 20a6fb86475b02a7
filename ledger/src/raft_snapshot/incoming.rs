//! What a replica fetches in order to catch up: bundle after bundle, from one replica or another, until all leaves are
//! there.

use bytes::Bytes;
use dab_proof::hash::leaf_hash;
use dab_proof::tile::{BundlePath, HASHES_PER_TILE};
use dab_proof::tree::{Frontier, LeafIndex, TreeSize};

use super::Target;
use super::bodies::decode_bodies;
use super::staging::{Staging, Taken, bundle_at, leaves_in};
use crate::Error;
use crate::peer_path::bodies_path;

/// Ticks after which a file of which nothing was heard is asked for again, from another replica: longer than the transport
/// waits for one.
const AGAIN_TICKS: u64 = 400;

/// A file that a replica wants of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) from: u64,
    pub(crate) path: String,
}

/// Leaves on their way.
#[derive(Debug)]
pub(crate) struct Incoming {
    staging: Staging,
    target: Target,
    /// The tree of what was there at the beginning and of what has been fetched.
    frontier: Frontier,
    /// Changes of the members among what has been fetched.
    changes: usize,
    /// The bundle whose bodies are due.
    entries: Option<Bytes>,
    /// What was asked for, and when it is asked for again.
    asked: Option<(Wanted, u64)>,
    /// Whom to ask, the first one first.
    sources: Vec<u64>,
}

impl Incoming {
    /// Begins with nothing fetched, behind the leaves of `frontier`.
    pub(crate) fn begin(
        staging: Staging,
        target: Target,
        frontier: Frontier,
        sources: Vec<u64>,
    ) -> Result<Self, Error> {
        staging.clear()?;
        Ok(Self {
            staging,
            target,
            frontier,
            changes: 0,
            entries: None,
            asked: None,
            sources,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Goes on to a later target: full bundles that were fetched are the same.
    pub(crate) fn retarget(&mut self, target: Target) {
        if target.at.index > self.target.at.index && target.head().size >= self.target.head().size && !self.has_all() {
            self.target = target;
            // its width may be another one
            self.entries = None;
        }
    }

    /// Whether all leaves are there.
    pub(crate) fn has_all(&self) -> bool {
        self.size() == self.target.head().size
    }

    /// Whether the leaves, which are all there, make the certified root.
    pub(crate) fn makes_the_root(&self) -> bool {
        self.frontier.root() == self.target.head().root
    }

    /// Whether the target has a certificate for each change of the members, of which `known` were there before.
    pub(crate) fn has_changes(&self, known: usize) -> bool {
        self.target.epoch_changes.len() == known + self.changes
    }

    /// The next file to ask for; `None` while one is under way, or all are there.
    pub(crate) fn wanted(&mut self, now: u64) -> Result<Option<Wanted>, Error> {
        if self.has_all() {
            return Ok(None);
        }
        match &self.asked {
            Some((_, again)) if *again > now => return Ok(None),
            Some(_) => self.ask_another(),
            None => {}
        }
        let bundle = self.bundle()?;
        let path = match self.entries {
            None => bundle.to_string(),
            Some(_) => bodies_path(bundle),
        };
        let Some(from) = self.sources.first().copied() else {
            return Ok(None);
        };
        let wanted = Wanted { from, path };
        self.asked = Some((wanted.clone(), now + AGAIN_TICKS));
        Ok(Some(wanted))
    }

    /// Takes an answer. One that is none, or not right, has another replica asked next.
    ///
    /// # Errors
    ///
    /// Only what of this replica itself has failed.
    pub(crate) fn fetched(&mut self, wanted: &Wanted, file: Option<Bytes>) -> Result<(), Error> {
        if self.asked.take_if(|(asked, _)| asked == wanted).is_none() {
            return Ok(());
        }
        let taken = match file {
            Some(file) => self.take(file)?,
            None => Err("it has no such file".to_owned()),
        };
        if let Err(reason) = taken {
            tracing::warn!(from = wanted.from, path = wanted.path, %reason, "cannot use a replica's file to catch up");
            self.entries = None;
            self.ask_another();
        }
        Ok(())
    }

    fn take(&mut self, file: Bytes) -> Result<Result<(), String>, Error> {
        let bundle = self.bundle()?;
        let Some(entries) = self.entries.take() else {
            return Ok(leaves_in(&file, bundle).map(|_| self.entries = Some(file)));
        };
        let leaves = match leaves_in(&entries, bundle) {
            Ok(leaves) => leaves,
            Err(reason) => return Ok(Err(reason)),
        };
        let first = LeafIndex(bundle.index() * u64::from(HASHES_PER_TILE));
        let taken = match decode_bodies(file.clone(), first, leaves) {
            Ok(taken) => taken,
            Err(reason) => return Ok(Err(reason.to_owned())),
        };
        self.staging.put(bundle, &entries, &file)?;
        let known = (self.size().0 % u64::from(HASHES_PER_TILE)) as usize;
        for Taken { leaf, .. } in taken.iter().skip(known) {
            self.changes += usize::from(leaf.leaf().subject.is_members());
            self.frontier.push(leaf_hash(leaf.bytes()));
        }
        Ok(Ok(()))
    }

    fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    fn bundle(&self) -> Result<BundlePath, Error> {
        bundle_at(self.size(), self.target.head().size)
    }

    fn ask_another(&mut self) {
        self.asked = None;
        if !self.sources.is_empty() {
            self.sources.rotate_left(1);
        }
    }
}
