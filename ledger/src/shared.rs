//! What the raft thread has applied and certified, shared with everyone who reads.

use std::fs::File;
use std::sync::Arc;

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::inclusion;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::policy::Certification;
use dab_proof::receipt::Receipt;
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath, TilesOnce};
use dab_proof::tree::{LeafIndex, TreeSize};
use dab_proof::writers::Writers;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::Error;
use crate::checked::CheckedLeaves;
use crate::epoch::Epoch;
use crate::members::Member;
use crate::notary::Once;
use crate::planted::planted;
use crate::reader::{Certified, Head};
use crate::state_machine::check::{Refusal, check};
use crate::state_machine::entry::ProposalBytes;
use crate::state_machine::{self, Placed, StateView};
use crate::state_store::StateStore;
use crate::tile_store::PublicFiles;

/// The meeting point of the raft thread, which alone writes, and the readers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) origin: String,
    pub(crate) files: PublicFiles,
    /// Signatures that need not be checked again.
    pub(crate) checked: CheckedLeaves,
    pub(crate) visible: RwLock<Visible>,
    /// Where the replica stood after its last round.
    standing: RwLock<Standing>,
    /// What witnesses outside are to cosign.
    offered: watch::Sender<Option<SignedCheckpoint>>,
    /// Who holds the ledger together and who writes, as far as that is certified; `None` where the node certifies alone and the
    /// ledger has not changed who writes.
    epoch: watch::Sender<Option<Arc<Epoch>>>,
    /// Whom to be connected to; none before they are known, or where the node certifies alone.
    peers: watch::Sender<Vec<Member>>,
    /// Why the node failed, once it has.
    failure: watch::Sender<Option<String>>,
}

/// Where a replica stands in the agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whom it follows, itself where it leads; `None` while an election goes on.
    pub(crate) leader: Option<u64>,
    pub(crate) term: u64,
    /// Leaves applied, certified or not.
    pub(crate) tree_size: TreeSize,
}

/// The applied state, and how much of it is certified: nothing beyond is seen.
#[derive(Debug)]
pub(crate) struct Visible {
    /// `None` once the node has stopped.
    state: Option<StateStore>,
    /// Held as long as `state` is.
    lock: Option<File>,
    pub(crate) checkpoint: Option<SignedCheckpoint>,
    pub(crate) certified: Certified,
}

impl Visible {
    /// Shows a new certified checkpoint, which the state has reached or passed.
    pub(crate) fn show(&mut self, checkpoint: SignedCheckpoint, certification: &Certification) {
        self.certified = Certified {
            size: checkpoint.checkpoint().size,
            certifies_alone: certification.alone,
            quorum: certification.quorum.clone(),
        };
        self.checkpoint = Some(checkpoint);
    }
}

impl Shared {
    pub(crate) fn new(
        files: PublicFiles,
        state: StateStore,
        lock: Option<File>,
        certifies_alone: bool,
        origin: &str,
        epoch: Option<Epoch>,
    ) -> Arc<Self> {
        let certified = Certified {
            size: TreeSize(0),
            certifies_alone,
            quorum: "none".to_owned(),
        };
        let visible = Visible {
            state: Some(state),
            lock,
            checkpoint: None,
            certified,
        };
        let origin = origin.to_owned();
        Arc::new(Self {
            origin,
            files,
            checked: CheckedLeaves::default(),
            visible: RwLock::new(visible),
            standing: RwLock::default(),
            offered: watch::Sender::new(None),
            epoch: watch::Sender::new(epoch.map(Arc::new)),
            peers: watch::Sender::new(Vec::new()),
            failure: watch::Sender::new(None),
        })
    }

    /// Tells where the replica stands now.
    pub(crate) fn tell(&self, standing: Standing) {
        *self.standing.write() = standing;
    }

    /// Where the replica stood after its last round.
    pub(crate) fn standing(&self) -> Standing {
        *self.standing.read()
    }

    /// Offers a checkpoint to witnesses outside, or nothing.
    pub(crate) fn offer(&self, checkpoint: Option<&SignedCheckpoint>) {
        self.offered.send_if_modified(|offered| {
            let head = |signed: &SignedCheckpoint| (signed.checkpoint().size, signed.checkpoint().root);
            let changes = offered.as_ref().map(head) != checkpoint.map(head);
            if changes {
                *offered = checkpoint.cloned();
            }
            changes
        });
    }

    /// What is offered to witnesses, now and later.
    pub(crate) fn offered(&self) -> watch::Receiver<Option<SignedCheckpoint>> {
        self.offered.subscribe()
    }

    /// Shows who holds the ledger together from now on.
    pub(crate) fn show_epoch(&self, epoch: Arc<Epoch>) {
        self.epoch.send_replace(Some(epoch));
    }

    /// Tells whom to be connected to.
    pub(crate) fn show_peers(&self, peers: Vec<Member>) {
        self.peers.send_if_modified(|shown| {
            let changes = *shown != peers;
            if changes {
                *shown = peers;
            }
            changes
        });
    }

    /// Whom to be connected to, now and later.
    pub(crate) fn peers(&self) -> watch::Receiver<Vec<Member>> {
        self.peers.subscribe()
    }

    /// Who holds the ledger together now.
    pub(crate) fn epoch_now(&self) -> Option<Arc<Epoch>> {
        self.epoch.borrow().clone()
    }

    /// Who holds the ledger together, now and later.
    pub(crate) fn epoch(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        self.epoch.subscribe()
    }

    /// Records why the node cannot go on; the first reason stays.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(%reason, "the ledger node has failed");
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(reason);
            first
        });
    }

    /// Whether the node ended because something failed, rather than because it was told to.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Waits until the node fails; for ever where it never does.
    pub(crate) async fn failed(&self) -> Error {
        let mut failure = self.failure.subscribe();
        // the sender lives as long as self, so that waiting cannot fail
        let _ = failure.wait_for(Option::is_some).await;
        self.stopped()
    }

    /// The error for whoever asks a node that runs no more.
    pub(crate) fn stopped(&self) -> Error {
        let reason = self
            .failure
            .borrow()
            .clone()
            .unwrap_or_else(|| "it was stopped".to_owned());
        Error::Stopped { reason }
    }

    /// Closes the state database and gives the data directory free.
    pub(crate) fn close(&self) {
        let mut visible = self.visible.write();
        visible.state = None;
        visible.lock = None;
    }

    /// Whether a proposal may enter the raft log: its form and signatures, and for a change of members and writers also
    /// whether it could follow on the one before. A race that it loses is found when it is applied. `writers` are those who may
    /// write now. Gives its leaves.
    ///
    /// # Errors
    ///
    /// Only when the state cannot be read.
    pub(crate) fn may_enter(
        &self,
        proposal: &ProposalBytes,
        writers: &Writers,
    ) -> Result<Result<Vec<SignedLeaf>, Refusal>, Error> {
        let leaves = match check(proposal, &self.origin, writers, &self.checked) {
            Ok(leaves) => leaves,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // the state is locked for changes alone: the raft thread writes it all the time
        if !leaves.iter().any(|leaf| leaf.leaf().subject.is_members()) {
            return Ok(Ok(leaves));
        }
        let judged = self.read(|_, state| state_machine::may_enter(state, &leaves, proposal))?;
        Ok(judged.map(|()| leaves))
    }

    /// Reads under the lock.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Visible, &StateStore) -> Result<T, Error>) -> Result<T, Error> {
        let visible = self.visible.read();
        let state = visible.state.as_ref().ok_or_else(|| self.stopped())?;
        read(&visible, state)
    }

    /// Checks a leaf that was read from a public file against the state, which nobody else writes.
    pub(crate) fn check_leaf(&self, leaf_index: LeafIndex, leaf: &SignedLeaf) -> Result<(), Error> {
        let (subject, sequence) = (&leaf.leaf().subject, leaf.leaf().sequence);
        let placed = self.placed(subject, sequence)?;
        if placed.is_some_and(|placed| placed.leaf_index == leaf_index && placed.leaf_hash == leaf.hash()) {
            return Ok(());
        }
        let path = self.files.path(
            &BundlePath::new(leaf_index.0 / u64::from(tile::HASHES_PER_TILE), 1)?
                .full()
                .to_string(),
        );
        let reason = format!("leaf {leaf_index} there ({subject}, sequence {sequence}) is not the one notarized");
        Err(Error::corrupt(&path, 0, &reason))
    }

    /// The last certified leaf of a subject.
    pub(crate) fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        self.read(|visible, state| {
            let head = state.head(subject)?;
            head.map_or(Ok(None), |head| certified_head(visible, state, subject, head))
        })
    }

    /// The certified leaf at a sequence of a subject.
    pub(crate) fn placed(&self, subject: &Subject, sequence: u64) -> Result<Option<Placed>, Error> {
        self.read(|visible, state| {
            let placed = state.placed(subject, sequence)?;
            Ok(placed.filter(|placed| placed.leaf_index.0 < visible.certified.size.0))
        })
    }

    /// The certified leaves of a request that is remembered.
    pub(crate) fn carried_out(&self, once: &Once) -> Result<Option<Vec<LeafIndex>>, Error> {
        self.read(|visible, state| {
            let certified = visible.certified.size.0;
            let is_certified = |leaf: &LeafIndex| leaf.0 < certified;
            match state.request(&once.request)? {
                Some(known) if known.is_remembered(state.tree_size()) && known.leaves.iter().all(is_certified) => {
                    known.answer(once).map(Some)
                }
                _ => Ok(None),
            }
        })
    }

    /// The subjects that begin with a prefix and have a certified leaf, with their heads.
    pub(crate) fn subjects(&self, prefix: &str) -> Result<Vec<(Subject, Head)>, Error> {
        self.read(|visible, state| {
            let mut subjects = Vec::new();
            for (subject, head) in state.subjects(prefix)? {
                let head = certified_head(visible, state, &subject, head)?;
                subjects.extend(head.map(|head| (subject, head)));
            }
            Ok(subjects)
        })
    }

    /// Changes state and checkpoint together.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Visible, &mut StateStore) -> T) -> Result<T, Error> {
        let mut visible = self.visible.write();
        let mut state = visible.state.take().ok_or_else(|| self.stopped())?;
        let result = write(&mut visible, &mut state);
        visible.state = Some(state);
        Ok(result)
    }
}

/// The head as of the certified tree: applied leaves that no certified checkpoint covers yet are passed over. There are
/// few of them, so going back one by one is short.
fn certified_head(
    visible: &Visible,
    state: &StateStore,
    subject: &Subject,
    mut head: Head,
) -> Result<Option<Head>, Error> {
    while head.leaf_index.0 >= visible.certified.size.0 && !planted("a reader is shown what is not certified") {
        let Some(sequence) = head.sequence.checked_sub(1) else {
            return Ok(None);
        };
        let Some(placed) = state.placed(subject, sequence)? else {
            return Ok(None);
        };
        head = Head {
            sequence,
            leaf_hash: placed.leaf_hash,
            leaf_index: placed.leaf_index,
        };
    }
    Ok(Some(head))
}

/// The leaf at an index, from the public files.
pub(crate) fn leaf_at(source: &dyn Source, leaf_index: LeafIndex, size: TreeSize) -> Result<SignedLeaf, Error> {
    if leaf_index.0 >= size.0 {
        return Err(Error::NoSuchLeaf {
            leaf_index: leaf_index.0,
            tree_size: size.0,
        });
    }
    let path = BundlePath::holding(leaf_index, size)?;
    let entries = tile::read_bundle(source, path)?;
    let at = (leaf_index.0 - path.index() * u64::from(tile::HASHES_PER_TILE)) as usize;
    let missing = || dab_proof::Error::Missing {
        path: format!("{path}, entry {at}"),
    };
    Ok(SignedLeaf::from_bytes(entries.get(at).ok_or_else(missing)?)?)
}

/// A receipt for a leaf, from the tiles of a tree as large as the checkpoint's, checked before it is given out: a tile that has rotted makes an error, not a bad receipt.
pub(crate) fn receipt(
    tiles: &mut TilesOnce<'_>,
    checkpoint: &SignedCheckpoint,
    index: LeafIndex,
    leaf: SignedLeaf,
) -> Result<Receipt, Error> {
    let head = checkpoint.checkpoint();
    if index.0 >= head.size.0 {
        return Err(Error::NoSuchLeaf {
            leaf_index: index.0,
            tree_size: head.size.0,
        });
    }
    let proof = inclusion::prove(index, head.size, &mut |level, at| tiles.node(level, at))?;
    inclusion::verify(&leaf.hash(), index, head.size, &proof, &head.root)?;
    Ok(Receipt {
        index,
        proof,
        checkpoint: checkpoint.clone(),
        leaf,
    })
}
