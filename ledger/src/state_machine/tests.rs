//! The one rule of the ledger, on a state in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use dab_proof::hash::Hash;
use dab_proof::head_map::{HeadMap, HeadNodes};
use dab_proof::leaf::Subject;
use dab_proof::note::SigningKey;
use dab_proof::tree::LeafIndex;
use proptest::prelude::*;

use super::entry::{Content, Group, OnceBytes, ProposalBytes, StatementBytes};
use super::heads::NodeSince;
use super::{CarriedOut, Cover, Effects, LedgerEntry, Placed, Settings, StateView, Verdict, apply};
use crate::Error;
use crate::checked::CheckedLeaves;
use crate::notary::{BODY_BYTES_MAX, PROPOSAL_STATEMENTS_MAX, Statement};
use crate::reader::Head;
use crate::testing::{heads_statement, private_statement, statement};

mod heads;
mod requests;
mod writers;

const ORIGIN: &str = "dab/test";

/// The state machine with a state made of maps.
struct World {
    writer: SigningKey,
    settings: Option<Settings>,
    heads: BTreeMap<String, Head>,
    placed: BTreeMap<(String, u64), Placed>,
    size: u64,
    nodes: BTreeMap<Hash, NodeSince>,
    /// The map of each size.
    maps: Vec<HeadMap>,
    covers: Vec<Cover>,
    requests: BTreeMap<[u8; 32], CarriedOut>,
}

impl HeadNodes for World {
    type Error = Error;

    fn node(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.nodes.get(hash).map(|node| node.bytes.to_vec()))
    }
}

impl StateView for World {
    fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    fn tree_size(&self) -> u64 {
        self.size
    }

    fn head(&self, subject: &Subject) -> Result<Option<Head>, Error> {
        Ok(self.heads.get(subject.as_str()).copied())
    }

    fn placed(&self, subject: &Subject, sequence: u64) -> Result<Option<Placed>, Error> {
        Ok(self.placed.get(&(subject.as_str().to_owned(), sequence)).copied())
    }

    fn request(&self, request: &[u8; 32]) -> Result<Option<CarriedOut>, Error> {
        Ok(self.requests.get(request).cloned())
    }

    fn map_at(&self, size: u64) -> Result<Option<HeadMap>, Error> {
        Ok(self.maps.get(size as usize).copied())
    }

    fn map_node(&self, hash: &Hash) -> Result<Option<NodeSince>, Error> {
        Ok(self.nodes.get(hash).cloned())
    }

    fn last_cover(&self) -> Result<Option<Cover>, Error> {
        Ok(self.covers.last().copied())
    }
}

impl World {
    fn new() -> Self {
        let writer = SigningKey::generate("dab/test/writer", &[1; 32]).unwrap();
        let writers = format!("{} table/* catalog heads\n", writer.verifier());
        let settings = Some(Settings {
            origin: ORIGIN.to_owned(),
            writers,
            members: String::new(),
            changes_bytes: 0,
        });
        Self {
            writer,
            settings,
            heads: BTreeMap::new(),
            placed: BTreeMap::new(),
            size: 0,
            nodes: BTreeMap::new(),
            maps: vec![HeadMap::default()],
            covers: Vec::new(),
            requests: BTreeMap::new(),
        }
    }

    fn take(&mut self, content: Content) -> Vec<Verdict> {
        // an entry goes through its bytes, as it does in the raft log
        let entry = match content {
            Content::Group(group) => LedgerEntry::group(group.proposals),
            Content::Settings(settings) => LedgerEntry::settings(settings),
        };
        let content = LedgerEntry::from_bytes(1, &entry.to_bytes()).unwrap();
        let Effects {
            verdicts,
            leaves,
            requests,
            settings,
            epoch: _,
        } = apply(self, content, &CheckedLeaves::default()).unwrap();
        for new in leaves {
            assert_eq!(
                new.placed.leaf_index,
                LeafIndex(self.size),
                "leaves are appended without gaps"
            );
            self.size += 1;
            let leaf = new.leaf.leaf();
            let subject = leaf.subject.as_str().to_owned();
            assert!(
                self.placed
                    .insert((subject.clone(), leaf.sequence), new.placed)
                    .is_none(),
                "a leaf was replaced"
            );
            self.heads.insert(subject, new.head());
            for (hash, node) in &new.map.gone {
                assert_eq!(self.nodes.get(hash), Some(node), "a node that went was not there");
            }
            let since = self.size;
            let made = new.map.made.into_iter();
            self.nodes
                .extend(made.map(|(hash, bytes)| (hash, NodeSince { since, bytes })));
            self.maps.push(new.map.map);
            self.covers.extend(new.map.cover);
        }
        self.requests.extend(requests);
        if settings.is_some() {
            self.settings = settings;
        }
        verdicts
    }

    fn propose(&mut self, proposals: Vec<Vec<Statement>>) -> Vec<Verdict> {
        let proposals = proposals.into_iter().map(bytes_of).collect();
        self.take(Content::Group(Group { proposals }))
    }

    fn propose_one(&mut self, statements: Vec<Statement>) -> Verdict {
        self.propose(vec![statements]).remove(0)
    }

    fn statement(&self, subject: &str, sequence: u64, parent: Option<Hash>, body: &str) -> Statement {
        statement(ORIGIN, &self.writer, subject, sequence, parent, body)
    }
}

fn bytes_of(statements: Vec<Statement>) -> ProposalBytes {
    let bytes = |s: Statement| StatementBytes {
        leaf: s.leaf.bytes().to_vec(),
        body: s.body,
    };
    ProposalBytes {
        statements: statements.into_iter().map(bytes).collect(),
        request: Vec::new(),
        once: None,
    }
}

#[track_caller]
fn accepted(verdict: Verdict) -> Vec<u64> {
    match verdict {
        Verdict::Accepted(indexes) => indexes.into_iter().map(|index| index.0).collect(),
        other => panic!("not accepted: {other:?}"),
    }
}

#[track_caller]
fn conflict(verdict: Verdict) -> (String, Option<u64>) {
    match verdict {
        Verdict::Conflict(conflict) => (conflict.subject.to_string(), conflict.head.map(|head| head.sequence)),
        other => panic!("no conflict: {other:?}"),
    }
}

#[track_caller]
fn refused(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refused(refusal) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_subject_grows_by_one_sequence_and_the_right_parent() {
    let mut world = World::new();
    let first = world.statement("table/a", 0, None, "0");
    let parent = Some(first.leaf.hash());
    assert_eq!(accepted(world.propose_one(vec![first.clone()])), [0]);
    for wrong in [
        world.statement("table/a", 0, None, "another"),
        world.statement("table/a", 1, Some(dab_proof::hash::leaf_hash(b"x")), "1"),
        world.statement("table/a", 2, parent, "2"),
        world.statement("table/a", u64::MAX, parent, "max"),
    ] {
        assert_eq!(
            conflict(world.propose_one(vec![wrong])),
            ("table/a".to_owned(), Some(0))
        );
    }
    let orphan = world.statement("table/b", 1, parent, "1");
    assert_eq!(conflict(world.propose_one(vec![orphan])), ("table/b".to_owned(), None));
    assert_eq!(
        accepted(world.propose_one(vec![world.statement("table/a", 1, parent, "1")])),
        [1]
    );
    assert_eq!(world.size, 2);
}

#[test]
fn the_same_text_is_answered_with_the_leaf_that_stands_there_whatever_signed_it() {
    let mut world = World::new();
    let other = SigningKey::generate("dab/test/other", &[2; 32]).unwrap();
    let settings = world.settings.clone().unwrap();
    let writers = format!("{}{} *\n", settings.writers, other.verifier());
    world.take(Content::Settings(Settings { writers, ..settings }));
    let first = world.statement("table/a", 0, None, "0");
    let resigned = statement(ORIGIN, &other, "table/a", 0, None, "0");
    assert_ne!(first.leaf.hash(), resigned.leaf.hash());
    assert_eq!(accepted(world.propose_one(vec![first.clone()])), [0]);
    let next = world.statement("table/a", 1, Some(first.leaf.hash()), "1");
    assert_eq!(accepted(world.propose_one(vec![next])), [1]);
    // also when the head has moved on, and when it comes twice in one entry
    let verdicts = world.propose(vec![vec![first], vec![resigned]]);
    assert_eq!(verdicts.into_iter().map(accepted).collect::<Vec<_>>(), [[0], [0]]);
    assert_eq!(world.size, 2);
}

#[test]
fn a_proposal_is_taken_whole_or_not_at_all() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "a0");
    let b0 = world.statement("table/b", 0, None, "b0");
    let c5 = world.statement("table/c", 5, Some(a0.leaf.hash()), "c5");
    assert_eq!(
        conflict(world.propose_one(vec![a0.clone(), b0.clone(), c5])),
        ("table/c".to_owned(), None)
    );
    assert_eq!(world.size, 0);
    assert_eq!(accepted(world.propose_one(vec![b0.clone(), a0.clone()])), [0, 1]);
    // a retry, in another order even, has the same leaves
    assert_eq!(accepted(world.propose_one(vec![a0.clone(), b0])), [1, 0]);
    // half known and half new is no retry
    let c0 = world.statement("table/c", 0, None, "c0");
    assert_eq!(
        conflict(world.propose_one(vec![c0, a0])),
        ("table/a".to_owned(), Some(0))
    );
    assert_eq!(world.size, 2);
}

#[test]
fn proposals_of_one_entry_see_those_before_them() {
    let mut world = World::new();
    let a0 = world.statement("table/a", 0, None, "a0");
    let a1 = world.statement("table/a", 1, Some(a0.leaf.hash()), "a1");
    let rival = world.statement("table/a", 0, None, "rival");
    let verdicts = world.propose(vec![vec![a0.clone()], vec![rival], vec![a1], vec![a0]]);
    let mut verdicts = verdicts.into_iter();
    assert_eq!(accepted(verdicts.next().unwrap()), [0]);
    assert_eq!(conflict(verdicts.next().unwrap()), ("table/a".to_owned(), Some(0)));
    assert_eq!(accepted(verdicts.next().unwrap()), [1]);
    assert_eq!(accepted(verdicts.next().unwrap()), [0]);
}

#[test]
fn a_statement_that_breaks_a_rule_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let stranger = SigningKey::generate("dab/stranger", &[3; 32]).unwrap();
    let good = world.statement("table/a", 0, None, "0");
    let twice = world.statement("table/a", 1, Some(good.leaf.hash()), "1");
    let mut body = private_statement(ORIGIN, &world.writer, "table/a", 0, None, "body");
    body.body = Some(Bytes::from_static(b"bodY"));
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let many = |count: usize| {
        (0..count)
            .map(|at| world.statement(&format!("table/{at}"), 0, None, "x"))
            .collect()
    };
    let large = "x".repeat(BODY_BYTES_MAX);
    let large = (0..17).map(|at| private_statement(ORIGIN, &world.writer, &format!("table/{at}"), 0, None, &large));
    let cases: [(Vec<Statement>, &str); 9] = [
        (vec![], "1 to 256 statements, not 0"),
        (many(PROPOSAL_STATEMENTS_MAX + 1), "1 to 256 statements, not 257"),
        (large.collect(), "at most 1048576 bytes"),
        (
            vec![statement("dab/other", &world.writer, "table/a", 0, None, "0")],
            "its origin is dab/other",
        ),
        (
            vec![statement(ORIGIN, &stranger, "table/a", 0, None, "0")],
            "dab/stranger",
        ),
        (
            vec![world.statement("access", 0, None, "0")],
            "may not write subject access",
        ),
        (vec![body], "does not match the digest"),
        (
            vec![private_statement(ORIGIN, &world.writer, "table/a", 0, None, &long)],
            "its body has 65537 bytes",
        ),
        (vec![good.clone(), twice], "two statements on this subject"),
    ];
    for (statements, expected) in cases {
        let reason = refused(world.propose_one(statements));
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
    // bytes that are no leaf can come from another replica only
    for leaf in [b"".to_vec(), b"garbage".to_vec(), good.leaf.bytes()[1..].to_vec()] {
        let statements = vec![StatementBytes { leaf, body: None }];
        let proposals = vec![ProposalBytes {
            statements,
            request: Vec::new(),
            once: None,
        }];
        refused(world.take(Content::Group(Group { proposals })).remove(0));
    }
    assert_eq!((world.size, world.heads.len()), (0, 0));
}

#[test]
fn nothing_is_accepted_before_the_first_settings_and_the_origin_stays() {
    let mut world = World::new();
    let settings = world.settings.take().unwrap();
    let first = world.statement("table/a", 0, None, "0");
    assert!(refused(world.propose_one(vec![first.clone()])).contains("no settings"));
    world.take(Content::Settings(settings.clone()));
    world.take(Content::Settings(Settings {
        origin: "dab/other".to_owned(),
        ..settings.clone()
    }));
    world.take(Content::Settings(Settings {
        writers: "nonsense".to_owned(),
        ..settings.clone()
    }));
    assert_eq!(world.settings, Some(settings));
    assert_eq!(accepted(world.propose_one(vec![first])), [0]);
}

#[test]
fn an_entry_that_this_release_cannot_know_stops_the_node() {
    let group = |version| {
        LedgerEntry {
            version,
            content: Some(Content::Group(Group::default())),
        }
        .to_bytes()
    };
    assert!(LedgerEntry::from_bytes(7, &group(1)).is_ok());
    let newer = LedgerEntry::from_bytes(7, &group(3)).unwrap_err().to_string();
    assert!(newer.contains("raft entry 7 has version 3"), "{newer}");
    assert!(
        LedgerEntry::from_bytes(
            7,
            &LedgerEntry {
                version: 1,
                content: None
            }
            .to_bytes()
        )
        .is_err()
    );
    assert!(LedgerEntry::from_bytes(7, b"\xff").is_err());
}

#[test]
fn the_bytes_of_an_entry_are_pinned() {
    let statement = StatementBytes {
        leaf: b"leaf".to_vec(),
        body: Some(Bytes::from_static(b"b")),
    };
    let group = LedgerEntry::group(vec![ProposalBytes {
        statements: vec![statement],
        request: b"r".to_vec(),
        once: None,
    }]);
    assert_eq!(
        group.to_bytes(),
        b"\x08\x01\x12\x10\x0a\x0e\x0a\x09\x0a\x04leaf\x12\x01b\x12\x01r"
    );
    let settings = LedgerEntry::settings(Settings {
        origin: "o".to_owned(),
        writers: "w".to_owned(),
        members: String::new(),
        changes_bytes: 0,
    });
    assert_eq!(settings.to_bytes(), b"\x08\x01\x1a\x06\x0a\x01o\x12\x01w");
    let Some(Content::Group(mut group)) = group.content else {
        panic!("a group");
    };
    group.proposals[0].once = Some(OnceBytes {
        request: b"q".to_vec(),
        statement: b"s".to_vec(),
    });
    let group = LedgerEntry::group(group.proposals);
    assert_eq!(
        group.to_bytes(),
        b"\x08\x02\x12\x18\x0a\x16\x0a\x09\x0a\x04leaf\x12\x01b\x12\x01r\x1a\x06\x0a\x01q\x12\x01s"
    );
    // what an older release would read over
    let posing = LedgerEntry { version: 1, ..group };
    let refused = LedgerEntry::from_bytes(7, &posing.to_bytes()).unwrap_err().to_string();
    assert!(refused.contains("has version 1, and requests"), "{refused}");
}

/// What a client might propose: on which of a few subjects, at which sequence, over which of the bodies it knows.
fn statements() -> impl Strategy<Value = Vec<(u8, u64, u8, bool)>> {
    prop::collection::vec((0..3u8, 0..4u64, 0..3u8, any::<bool>()), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two replicas that are given the same entries, grouped differently, come to the same state; and whatever is
    /// proposed, each subject is a chain.
    #[test]
    fn grouping_does_not_change_the_state(proposals in prop::collection::vec(statements(), 1..20), cut in 1..6usize) {
        let (mut one, mut other) = (World::new(), World::new());
        for chunk in proposals.chunks(cut) {
            let mut group = Vec::new();
            for wanted in chunk {
                let proposal: Vec<_> = wanted.iter().map(|&(subject, sequence, body, follow)| {
                    let subject = format!("table/{subject}");
                    let head = other.heads.get(&subject);
                    let next = head.map_or(0, |head| head.sequence + 1);
                    let wrong = (sequence > 0).then(|| dab_proof::hash::leaf_hash(b"x"));
                    let right = head.map(|head| head.leaf_hash);
                    let (sequence, parent) = if follow { (next, right) } else { (sequence, wrong) };
                    one.statement(&subject, sequence, parent, &body.to_string())
                }).collect();
                other.propose(vec![proposal.clone()]);
                group.push(proposal);
            }
            one.propose(group);
        }
        prop_assert_eq!(&one.heads, &other.heads);
        prop_assert_eq!(&one.placed, &other.placed);
        for (subject, head) in &one.heads {
            for sequence in 0..=head.sequence {
                prop_assert!(one.placed.contains_key(&(subject.clone(), sequence)));
            }
        }
    }
}

/// A leader could bring back the members who founded the ledger, and with them approvals that were used before.
#[test]
fn settings_of_several_replicas_come_once() {
    let mut world = World::new();
    let alone = world.settings.take().unwrap();
    let founded = Settings {
        members: "who founded the ledger".to_owned(),
        ..alone.clone()
    };
    world.take(Content::Settings(founded.clone()));
    assert_eq!(world.settings, Some(founded.clone()));
    let later = Settings {
        members: "who came later".to_owned(),
        ..founded.clone()
    };
    world.settings = Some(later.clone());
    for settings in [founded, alone] {
        world.take(Content::Settings(settings));
        assert_eq!(world.settings, Some(later.clone()));
    }
}
