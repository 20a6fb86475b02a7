//! From a grown tree to a certified checkpoint.
//!
//! ```text
//! tree grows -> log signature -> "signed head" made durable -> own cosignature -> to the other replicas
//!                                                                  theirs <-/
//!                                        the policy's quorum of cosignatures -> certified
//! ```
//!
//! What keeps a quorum from certifying two histories is what each honest replica does here: it signs only trees that it
//! has computed from entries it holds, each an extension of the last it signed, and it makes the head that it is about to
//! sign durable before the signature leaves. A restart compares that head with the replayed tree before it signs anything.
//!
//! Under `quorum none` there is nobody to ask: the log's own signature certifies, and the tree's durability in the raft
//! log is what a restart goes by.
//!
//! The log key is the same on every replica. It identifies the ledger and certifies nothing where the policy has a quorum.

mod fork;

use std::collections::{BTreeMap, VecDeque};

use dab_proof::checkpoint::{Checkpoint, SignedCheckpoint};
use dab_proof::hash::Hash;
use dab_proof::note::{NoteSignature, SigningKey};
use dab_proof::policy::{Certification, Policy, Witness};
use dab_proof::tree::TreeSize;

use crate::Error;
use crate::planted::planted;
use crate::policies::Policies;
pub(crate) use fork::Contradiction;

/// Heads that wait for their quorum. The oldest goes first: a later certified head covers what it covered.
const CANDIDATES_MAX: usize = 1024;
/// Notes kept for trees that this replica has not grown to yet; each is one that a cosigner has signed.
const EARLY_NOTES_MAX: usize = 1024;
/// Cosignatures that this replica gives in one round; of more heads than that only the latest are signed.
const COSIGNATURES_PER_ROUND_MAX: usize = 64;

/// A tree: how large, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeHead {
    /// Its leaves.
    pub(crate) size: TreeSize,
    /// Its root.
    pub(crate) root: Hash,
}

/// What is known of a note's cosignatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    /// Each has been verified under the note's own head.
    Checked,
    Unchecked,
}

/// A certified checkpoint and what its signatures amount to.
pub(crate) type Certificate = (SignedCheckpoint, Certification);

/// Collects cosignatures, and gives this replica's own.
#[derive(Debug)]
pub(crate) struct Certifier {
    log: SigningKey,
    /// Absent where this replica is no cosigner of the policy.
    cosigner: Option<SigningKey>,
    policies: Policies,
    /// The head made durable before the last own cosignature.
    signed: Option<TreeHead>,
    /// Signed by the log and by whoever has been heard, by size; larger than `certified`.
    candidates: BTreeMap<u64, SignedCheckpoint>,
    early: VecDeque<SignedCheckpoint>,
    certified: Option<Certificate>,
    /// Certified since it was last asked for.
    fresh: bool,
    contradictions: Vec<Contradiction>,
}

impl Certifier {
    /// A certifier that has cosigned `signed` in an earlier run.
    pub(crate) fn new(
        log: SigningKey,
        cosigner: Option<SigningKey>,
        policies: Policies,
        signed: Option<TreeHead>,
    ) -> Self {
        Self {
            log,
            cosigner,
            policies,
            signed,
            candidates: BTreeMap::new(),
            early: VecDeque::new(),
            certified: None,
            fresh: false,
            contradictions: Vec::new(),
        }
    }

    /// Whose cosignatures certify.
    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The tree has grown to the last size that the present members certify: `next` are those of the sizes that follow.
    pub(crate) fn succeed(&mut self, last_size: TreeSize, next: Policy) {
        // the lines of larger trees were checked as those of the old members; whoever sent them asks again
        self.early.retain(|note| note.checkpoint().size <= last_size);
        self.policies.begin(last_size, next);
    }

    /// So many changes of the members are certified, and that is durable: what comes behind them may be cosigned.
    pub(crate) fn settle(&mut self, changes: usize) {
        self.policies.settle(changes);
    }

    /// The last certified checkpoint.
    pub(crate) fn certified(&self) -> Option<&SignedCheckpoint> {
        self.certified.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// Leaves that the last certified checkpoint covers.
    pub(crate) fn certified_size(&self) -> TreeSize {
        self.certified().map_or(TreeSize(0), |signed| signed.checkpoint().size)
    }

    /// Whether the note bears this replica's own cosignature of a larger tree than it knows to have signed: then its private
    /// files are an old copy, since the head is durable before any cosignature leaves.
    pub(crate) fn was_rolled_back(&self, note: &SignedCheckpoint) -> bool {
        let beyond = self.signed.is_none_or(|signed| note.checkpoint().size > signed.size);
        let own = self.cosigner.as_ref().is_some_and(|key| {
            let signed = note.note().verify("checkpoint", [key.verifier()]);
            signed.is_ok_and(|lines| !lines.is_empty())
        });
        beyond && own
    }

    /// Takes over the certified checkpoint of an earlier run, which the caller has compared with the tree.
    pub(crate) fn restore(&mut self, signed: SignedCheckpoint) -> Result<(), Error> {
        let policy = self.policies.at(signed.checkpoint().size);
        let certification = policy.verify(&signed)?;
        // it may come from somebody who has added lines, and goes into receipts and public files
        let signed = policy.known_lines(&signed);
        self.certify(signed, certification);
        Ok(())
    }

    /// The tree has grown to `head`, every file of which is written.
    ///
    /// # Errors
    ///
    /// [`Error::Inconsistent`] rather than a second root for a size, or a size below one that was certified.
    pub(crate) fn grown(&mut self, head: TreeHead) -> Result<(), Error> {
        self.check_extends(head)?;
        let checkpoint = Checkpoint {
            origin: self.log.name().to_owned(),
            size: head.size,
            root: head.root,
        };
        // Ed25519 is deterministic: every replica, and a restart, signs the same head with the same bytes
        let signed = checkpoint.sign(&self.log)?;
        let policy = self.policies.at(head.size);
        if policy.needs_no_cosigner() {
            let certification = policy.verify(&signed)?;
            self.certify(signed, certification);
            return Ok(());
        }
        self.candidates.insert(head.size.0, signed);
        while self.candidates.len() > CANDIDATES_MAX {
            // those that have to be certified before what follows them stay
            let oldest = self
                .candidates
                .keys()
                .copied()
                .find(|size| !self.policies.ends_at(TreeSize(*size)));
            oldest.and_then(|size| self.candidates.remove(&size));
        }
        let (due, later): (VecDeque<_>, _) = std::mem::take(&mut self.early)
            .into_iter()
            .filter(|note| note.checkpoint().size >= head.size)
            .partition(|note| note.checkpoint().size == head.size);
        self.early = later;
        for note in due {
            self.merge(&note, Lines::Checked)?;
        }
        Ok(())
    }

    fn check_extends(&self, head: TreeHead) -> Result<(), Error> {
        let Some(last) = self.certified().map(SignedCheckpoint::checkpoint) else {
            return Ok(());
        };
        if head.size < last.size || (head.size == last.size && head.root != last.root) {
            let reason = format!(
                "refusing to sign root {} for {} leaves after root {} for {}",
                head.root, head.size, last.root, last.size
            );
            return Err(Error::Inconsistent { reason });
        }
        Ok(())
    }

    /// The checkpoint that receipts are made against: the certified one.
    pub(crate) fn for_receipts(&self) -> Option<&SignedCheckpoint> {
        match planted("acknowledged when sequenced") {
            true => self.candidates.last_key_value().map(|(_, latest)| latest),
            false => self.certified(),
        }
    }

    /// The head up to which this replica has yet to cosign; `None` when there is nothing to sign.
    pub(crate) fn to_sign(&self) -> Option<TreeHead> {
        let latest = self.latest()?;
        let Checkpoint { size, root, .. } = *latest.checkpoint();
        self.lacks_own(latest).then_some(TreeHead { size, root })
    }

    /// The head made durable before the last own cosignature.
    pub(crate) fn signed(&self) -> Option<TreeHead> {
        self.signed
    }

    /// The largest tree that may be certified now and is not.
    fn latest(&self) -> Option<&SignedCheckpoint> {
        let end = self.policies.bound().map_or(u64::MAX, |bound| bound.0);
        self.candidates.range(..=end).next_back().map(|(_, latest)| latest)
    }

    /// This replica's cosigner, where it is one of those who certify trees of this size.
    fn cosigner_at(&self, size: TreeSize) -> Option<&SigningKey> {
        let cosigner = self.cosigner.as_ref();
        cosigner.filter(|key| self.policies.lists(size, key.verifier()))
    }

    fn lacks_own(&self, candidate: &SignedCheckpoint) -> bool {
        let own = |key: &SigningKey| has_line(candidate, key.name(), key.verifier().key_id());
        self.cosigner_at(candidate.checkpoint().size)
            .is_some_and(|key| !own(key))
    }

    /// Cosigns what waits, up to `durable`, which the caller has made so; gives the notes for the other replicas.
    pub(crate) fn cosign(&mut self, durable: TreeHead, time_unix_s: u64) -> Result<Vec<SignedCheckpoint>, Error> {
        let Some(cosigner) = self.cosigner.clone() else {
            return Ok(Vec::new());
        };
        self.signed = self
            .signed
            .filter(|signed| signed.size > durable.size)
            .or(Some(durable));
        let waiting = self.candidates.range(..=durable.size.0);
        let waiting = waiting.filter(|(_, candidate)| self.lacks_own(candidate));
        let mut waiting: Vec<u64> = waiting.map(|(size, _)| *size).collect();
        waiting.drain(..waiting.len().saturating_sub(COSIGNATURES_PER_ROUND_MAX));
        let mut notes = Vec::with_capacity(waiting.len());
        for size in waiting {
            // an earlier one of this round may have been certified and taken the smaller ones with it
            let Some(candidate) = self.candidates.get_mut(&size) else {
                continue;
            };
            let line = candidate.checkpoint().cosign(&cosigner, time_unix_s)?;
            candidate.add(line)?;
            let note = candidate.with_lines_of(&[self.log.verifier(), cosigner.verifier()]);
            notes.push(note);
            self.certify_when_met(size)?;
        }
        Ok(notes)
    }

    /// The note that tells others how far this replica has signed, while that is not certified.
    pub(crate) fn unanswered(&self, time_unix_s: u64) -> Result<Option<SignedCheckpoint>, Error> {
        if planted("a lost cosignature is not sent again") {
            return Ok(None);
        }
        let Some(candidate) = self.latest() else {
            return Ok(None);
        };
        let size = candidate.checkpoint().size;
        // one that is not among those who certify this size still has to hear of it
        let mut note = candidate.with_lines_of(&[self.log.verifier()]);
        if let Some(cosigner) = self.cosigner_at(size) {
            if self.signed.is_none_or(|signed| signed.size < size) {
                return Ok(None);
            }
            note.add(candidate.checkpoint().cosign(cosigner, time_unix_s)?)?;
        }
        Ok(Some(note))
    }

    /// The largest tree that lacks nothing but cosignatures of witnesses outside, those to which the policy gives a URL. A
    /// witness that were shown it before the replicas agree might cosign a tree that no quorum of them has.
    pub(crate) fn for_witnesses(&self) -> Option<&SignedCheckpoint> {
        let lacks_witnesses = |candidate: &&SignedCheckpoint| {
            let policy = self.policies.at(candidate.checkpoint().size);
            let cosigned = |witness: &Witness| has_line(candidate, witness.key.name(), witness.key.key_id());
            let with_all = |witness: &Witness| witness.url.is_some() || cosigned(witness);
            candidate.checkpoint().size > TreeSize(0)
                && !self.lacks_own(candidate)
                && self.policies.allows(candidate.checkpoint().size)
                && !policy.is_met_by(cosigned)
                && policy.is_met_by(with_all)
        };
        self.candidates.values().rev().find(lacks_witnesses)
    }

    /// Takes the cosignatures of a note that another replica or a witness sent. Whatever is wrong with it is its sender's
    /// fault and changes nothing here.
    pub(crate) fn receive(&mut self, note: &SignedCheckpoint, tree_size: TreeSize) -> Result<(), Error> {
        let head = note.checkpoint();
        if head.origin != self.log.name() {
            return Ok(());
        }
        if head.size <= self.certified_size() && !planted("an older certificate replaces a newer one") {
            let ours = self
                .certified()
                .filter(|ours| ours.checkpoint().size == head.size)
                .cloned();
            if let Some(ours) = ours.filter(|ours| ours.checkpoint() != head) {
                self.contradict(ours, note);
            }
            return Ok(());
        }
        if self.was_rolled_back(note) {
            let size = head.size;
            let reason =
                format!("this replica has cosigned a tree of {size} leaves that its raft log knows nothing of");
            return Err(Error::Inconsistent { reason });
        }
        if head.size > tree_size {
            // what nobody signed is not kept: it would push out what somebody did
            let Some(cosigned) = self.cosigned(note) else {
                return Ok(());
            };
            if self.early.len() == EARLY_NOTES_MAX {
                self.early.pop_front();
            }
            self.early.push_back(cosigned);
            return Ok(());
        }
        self.merge(note, Lines::Unchecked)
    }

    fn merge(&mut self, note: &SignedCheckpoint, lines: Lines) -> Result<(), Error> {
        let size = note.checkpoint().size.0;
        let Some(candidate) = self.candidates.get_mut(&size) else {
            return Ok(());
        };
        if candidate.checkpoint() != note.checkpoint() {
            let ours = candidate.clone();
            self.contradict(ours, note);
            return Ok(());
        }
        for line in note.note().signatures() {
            let Some(witness) = self.policies.at(TreeSize(size)).witness_of(line) else {
                continue;
            };
            if has_line(candidate, &line.name, line.key_id) {
                continue;
            }
            // a wrong line under a known name would make every verifier refuse the whole checkpoint
            let fits = lines == Lines::Checked
                || planted("cosignatures are not verified")
                || candidate.checkpoint().verify_cosignature(&witness.key, line).is_ok();
            if fits {
                // a note takes so many lines and no more; those that are there decide
                let _ = candidate.add(line.clone());
            }
        }
        self.certify_when_met(size)
    }

    /// Whether a note is a certified checkpoint of this ledger, larger than the one known here.
    pub(crate) fn certifies_more(&self, note: &SignedCheckpoint) -> bool {
        let met = |witness: &Witness| has_line(note, witness.key.name(), witness.key.key_id());
        let size = note.checkpoint().size;
        let policy = self.policies.at(size);
        size > self.certified_size()
            && self.policies.allows(size)
            && policy.is_met_by(met)
            && policy.verify(note).is_ok()
            && !planted("another tree is not noticed")
    }

    /// The note with its log's line and those of cosigners, each of which is right; `None` where there is none of these.
    fn cosigned(&self, note: &SignedCheckpoint) -> Option<SignedCheckpoint> {
        // one line of each: a note may have many, and each costs a verification
        let right = |witness: &&Witness| {
            let line = line_of(note, witness.key.name(), witness.key.key_id());
            line.is_some_and(|line| note.checkpoint().verify_cosignature(&witness.key, line).is_ok())
        };
        let policy = self.policies.at(note.checkpoint().size);
        let mut keys: Vec<_> = policy
            .witnesses()
            .iter()
            .filter(right)
            .map(|witness| &witness.key)
            .collect();
        if keys.is_empty() {
            return None;
        }
        keys.push(self.log.verifier());
        Some(note.with_lines_of(&keys))
    }

    fn certify_when_met(&mut self, size: u64) -> Result<(), Error> {
        let Some(candidate) = self.candidates.get(&size) else {
            return Ok(());
        };
        let enough = planted("one cosignature less certifies") && candidate.note().signatures().len() > 2;
        let policy = self.policies.at(TreeSize(size));
        let met = self.policies.allows(TreeSize(size))
            && policy.is_met_by(|witness| has_line(candidate, witness.key.name(), witness.key.key_id()));
        if enough && !met {
            let certification = Certification {
                log: self.log.name().to_owned(),
                alone: false,
                quorum: String::new(),
                cosigners: Vec::new(),
            };
            let signed = candidate.clone();
            self.certify(signed, certification);
        } else if met {
            // every line was checked as it came, and this replica has signed as the log
            let certification = policy.certification(self.log.name(), |witness| {
                let line = line_of(candidate, witness.key.name(), witness.key.key_id());
                line.and_then(NoteSignature::stated_unix_s)
            })?;
            let signed = candidate.clone();
            self.certify(signed, certification);
        }
        Ok(())
    }

    fn certify(&mut self, signed: SignedCheckpoint, certification: Certification) {
        if !planted("an older certificate replaces a newer one") {
            self.candidates = self.candidates.split_off(&(signed.checkpoint().size.0 + 1));
        }
        self.certified = Some((signed, certification));
        self.fresh = true;
    }

    /// The certified checkpoint, where it is newer than at the last call.
    pub(crate) fn take_certified(&mut self) -> Option<Certificate> {
        std::mem::take(&mut self.fresh)
            .then(|| self.certified.clone())
            .flatten()
    }
}

/// Whether a note has a line under this name and key id.
fn has_line(note: &SignedCheckpoint, name: &str, key_id: u32) -> bool {
    line_of(note, name, key_id).is_some()
}

fn line_of<'n>(note: &'n SignedCheckpoint, name: &str, key_id: u32) -> Option<&'n NoteSignature> {
    let mut lines = note.note().signatures().iter();
    lines.find(|line| line.name == name && line.key_id == key_id)
}
