//! The map in the database, through flushes and crashes, against one made anew from the leaves.

use std::collections::BTreeMap;

use dab_proof::head_map::MapKey;
use dab_proof::heads_leaf::HeadsBody;
use dab_proof::note::SigningKey;
use redb::{ReadableTableMetadata, TableHandle};

use super::*;
use crate::checked::CheckedLeaves;
use crate::disk::LocalDisk;
use crate::notary::{Proposal, Statement};
use crate::reader::Head;
use crate::state_machine::entry::{Content, Group, ProposalBytes};
use crate::state_machine::{Settings, StateView, Verdict, apply};
use crate::state_store::Meta;
use crate::testing::{heads_statement, statement};

const ORIGIN: &str = "dab/test";
const SUBJECTS: u64 = 40;

/// A state database, the entries that made it, and every leaf in order.
struct World {
    dir: tempfile::TempDir,
    store: Option<StateStore>,
    writer: SigningKey,
    log: Vec<Content>,
    leaves: Vec<(Subject, Head)>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let writer = SigningKey::generate("dab/test/writer", &[1; 32]).unwrap();
        let mut world = Self {
            store: None,
            dir,
            writer,
            log: Vec::new(),
            leaves: Vec::new(),
        };
        world.open();
        let writers = format!("{} *\n", world.writer.verifier());
        let origin = ORIGIN.to_owned();
        world.take(Content::Settings(Settings {
            origin,
            writers,
            members: String::new(),
            changes_bytes: 0,
        }));
        world
    }

    fn store(&mut self) -> &mut StateStore {
        self.store.as_mut().unwrap()
    }

    /// Opens the database and replays what it lacks, as after a crash.
    fn open(&mut self) {
        self.store = None;
        let path = self.dir.path().join("state.redb");
        self.store = Some(StateStore::open(&LocalDisk, &path, 8).unwrap());
        let applied = self.store().meta.applied_index as usize;
        let lacking: Vec<Content> = self.log[applied..].to_vec();
        for content in lacking {
            self.apply(content);
        }
    }

    fn flush(&mut self) {
        self.store().flush().unwrap();
        self.store().forget_recent();
    }

    fn apply(&mut self, content: Content) -> Vec<(Subject, Head)> {
        let store = self.store();
        let effects = apply(store, content, &CheckedLeaves::default()).unwrap();
        let refused = effects
            .verdicts
            .iter()
            .find(|verdict| !matches!(verdict, Verdict::Accepted(_)));
        assert!(refused.is_none(), "{refused:?}");
        store.insert(&effects);
        store.meta.tree_size += effects.leaves.len() as u64;
        store.meta.applied_index += 1;
        if effects.settings.is_some() {
            store.meta.settings = effects.settings;
        }
        let leaf = |new: &crate::state_machine::apply::NewLeaf| (new.leaf.leaf().subject.clone(), new.head());
        effects.leaves.iter().map(leaf).collect()
    }

    fn take(&mut self, content: Content) {
        self.log.push(content.clone());
        let leaves = self.apply(content);
        self.leaves.extend(leaves);
    }

    /// One entry with the next leaf of each of these tables.
    fn grow(&mut self, tables: impl IntoIterator<Item = u64>) {
        let mut heads: BTreeMap<u64, Head> = BTreeMap::new();
        let mut proposals = Vec::new();
        for table in tables {
            let subject = format!("table/{table}");
            let head = self.store().head(&subject.parse().unwrap()).unwrap();
            let head = heads.get(&table).copied().or(head);
            let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
            let statement = statement(ORIGIN, &self.writer, &subject, sequence, parent, "x");
            let (leaf_hash, leaf_index) = (statement.leaf.hash(), LeafIndex(0));
            heads.insert(
                table,
                Head {
                    sequence,
                    leaf_hash,
                    leaf_index,
                },
            );
            proposals.push(proposal(statement));
        }
        self.take(Content::Group(Group { proposals }));
    }

    /// A heads leaf over all leaves but the last `behind`.
    fn bind(&mut self, behind: u64) {
        let size = self.leaves.len() as u64 - behind;
        let HeadMap { root, subjects } = self.store().map_at(size).unwrap().expect("within the window");
        let head = self.store().head(&Subject::heads()).unwrap();
        let (sequence, parent) = head.map_or((0, None), |head| (head.sequence + 1, Some(head.leaf_hash)));
        let body = HeadsBody {
            origin: ORIGIN.to_owned(),
            size: TreeSize(size),
            subjects,
            root,
        };
        let proposals = vec![proposal(heads_statement(&self.writer, sequence, parent, &body))];
        self.take(Content::Group(Group { proposals }));
        assert_eq!(self.store().last_cover().unwrap().unwrap().size.0, size);
    }

    /// Everything that may be asked for can be read, and is right.
    fn check(&mut self) {
        let now = self.leaves.len() as u64;
        let covers: Vec<Cover> = self.store().covers().map(Result::unwrap).collect();
        let window = [oldest_size(now), (oldest_size(now) + now) / 2, now];
        let states = covers.iter().map(|cover| (cover.size.0, cover.map));
        let mut states: Vec<_> = states.collect();
        for size in window {
            states.push((size, self.store().map_at(size).unwrap().expect("within the window")));
        }
        for (size, map) in states {
            let mut naive = MemoryMap::default();
            for (subject, head) in &self.leaves[..size as usize] {
                if !subject.is_heads() {
                    naive.set(map_entry(subject, head)).unwrap();
                }
            }
            assert_eq!(map, naive.map, "at {size} of {now}");
            for table in 0..SUBJECTS {
                let key = MapKey::of(&format!("table/{table}").parse().unwrap());
                let path = map.find(self.store.as_ref().unwrap(), &key).unwrap();
                assert_eq!(path, naive.map.find(&naive, &key).unwrap());
            }
        }
        if let Some(too_old) = oldest_size(now).checked_sub(1) {
            assert_eq!(self.store().map_at(too_old).unwrap(), None);
        }
        assert_eq!(self.store().map_at(now + 1).unwrap(), None);
    }

    /// Nothing is in the database that nobody may ask for. To be called behind a flush.
    fn check_tables(&mut self) {
        let (now, store) = (self.leaves.len() as u64, self.store());
        let subjects = store.map_at(now).unwrap().unwrap().subjects;
        let read = store.db.begin_read().unwrap();
        let nodes = read.open_table(NODES).unwrap().len().unwrap();
        assert_eq!(nodes, (2 * subjects).saturating_sub(1));
        let kept = read.open_table(KEPT).unwrap().len().unwrap();
        assert!(kept <= 2 * (2 * SUBJECTS - 1), "{kept} nodes kept for two heads leaves");
        let sizes = read.open_table(SIZES).unwrap().len().unwrap();
        assert_eq!(sizes, now.min(MAP_WINDOW_LEAVES));
        // what is read back is what is in memory
        let window = store.read_window().unwrap();
        assert_eq!(window.gone, store.window.gone);
        assert_eq!(window.sizes.len(), store.window.sizes.len());
    }
}

fn proposal(statement: Statement) -> ProposalBytes {
    ProposalBytes::from(&Proposal {
        statements: vec![statement],
    })
}

#[test]
fn states_that_may_be_asked_for_outlive_flushes_and_crashes_and_no_other_does() {
    let mut world = World::new();
    let mut next = 7_u64;
    let mut draw = |below: u64| {
        next = next
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (next >> 33) % below
    };
    for step in 0..240 {
        let tables: Vec<u64> = (0..=draw(24)).map(|_| draw(SUBJECTS)).collect();
        world.grow(tables);
        if draw(12) == 0 {
            let behind = draw(world.leaves.len().min(900) as u64);
            let last = world.store().last_cover().unwrap().map_or(0, |cover| cover.size.0);
            if world.leaves.len() as u64 - behind > last {
                world.bind(behind);
            }
        }
        if draw(9) == 0 {
            world.flush();
            world.check_tables();
        }
        if draw(15) == 0 {
            world.open();
        }
        if step % 30 == 0 {
            world.check();
        }
    }
    assert!(
        world.leaves.len() as u64 > 2 * MAP_WINDOW_LEAVES,
        "{} leaves",
        world.leaves.len()
    );
    world.flush();
    world.check_tables();
    world.open();
    world.check();
}

/// A database of the release before the map: no such tables, version 1.
#[test]
fn a_database_without_a_map_is_given_one() {
    let mut world = World::new();
    (0..20).for_each(|table| world.grow([table, table / 2]));
    world.flush();
    let write = world.store().db.begin_write().unwrap();
    for table in [NODES.name(), KEPT.name(), SIZES.name()] {
        let found = write
            .list_tables()
            .unwrap()
            .find(|found| found.name() == table)
            .unwrap();
        write.delete_table(found).unwrap();
    }
    let old = Meta {
        version: 1,
        ..world.store().meta.clone()
    };
    write
        .open_table(super::super::META)
        .unwrap()
        .insert("state", old.encode_to_vec().as_slice())
        .unwrap();
    write.commit().unwrap();
    world.open();
    let now = world.leaves.len() as u64;
    assert_eq!(world.store().meta.version, META_VERSION);
    assert_eq!(world.store().map_at(now - 1).unwrap(), None);
    assert_eq!(world.store().map_at(now).unwrap().unwrap().subjects, 20);
    world.bind(0);
    world.grow([3, 30]);
    world.open();
    world.bind(1);
    let map = world.store().last_cover().unwrap().unwrap().map;
    let key = MapKey::of(&"table/30".parse().unwrap());
    assert_eq!(map.find(world.store(), &key).unwrap().root(&key).unwrap(), map.root);
}
