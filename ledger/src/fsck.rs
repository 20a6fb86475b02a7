//! Recomputes everything and compares: the public files with themselves, then the private state with them.

use std::collections::BTreeSet;

use dab_proof::audit::audit_ledger;
use dab_proof::head_map::{MapKey, MemoryMap};
use dab_proof::leaf::{SignedLeaf, Subject};
use dab_proof::report::{Finding, Report};
use dab_proof::source::Source;
use dab_proof::tile::{self, BundlePath, HASHES_PER_TILE};
use dab_proof::tree::{LeafIndex, TreeSize};
use dab_proof::trust::Trust;

use crate::Error;
use crate::shared::Shared;
use crate::state_machine::StateView;
use crate::state_machine::heads::map_entry;

/// The auditor's report on the public files, with what the private state has to say about the same leaves.
pub(crate) fn fsck(shared: &Shared, trust: &Trust) -> Result<Report, Error> {
    // leaves that come while this runs are left to the next check
    let (size, checkpoint) = shared.read(|visible, _| Ok((visible.certified.size, visible.checkpoint.clone())))?;
    let since = checkpoint.map(|signed| signed.to_bytes());
    let mut report = audit_ledger(&shared.files, trust, since.as_deref());
    let failures = report.failures.len() + report.undecided.len();
    let mut subjects = BTreeSet::new();
    for index in 0..size.0.div_ceil(u64::from(HASHES_PER_TILE)) {
        let path = bundle_path(index, size)?;
        match tile::read_bundle(&shared.files as &dyn Source, path) {
            Ok(entries) => {
                for (at, entry) in entries.iter().enumerate() {
                    let leaf_index = LeafIndex(index * u64::from(HASHES_PER_TILE) + at as u64);
                    // what is no leaf stands in the auditor's report
                    if let Ok(leaf) = SignedLeaf::from_bytes(entry) {
                        compare_leaf(shared, &mut report, leaf_index, &leaf)?;
                        subjects.insert(leaf.leaf().subject.as_str().to_owned());
                    }
                }
            }
            Err(error) => report.error(&error, Finding::default()),
        }
    }
    compare_heads(shared, &mut report, &subjects, size)?;
    compare_map(shared, &mut report)?;
    if report.failures.len() + report.undecided.len() == failures {
        report.check(format!(
            "heads, head map, positions and private bodies in the state, against {size} leaves"
        ));
    }
    Ok(report)
}

fn bundle_path(index: u64, size: TreeSize) -> Result<BundlePath, Error> {
    Ok(BundlePath::holding(
        LeafIndex(index * u64::from(HASHES_PER_TILE)),
        size,
    )?)
}

fn compare_leaf(shared: &Shared, report: &mut Report, leaf_index: LeafIndex, leaf: &SignedLeaf) -> Result<(), Error> {
    let (subject, sequence) = (&leaf.leaf().subject, leaf.leaf().sequence);
    let what = format!("leaf {leaf_index} ({subject}, sequence {sequence})");
    let placed = shared.read(|_, state| state.placed(subject, sequence))?;
    if placed.is_none_or(|placed| placed.leaf_index != leaf_index || placed.leaf_hash != leaf.hash()) {
        let message = format!("{what} is not the one that the state was made from");
        report.fail(Finding::new(message).leaf(leaf_index.0));
    }
    let body = shared.read(|_, state| state.body(subject, sequence))?;
    if body.is_some_and(|body| !leaf.leaf().body.matches(&body)) {
        let message = format!("the private body of {what} does not match its digest");
        report.fail(Finding::new(message).leaf(leaf_index.0));
    }
    Ok(())
}

/// Every head is the last leaf of its subject, and no subject has a head without leaves.
fn compare_heads(
    shared: &Shared,
    report: &mut Report,
    subjects: &BTreeSet<String>,
    size: TreeSize,
) -> Result<(), Error> {
    let heads = shared.read(|_, state| state.subjects(""))?;
    for (subject, head) in heads.iter().filter(|(_, head)| head.leaf_index.0 < size.0) {
        let at_head = shared.read(|_, state| state.placed(subject, head.sequence))?;
        let next = head.sequence.checked_add(1);
        let beyond = next.map_or(Ok(None), |next| shared.read(|_, state| state.placed(subject, next)))?;
        let holds = at_head
            .is_some_and(|placed| placed.leaf_index == head.leaf_index && placed.leaf_hash == head.leaf_hash)
            && beyond.is_none_or(|beyond| beyond.leaf_index.0 >= size.0);
        if !holds {
            report.fail(Finding::new(format!(
                "the head of {subject} in the state is not its last leaf"
            )));
        }
        if !subjects.contains(subject.as_str()) {
            report.fail(Finding::new(format!(
                "the state has a head of {subject}, which has no leaf"
            )));
        }
    }
    let known: BTreeSet<&str> = heads.iter().map(|(subject, _)| Subject::as_str(subject)).collect();
    for subject in subjects.iter().filter(|subject| !known.contains(subject.as_str())) {
        report.fail(Finding::new(format!("the state has no head of {subject}")));
    }
    Ok(())
}

/// The head map is the one that the heads make, and has each of them.
fn compare_map(shared: &Shared, report: &mut Report) -> Result<(), Error> {
    let (heads, map) = shared.read(|_, state| Ok((state.subjects("")?, state.map_at(state.tree_size())?)))?;
    let mut made = MemoryMap::default();
    for (subject, head) in heads.iter().filter(|(subject, _)| !subject.is_heads()) {
        made.set(map_entry(subject, head))?;
    }
    if map != Some(made.map) {
        let (ours, root) = (map.map(|map| map.root.to_string()), made.map.root);
        let ours = ours.unwrap_or_else(|| "unknown".to_owned());
        report.fail(Finding::new(format!(
            "the root of the head map in the state is {ours}, the heads make {root}"
        )));
        return Ok(());
    }
    for (subject, _) in heads.iter().filter(|(subject, _)| !subject.is_heads()) {
        // head and map at one moment, which may be later than the one before
        let found = shared.read(|_, state| {
            let (map, head) = (state.map_at(state.tree_size())?, state.head(subject)?);
            let (map, key) = (map.unwrap_or_default(), MapKey::of(subject));
            let path = map.find(state, &key)?;
            let entry = head.map(|head| map_entry(subject, &head));
            Ok(path.entry_of(&key).copied() == entry && path.root(&key)? == map.root)
        });
        match found {
            Ok(true) => {}
            Ok(false) => report.fail(Finding::new(format!(
                "the head map in the state has not the head of {subject}"
            ))),
            Err(Error::Proof(error)) => report.error(&error, Finding::default()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
