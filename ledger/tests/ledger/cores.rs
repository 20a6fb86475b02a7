//! Replicas' cores on simulated disks, over a network that loses nothing and takes no time.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use dab_ledger::Error;
use dab_ledger::clock::SystemClock;
use dab_ledger::node::NodeLimits;
use dab_ledger::notary::{Outcome, Proposal, Statement};
use dab_ledger::testing::core::{Core, CoreConfig};
use dab_ledger::testing::sim_disk::SimDisk;
use dab_proof::note::SigningKey;
use dab_proof::policy::Policy;

pub(crate) const ORIGIN: &str = "dab/replicas";
pub(crate) const REPLICAS: u64 = 4;
pub(crate) const ROUNDS_MAX: usize = 500;

pub(crate) fn writer() -> SigningKey {
    SigningKey::generate("dab/replicas/writer", &[9; 32]).unwrap()
}

pub(crate) fn writers() -> String {
    format!("{} *\n", writer().verifier())
}

fn log() -> SigningKey {
    SigningKey::generate(ORIGIN, &[1; 32]).unwrap()
}

fn cosigner(id: u64) -> SigningKey {
    SigningKey::generate_cosigner(&format!("{ORIGIN}/{id}"), &[10 + id as u8; 32]).unwrap()
}

pub(crate) fn policy() -> String {
    let mut policy = format!("log {}\n", log().verifier());
    for id in 1..=REPLICAS {
        policy += &format!("witness r{id} {}\n", cosigner(id).verifier());
    }
    policy + "group replicas 3 r1 r2 r3 r4\nquorum replicas\n"
}

/// One of four replicas, three of which certify. Each run on a disk has a number of its own.
pub(crate) fn open(id: u64, disk: &SimDisk, limits: &NodeLimits, run: u8) -> Result<Core, Error> {
    Core::open(CoreConfig {
        disk: Arc::new(disk.clone()),
        id,
        voters: (1..=REPLICAS).collect(),
        log: log(),
        cosigner: cosigner(id),
        policy: Policy::parse(policy()).unwrap(),
        writers: writers(),
        clock: Arc::new(SystemClock),
        limits: limits.clone(),
        election_seed: 7,
        run: [run; 16],
    })
}

/// What a liar makes of a file, by its path.
pub(crate) type Lie = fn(&str, Vec<u8>) -> Option<Vec<u8>>;

/// Four replicas, some of which may be down.
pub(crate) struct Cores {
    limits: NodeLimits,
    disks: Vec<SimDisk>,
    pub(crate) cores: Vec<Option<Core>>,
    runs: u8,
    /// What the first replica that is asked for a file makes of all its files.
    pub(crate) lie: Option<Lie>,
    liar: Option<u64>,
    pub(crate) lies_told: usize,
}

impl Cores {
    pub(crate) fn start(limits: NodeLimits) -> Self {
        let mut world = Self {
            limits,
            disks: (0..REPLICAS).map(|_| SimDisk::default()).collect(),
            cores: Vec::new(),
            runs: 0,
            lie: None,
            liar: None,
            lies_told: 0,
        };
        for id in 1..=REPLICAS {
            let core = world.open(id).unwrap();
            world.cores.push(Some(core));
        }
        world
    }

    /// All four, started on copies of these disks.
    pub(crate) fn again(&self) -> Self {
        let mut world = Self {
            limits: self.limits.clone(),
            disks: self.disks.iter().map(SimDisk::backup).collect(),
            cores: (0..REPLICAS).map(|_| None).collect(),
            runs: self.runs,
            lie: None,
            liar: None,
            lies_told: 0,
        };
        for id in 1..=REPLICAS {
            world.restart(id).unwrap();
        }
        world
    }

    pub(crate) fn disk(&self, id: u64) -> &SimDisk {
        &self.disks[id as usize - 1]
    }

    pub(crate) fn core(&mut self, id: u64) -> &mut Core {
        self.cores[id as usize - 1].as_mut().expect("the replica runs")
    }

    pub(crate) fn stop(&mut self, id: u64) {
        self.cores[id as usize - 1] = None;
    }

    pub(crate) fn restart(&mut self, id: u64) -> Result<(), Error> {
        self.stop(id);
        let core = self.open(id)?;
        self.cores[id as usize - 1] = Some(core);
        Ok(())
    }

    fn open(&mut self, id: u64) -> Result<Core, Error> {
        self.runs += 1;
        open(id, self.disk(id), &self.limits, self.runs)
    }

    /// A tick for everybody, and every message and file that follows from it. What a replica fails with, by id; it is down
    /// then.
    pub(crate) fn round(&mut self) -> Vec<(u64, Error)> {
        let mut failed = Vec::new();
        let mut messages = VecDeque::new();
        for id in 1..=REPLICAS {
            if let Some(core) = &mut self.cores[id as usize - 1] {
                core.tick();
                self.pump(id, &mut messages, &mut failed);
            }
        }
        while let Some((from, to, message)) = messages.pop_front() {
            let Some(core) = &mut self.cores[to as usize - 1] else {
                continue;
            };
            match core.receive(from, message) {
                Ok(()) => self.pump(to, &mut messages, &mut failed),
                Err(error) => self.failed(to, error, &mut failed),
            }
        }
        failed
    }

    /// Rounds until `reached`; no replica may fail meanwhile.
    #[track_caller]
    pub(crate) fn rounds_until(&mut self, mut reached: impl FnMut(&mut Self) -> bool) {
        for _ in 0..ROUNDS_MAX {
            if reached(self) {
                return;
            }
            let failed = self.round();
            assert!(failed.is_empty(), "{failed:?}");
        }
        panic!("not reached in {ROUNDS_MAX} rounds");
    }

    /// Has a statement certified.
    #[track_caller]
    pub(crate) fn certify(&mut self, id: u64, statement: Statement) {
        let statements = vec![statement];
        let mut answer = self.core(id).propose(&Proposal { statements });
        let mut outcome = None;
        self.rounds_until(|_| {
            outcome = answer.try_recv().ok();
            outcome.is_some()
        });
        assert!(matches!(outcome, Some(Ok(Outcome::Certified(_)))), "{outcome:?}");
    }

    fn pump(&mut self, id: u64, messages: &mut VecDeque<(u64, u64, Bytes)>, failed: &mut Vec<(u64, Error)>) {
        loop {
            let Some(core) = &mut self.cores[id as usize - 1] else {
                return;
            };
            let wanted = core.pump().and_then(|outgoing| {
                messages.extend(outgoing.into_iter().map(|(to, message)| (id, to, message)));
                core.wanted()
            });
            let fetched = match wanted {
                Ok(None) => return,
                Ok(Some((from, path))) => {
                    let source = self.cores[from as usize - 1].as_ref();
                    let mut file = source.and_then(|source| source.file(&path));
                    if let Some(lie) = self.lie
                        && *self.liar.get_or_insert(from) == from
                    {
                        self.lies_told += 1;
                        file = file.and_then(|file| lie(&path, file));
                    }
                    self.core(id).fetched(from, path, file.map(Bytes::from))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = fetched {
                return self.failed(id, error, failed);
            }
        }
    }

    fn failed(&mut self, id: u64, error: Error, failed: &mut Vec<(u64, Error)>) {
        self.stop(id);
        failed.push((id, error));
    }
}
