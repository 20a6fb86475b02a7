//! Applies one entry: what every replica must agree on.

use std::collections::BTreeMap;

use bytes::Bytes;
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::tree::LeafIndex;
use dab_proof::writers::Writers;

use super::check::{Refusal, check};
use super::entry::{Content, ProposalBytes, Settings};
use super::heads::{Cover, MapOfEntry, MapStep};
use super::members::{self, Begun};
use super::requests::{CarriedOut, read_once};
use super::view::{Placed, StateView};
use crate::Error;
use crate::checked::CheckedLeaves;
use crate::epoch::Epoch;
use crate::notary::{Conflict, Once};
use crate::planted::planted;
use crate::reader::Head;

/// What applying an entry does to the state.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// One for each proposal of the entry, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// Leaves to append to the tree, in order.
    pub(crate) leaves: Vec<NewLeaf>,
    /// Requests that the entry carries out, in order.
    pub(crate) requests: Vec<([u8; 32], CarriedOut)>,
    /// Settings that hold from the next entry on.
    pub(crate) settings: Option<Settings>,
    /// The epoch that the last leaf begins.
    pub(crate) epoch: Option<Epoch>,
}

/// What becomes of one proposal.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The leaf of each statement, in order: appended now, or in the ledger since an earlier entry.
    Accepted(Vec<LeafIndex>),
    /// The request was carried out by these leaves before.
    CarriedOut(Vec<LeafIndex>),
    /// The request stands for another statement, which has this leaf.
    OtherStatement(LeafIndex),
    Conflict(Conflict),
    Refused(Refusal),
}

impl Verdict {
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self, Verdict::Accepted(_))
    }
}

/// A leaf that an entry appends.
#[derive(Debug)]
pub(crate) struct NewLeaf {
    pub(crate) placed: Placed,
    pub(crate) leaf: SignedLeaf,
    pub(crate) body: Option<Bytes>,
    /// What the leaf makes of the head map.
    pub(crate) map: MapStep,
}

impl NewLeaf {
    pub(crate) fn head(&self) -> Head {
        head_of(&self.leaf, &self.placed)
    }
}

fn head_of(leaf: &SignedLeaf, placed: &Placed) -> Head {
    Head {
        sequence: leaf.leaf().sequence,
        leaf_hash: placed.leaf_hash,
        leaf_index: placed.leaf_index,
    }
}

/// Judges an entry against the state. Pure: the same entry on the same state gives the same effects anywhere, whatever is
/// in `checked`.
///
/// # Errors
///
/// Only when the state cannot be read. A bad proposal is a verdict.
pub(crate) fn apply(view: &dyn StateView, content: Content, checked: &CheckedLeaves) -> Result<Effects, Error> {
    match content {
        Content::Settings(settings) => Ok(apply_settings(view, settings)),
        Content::Group(group) => apply_group(view, group.proposals, checked),
    }
}

fn apply_settings(view: &dyn StateView, settings: Settings) -> Effects {
    // an epoch is replaced by leaves alone: a leader could bring back members who have gone, and a file writers who were revoked
    let may_follow =
        |now: &Settings| now.origin == settings.origin && now.members.is_empty() && settings.members.is_empty();
    let fits = view.settings().is_none_or(may_follow);
    let valid = fits && Writers::parse(settings.writers.as_bytes()).is_ok();
    // no leaf judges these; a replica that proposes bad settings finds its own unchanged
    Effects {
        settings: valid.then_some(settings),
        ..Effects::default()
    }
}

fn apply_group(view: &dyn StateView, proposals: Vec<ProposalBytes>, checked: &CheckedLeaves) -> Result<Effects, Error> {
    let mut group = GroupState {
        view,
        effects: Effects::default(),
        at: BTreeMap::new(),
        map: MapOfEntry::new(view),
        is_last: false,
    };
    let judged = view
        .settings()
        .and_then(|settings| Some((settings, Writers::parse(settings.writers.as_bytes()).ok()?)));
    let last = proposals.len().saturating_sub(1);
    for (place, proposal) in proposals.into_iter().enumerate() {
        group.is_last = place == last;
        let leaves = match &judged {
            Some((settings, writers)) => check(&proposal, &settings.origin, writers, checked),
            None => Err(Refusal {
                subject: None,
                reason: "the ledger has no settings yet".to_owned(),
            }),
        };
        let verdict = match leaves {
            Ok(leaves) => group.judge(leaves, proposal)?,
            Err(refusal) => Verdict::Refused(refusal),
        };
        group.effects.verdicts.push(verdict);
    }
    Ok(group.effects)
}

/// The state as it is after the entry's earlier proposals.
struct GroupState<'a> {
    view: &'a dyn StateView,
    effects: Effects,
    /// Which of the new leaves stand at a subject and sequence.
    at: BTreeMap<String, BTreeMap<u64, usize>>,
    map: MapOfEntry<'a>,
    /// No proposal of the entry follows.
    is_last: bool,
}

enum Fit {
    Next,
    Duplicate(LeafIndex),
    Conflict,
}

impl GroupState<'_> {
    /// All statements are new and follow on, or all are in the ledger already; anything else is a conflict. (A mixture
    /// cannot come from a retry: the statements of a proposal enter together.)
    fn judge(&mut self, leaves: Vec<SignedLeaf>, proposal: ProposalBytes) -> Result<Verdict, Error> {
        let fits = leaves
            .iter()
            .map(|leaf| self.fit(leaf))
            .collect::<Result<Vec<_>, _>>()?;
        let known: Option<Vec<LeafIndex>> = fits
            .iter()
            .map(|fit| {
                if let Fit::Duplicate(leaf_index) = fit {
                    Some(*leaf_index)
                } else {
                    None
                }
            })
            .collect();
        if let Some(known) = known {
            return Ok(Verdict::Accepted(known));
        }
        // not malformed: it was checked with the leaves
        let once = read_once(&proposal).ok().flatten();
        if let Some(once) = &once
            && let Some(earlier) = self.carried_out(once)?
        {
            return Ok(match earlier.answer(once) {
                Ok(leaves) => Verdict::CarriedOut(leaves),
                Err(_) => Verdict::OtherStatement(earlier.leaves[0]),
            });
        }
        if let Some(lost) = fits.iter().position(|fit| !matches!(fit, Fit::Next)) {
            let subject = leaves[lost].leaf().subject.clone();
            let head = self.head(&subject)?;
            if planted("a proposal enters in part") {
                let next = leaves.iter().zip(&fits).filter(|(_, fit)| matches!(fit, Fit::Next));
                next.map(|(leaf, _)| self.append(leaf.clone(), None, None))
                    .collect::<Result<Vec<_>, _>>()?;
            }
            return Ok(Verdict::Conflict(Conflict { subject, head }));
        }
        let bodies = proposal.statements.into_iter().map(|statement| statement.body);
        let leaves: Vec<_> = leaves.into_iter().zip(bodies).collect();
        let mut cover = None;
        if let [(leaf, body)] = &leaves[..]
            && leaf.leaf().subject.is_heads()
        {
            match self.map.judge(leaf, body.as_ref())? {
                Ok(found) => cover = Some(found),
                Err(refusal) => return Ok(Verdict::Refused(refusal)),
            }
        }
        if let [(leaf, body)] = &leaves[..]
            && leaf.leaf().subject.is_members()
        {
            match self.judge_members(leaf, body.as_ref()) {
                Ok(Begun { epoch, changes_bytes }) => {
                    self.effects.settings = Some(Settings::of(&epoch, changes_bytes));
                    self.effects.epoch = Some(epoch);
                }
                Err(refusal) => return Ok(Verdict::Refused(refusal)),
            }
        }
        let indexes = leaves.into_iter().map(|(leaf, body)| self.append(leaf, body, cover));
        let leaves: Vec<LeafIndex> = indexes.collect::<Result<_, _>>()?;
        if let Some(Once { request, statement }) = once {
            let leaves = leaves.clone();
            self.effects.requests.push((request, CarriedOut { statement, leaves }));
        }
        Ok(Verdict::Accepted(leaves))
    }

    /// What is remembered of a request.
    fn carried_out(&self, once: &Once) -> Result<Option<CarriedOut>, Error> {
        let in_entry = self
            .effects
            .requests
            .iter()
            .rev()
            .find(|(request, _)| *request == once.request);
        let known = match in_entry {
            Some((_, carried_out)) => Some(carried_out.clone()),
            None => self.view.request(&once.request)?,
        };
        let tree_size = self.view.tree_size() + self.effects.leaves.len() as u64;
        Ok(known.filter(|known| known.is_remembered(tree_size)))
    }

    /// Such a leaf ends its entry, so that each replica has the tree that the old members certify last.
    fn judge_members(&self, leaf: &SignedLeaf, body: Option<&Bytes>) -> Result<Begun, Refusal> {
        match self.view.settings() {
            Some(settings) if self.is_last => members::judge(settings, leaf, body, self.next_index()),
            _ => Err(Refusal {
                subject: Some(leaf.leaf().subject.clone()),
                reason: "a change of the members is the last of its entry".to_owned(),
            }),
        }
    }

    /// Where the next leaf comes to stand.
    fn next_index(&self) -> LeafIndex {
        LeafIndex(self.view.tree_size() + self.effects.leaves.len() as u64)
    }

    fn fit(&self, signed: &SignedLeaf) -> Result<Fit, Error> {
        let leaf = signed.leaf();
        let head = self.head(&leaf.subject)?;
        // most leaves are new, and nothing stands behind a head
        let may_stand = head.is_some_and(|head| leaf.sequence <= head.sequence);
        if may_stand && let Some(placed) = self.placed(&leaf.subject, leaf.sequence)? {
            let same = placed.text_hash == text_hash(signed) && !planted("a retry is a conflict");
            if !same && planted("a sequence may be taken twice") {
                return Ok(Fit::Next);
            }
            if same && planted("a retry is appended again") {
                return Ok(Fit::Next);
            }
            return Ok(if same {
                Fit::Duplicate(placed.leaf_index)
            } else {
                Fit::Conflict
            });
        }
        let (sequence, parent) = match head {
            Some(head) => (head.sequence.checked_add(1), Some(head.leaf_hash)),
            None => (Some(0), None),
        };
        let parent_fits = parent == leaf.parent || planted("the parent is not looked at");
        let follows = sequence == Some(leaf.sequence) && parent_fits;
        Ok(if follows { Fit::Next } else { Fit::Conflict })
    }

    fn append(&mut self, leaf: SignedLeaf, body: Option<Bytes>, cover: Option<Cover>) -> Result<LeafIndex, Error> {
        let leaf_index = self.next_index();
        let placed = Placed {
            leaf_index,
            leaf_hash: leaf.hash(),
            text_hash: text_hash(&leaf),
        };
        let (name, sequence) = (leaf.leaf().subject.as_str().to_owned(), leaf.leaf().sequence);
        let map = self.map.append(&leaf.leaf().subject, head_of(&leaf, &placed), cover)?;
        self.at
            .entry(name)
            .or_default()
            .insert(sequence, self.effects.leaves.len());
        self.effects.leaves.push(NewLeaf {
            placed,
            leaf,
            body,
            map,
        });
        Ok(leaf_index)
    }

    fn placed(&self, subject: &Subject, sequence: u64) -> Result<Option<Placed>, Error> {
        let in_entry = self.at.get(subject.as_str()).and_then(|at| at.get(&sequence));
        match in_entry {
            Some(&at) => Ok(Some(self.effects.leaves[at].placed)),
            None => self.view.placed(subject, sequence),
        }
    }

    fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        let in_entry = self.at.get(subject.as_str()).and_then(BTreeMap::last_key_value);
        match in_entry {
            Some((_, &at)) => Ok(Some(self.effects.leaves[at].head())),
            None => self.view.head(subject),
        }
    }
}

/// What two leaves have in common when they are the same statement, whatever their signature bytes.
fn text_hash(leaf: &SignedLeaf) -> [u8; 32] {
    dab_proof::leaf::BodyDigest::of(leaf.text().as_bytes()).sha256
}
