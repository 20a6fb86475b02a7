//! A replica among others that say anything, in their right names: the guard in front of raft, raft, and the state machine
//! behind it. Whatever they say, it goes on, takes back nothing that it knew to be committed, and shows no checkpoint that
//! its policy does not certify.
//!
//! ```text
//! input  one turn after another:  op u8   length u16 little-endian   that many bytes, or what is left
//! op     bits 0, 1: which of the others speaks; bit 2: time passes first; bit 3: the replica acts afterwards
//! ```

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::Proposal;
use dab_ledger::testing::core::{Core, CoreConfig};
use dab_ledger::testing::sim_disk::SimDisk;
use dab_ledger::testing::statement;
use dab_proof::hash::Hash;
use dab_proof::note::SigningKey;
use dab_proof::policy::Policy;

use crate::watchers::Fixed;
use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "replica",
    decode: replica,
    // opening the replica takes most of it: its disk, its database and their caches
    bound: Bound {
        base: 64 << 20,
        per_byte: 1024,
    },
}];

const REPLICAS: u64 = 4;
/// Which of them hears the others.
const VICTIM: u64 = 2;
const TURNS_MAX: usize = 64;
const ORIGIN: &str = "dab/fuzz";
const TICKS_PER_TURN: u64 = 4;

/// One message for the victim.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) from: u64,
    pub(crate) message: Bytes,
}

/// A ledger of four replicas in the middle of its life.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The victim's disk at that moment.
    disk: SimDisk,
    /// What the victim heard from then on, when nobody lied.
    pub(crate) said: Vec<Said>,
}

fn replica(bytes: &[u8]) -> bool {
    let mut core = open(VICTIM, &scene().disk.backup());
    let before = core.state();
    let (mut rest, mut turns) = (bytes, 0);
    while let Some((op, message, after)) = turn(rest)
        && turns < TURNS_MAX
    {
        if op & 4 != 0 {
            (0..TICKS_PER_TURN).for_each(|_| core.tick());
        }
        let from = (1..=REPLICAS).filter(|id| *id != VICTIM).nth(usize::from(op & 3) % 3);
        let received = core.receive(from.expect("one of three"), Bytes::copy_from_slice(message));
        received.expect("a message is refused, not a reason to fail");
        if op & 8 != 0 {
            core.pump().expect("what others say is no reason to fail");
        }
        (rest, turns) = (after, turns + 1);
    }
    core.pump().expect("what others say is no reason to fail");
    let after = core.state();
    assert!(after.raft_committed >= before.raft_committed && after.term >= before.term);
    assert!(after.certified >= before.certified && after.tree.0 >= after.certified);
    if let Some(checkpoint) = core.checkpoint() {
        policy().verify(&checkpoint).expect("a certified checkpoint");
    }
    after != before
}

fn turn(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[op, low, high], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let (message, after) = rest.split_at(length.min(rest.len()));
    Some((op, message, after))
}

/// The turns in which the victim hears what was said, as an input.
pub(crate) fn script(said: &[Said]) -> Vec<u8> {
    let turn = |Said { from, message }: &Said| {
        let speaker = (1..=REPLICAS).filter(|id| *id != VICTIM).position(|id| id == *from);
        let length = u16::try_from(message.len()).expect("short messages");
        let head = [8 | speaker.expect("one of the others") as u8];
        [&head[..], &length.to_le_bytes(), message].concat()
    };
    said.iter().flat_map(turn).collect()
}

/// The segment of the victim's raft log.
pub(crate) fn raft_segment() -> Vec<u8> {
    use dab_ledger::disk::Disk;
    let path = "private/raft/00000000000000000001.segment";
    let segment = scene().disk.backup().read(path.as_ref()).expect("a disk in memory");
    segment.expect("the raft log's first segment")
}

pub(crate) fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(play)
}

/// Elects a leader, has some leaves certified, takes the victim's disk, and goes on for a while.
fn play() -> Scene {
    let disks: Vec<SimDisk> = (1..=REPLICAS).map(|_| SimDisk::default()).collect();
    let mut cores: Vec<Core> = (1..).zip(&disks).map(|(id, disk)| open(id, disk)).collect();
    let writer = writer();
    let mut heads: [Option<(u64, Hash)>; 2] = [None; 2];
    let (mut said, mut taken) = (Vec::new(), None);
    for step in 0..400_u64 {
        if step % 20 == 10 {
            // only whoever leads, or knows who does, brings it anywhere
            let table = (step as usize / 20) % heads.len();
            let (sequence, parent) = heads[table].map_or((0, None), |(last, hash)| (last + 1, Some(hash)));
            let statement = statement(ORIGIN, &writer, &format!("table/t{table}"), sequence, parent, "body");
            let known = cores[0].head(&statement.leaf.leaf().subject).expect("a state");
            if known.map(|head| head.sequence) == sequence.checked_sub(1) {
                heads[table] = Some((sequence, statement.leaf.hash()));
                drop(cores[step as usize % 4].propose(&Proposal {
                    statements: vec![statement],
                }));
            }
        }
        if step == 300 {
            taken = Some(disks[VICTIM as usize - 1].backup());
        }
        for from in 1..=REPLICAS {
            let core = &mut cores[from as usize - 1];
            core.tick();
            for (to, message) in core.pump().expect("nobody lies") {
                if to == VICTIM && taken.is_some() {
                    let message = message.clone();
                    said.push(Said { from, message });
                }
                cores[to as usize - 1].receive(from, message).expect("nobody lies");
            }
        }
    }
    assert!(
        cores.iter_mut().all(|core| core.state().certified > 3),
        "nothing was certified"
    );
    let disk = taken.expect("the disk was taken");
    Scene { disk, said }
}

fn open(id: u64, disk: &SimDisk) -> Core {
    let config = CoreConfig {
        disk: Arc::new(disk.clone()),
        id,
        voters: (1..=REPLICAS).collect(),
        log: log(),
        cosigner: cosigner(id),
        policy: policy(),
        writers: format!("{} *\n", writer().verifier()),
        clock: Arc::new(Fixed),
        limits: NodeLimits {
            waiting_max: 16,
            group_leaves_max: 4,
            flush_entries_max: 8,
            request_ticks_max: 60,
            ..NodeLimits::default()
        },
        election_seed: id,
        run: [id as u8; 16],
    };
    Core::open(config).expect("the replica starts")
}

fn policy() -> Policy {
    let mut policy = format!("log {}\n", log().verifier());
    for id in 1..=REPLICAS {
        policy += &format!("witness r{id} {}\n", cosigner(id).verifier());
    }
    policy += "group replicas 3 r1 r2 r3 r4\nquorum replicas\n";
    Policy::parse(policy).expect("a good policy")
}

fn log() -> SigningKey {
    SigningKey::generate(ORIGIN, &[1; 32]).expect("a good name")
}

fn writer() -> SigningKey {
    SigningKey::generate(&format!("{ORIGIN}/writer"), &[2; 32]).expect("a good name")
}

fn cosigner(id: u64) -> SigningKey {
    SigningKey::generate_cosigner(&format!("{ORIGIN}/r{id}"), &[10 + id as u8; 32]).expect("a good name")
}
