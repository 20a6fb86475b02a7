//! What must hold, looked at after every step.
//!
//! The checker believes no replica: it keeps its own record of every vote, raft entry, root, certified checkpoint,
//! cosignature and answer that was ever seen, and holds what it sees now against that. `rules.rs` names the rules.
//!
//! Where a voter lies or has lost what it promised, raft promises nothing: [`Voters`] says which rules are given up then.

mod answers;
mod trees;

use std::collections::{BTreeMap, BTreeSet};

use dab_ledger::testing::core::{Core, CoreState};
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::consistency;
use dab_proof::hash::Hash;
use dab_proof::tile;
use dab_proof::tree::TreeSize;
use dab_proof::trust::Trust;

use crate::replica::Machine;
use crate::rules::{Check, Rule, Watch};
use answers::Record;
pub(crate) use answers::{ProposalId, Proposed};
pub(crate) use trees::leaves;

pub(crate) type Root = [u8; 32];

/// What raft may count on in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voters {
    /// All keep what they promise; one may say what nobody can believe. Every rule holds.
    Honest,
    /// One has lost what it had promised. Raft logs may differ from then on, and the trees behind them: what is certified
    /// holds, and where raft did not break, everything does.
    Forgetful,
    /// One tells different followers different things. As above; and what a replica reads may be old, since where a read
    /// stands in the log is its leader's word.
    Lying,
}

#[derive(Debug, Default)]
struct Seen {
    committed: u64,
    certified: Option<u64>,
}

/// An entry as it was first seen to be committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    term: u64,
    digest: Root,
    /// The term of who showed it: it was committed then or before.
    shown_in: u64,
}

#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) watch: Watch,
    trust: Trust,
    /// The replica that is not bound by any rule.
    traitor: Option<u64>,
    pub(crate) voters: Voters,
    /// Raft was seen to break among the honest; a run in which it may then promises no progress any more.
    pub(crate) raft_is_broken: bool,
    votes: BTreeMap<(u64, u64), u64>,
    leaders: BTreeMap<u64, u64>,
    entries: BTreeMap<(u64, u64), Root>,
    committed: BTreeMap<u64, Committed>,
    roots: BTreeMap<u64, Root>,
    pub(crate) certified: BTreeMap<u64, Root>,
    /// Checkpoints that were verified already, as bytes.
    verified: BTreeSet<Vec<u8>>,
    seen: BTreeMap<u64, Seen>,
    records: Vec<Record>,
    leaves: BTreeMap<u64, Hash>,
    places: BTreeMap<(String, u64), Hash>,
    /// The last sequence of each subject that somebody was told of.
    told: BTreeMap<String, u64>,
}

impl Checker {
    pub(crate) fn new(watch: Watch, trust: Trust, traitor: Option<u64>, voters: Voters) -> Self {
        Self {
            watch,
            trust,
            traitor,
            voters,
            raft_is_broken: false,
            votes: BTreeMap::new(),
            leaders: BTreeMap::new(),
            entries: BTreeMap::new(),
            committed: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            verified: BTreeSet::new(),
            seen: BTreeMap::new(),
            records: Vec::new(),
            leaves: BTreeMap::new(),
            places: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    fn broken(&self, rule: Rule, what: String) -> Check {
        self.watch.broken(rule, what)
    }

    /// A rule of raft is broken, which is a fault only where all voters kept their promises.
    fn raft_broken(&mut self, rule: Rule, what: String) -> Check {
        if self.voters == Voters::Honest {
            return self.broken(rule, what);
        }
        self.raft_is_broken = true;
        Ok(())
    }

    /// A replica starts again: everything in it is looked at again.
    pub(crate) fn restarted(&mut self, id: u64) {
        self.seen.insert(id, Seen::default());
    }

    /// An honest replica asks for a vote, or gives one.
    pub(crate) fn votes(&mut self, id: u64, term: u64, candidate: u64) -> Check {
        let before = *self.votes.entry((id, term)).or_insert(candidate);
        if before != candidate {
            let what = format!("replica {id} votes for {candidate} in term {term}, after {before}");
            return self.broken(Rule::OneVote, what);
        }
        Ok(())
    }

    /// An honest replica begins to lead.
    pub(crate) fn leads(&mut self, id: u64, core: &mut Core, state: &CoreState) -> Check {
        let leader = *self.leaders.entry(state.term).or_insert(id);
        if leader != id {
            let what = format!("replicas {leader} and {id} lead in term {}", state.term);
            self.broken(Rule::OneLeader, what)?;
        }
        let held = self.committed.range(state.raft_base + 1..);
        // what a later leader committed, one that was elected before and learns of it late need not hold
        let held: Vec<_> = held
            .filter(|(_, entry)| entry.shown_in < state.term)
            .map(|(index, entry)| (*index, entry.term, entry.digest))
            .collect();
        for (index, term, digest) in held {
            if core.raft_entry(index) != Some((term, digest)) {
                let what = format!(
                    "replica {id} leads in term {} without the committed entry {index}",
                    state.term
                );
                return self.raft_broken(Rule::LeaderHolds, what);
            }
        }
        Ok(())
    }

    /// Looks at a replica after a step.
    pub(crate) fn replica(&mut self, machine: &mut Machine) -> Check {
        let id = machine.id;
        let Some(core) = &mut machine.core else { return Ok(()) };
        self.certified_of(id, core)?;
        if self.traitor == Some(id) {
            return Ok(());
        }
        let state = core.state();
        self.cosigned_by(id, &machine.cosigned, &state)?;
        if self.raft_is_broken {
            return Ok(());
        }
        self.raft_log_of(id, core, &state)?;
        let (size, root) = state.tree;
        if *self.roots.entry(size).or_insert(root) != root {
            let what = format!("{size} leaves have two roots, one at replica {id}");
            return self.raft_broken(Rule::OneTree, what);
        }
        Ok(())
    }

    fn cosigned_by(&self, id: u64, cosigned: &BTreeMap<u64, Root>, state: &CoreState) -> Check {
        if let Some((&size, root)) = cosigned.last_key_value() {
            match state.signed {
                Some((signed, _)) if signed > size => {}
                Some(signed) if signed == (size, *root) => {}
                signed => {
                    let what = format!("replica {id} has cosigned {size} leaves, and remembers {signed:?}");
                    self.broken(Rule::CosignsOnce, what)?;
                }
            }
        }
        if let Some((size, root)) = state.signed
            && cosigned.get(&size).is_some_and(|cosigned| *cosigned != root)
        {
            let what = format!("replica {id} signs two roots for {size} leaves");
            self.broken(Rule::CosignsOnce, what)?;
        }
        Ok(())
    }

    fn raft_log_of(&mut self, id: u64, core: &mut Core, state: &CoreState) -> Check {
        let seen = self.seen.entry(id).or_default();
        // what a log gives up within one step is not seen at this replica
        seen.committed = seen.committed.max(state.raft_base);
        let mut committed = seen.committed;
        let mut index = committed + 1;
        while let Some((term, digest)) = core.raft_entry(index) {
            if *self.entries.entry((index, term)).or_insert(digest) != digest {
                let what = format!("raft entry {index} of term {term} has two contents, one at replica {id}");
                self.raft_broken(Rule::LogMatching, what)?;
            }
            let committed_before = self.committed.get(&index).copied();
            if let Some(known) = committed_before.filter(|known| state.leads && known.shown_in <= state.term)
                && (known.term, known.digest) != (term, digest)
            {
                let what = format!("replica {id} leads in term {} with another entry {index}", state.term);
                self.raft_broken(Rule::LeaderHolds, what)?;
            }
            if index <= state.raft_committed {
                let shown_in = state.term;
                let first = Committed { term, digest, shown_in };
                let known = *self.committed.entry(index).or_insert(first);
                if (known.term, known.digest) != (term, digest) {
                    let what = format!("raft entry {index} is committed twice, differently, at replica {id}");
                    self.raft_broken(Rule::CommittedOnce, what)?;
                }
                committed = index;
            }
            index += 1;
        }
        self.seen.entry(id).or_default().committed = committed;
        if committed < state.raft_committed {
            let (held, committed) = (index - 1, state.raft_committed);
            let what = format!("replica {id} has {committed} committed and holds entries to {held}");
            return self.raft_broken(Rule::CommittedOnce, what);
        }
        Ok(())
    }

    /// Looks at what a replica shows as certified.
    pub(crate) fn certified_of(&mut self, id: u64, core: &Core) -> Check {
        let Some(checkpoint) = core.checkpoint() else {
            return Ok(());
        };
        let size = checkpoint.checkpoint().size.0;
        let seen = self.seen.entry(id).or_default();
        let before = seen.certified.replace(size);
        if before == Some(size) {
            return Ok(());
        }
        if self.traitor != Some(id) && before.is_some_and(|before| before > size) {
            let what = format!("replica {id} shows {size} certified leaves after more");
            self.broken(Rule::NeverShrinks, what)?;
        }
        // the checkpoint of a traitor counts too: nobody can make one alone
        self.certify(id, &checkpoint)?;
        let before = self.certified.range(..size).next_back();
        let Some((&older, root)) = before.filter(|_| self.traitor != Some(id)) else {
            return Ok(());
        };
        let (older, newer) = (TreeSize(older), TreeSize(size));
        let mut node = |level, at| tile::hash_from_tiles(core.files(), newer, level, at);
        let roots = (Hash::from_bytes(*root), checkpoint.checkpoint().root);
        let extends = consistency::prove(older, newer, &mut node)
            .and_then(|proof| consistency::verify(older, &roots.0, newer, &roots.1, &proof));
        match extends {
            Ok(()) => Ok(()),
            Err(error) => {
                let what = format!("certified {newer} leaves do not extend {older}, at replica {id}: {error}");
                self.broken(Rule::NeverForks, what)
            }
        }
    }

    fn certify(&mut self, id: u64, checkpoint: &SignedCheckpoint) -> Check {
        let head = checkpoint.checkpoint();
        let bytes = checkpoint.to_bytes();
        if !self.verified.contains(&bytes) {
            if let Err(error) = self.trust.policy.verify(checkpoint) {
                self.broken(
                    Rule::Certified,
                    format!("replica {id} shows {} leaves: {error}", head.size),
                )?;
            }
            self.verified.insert(bytes);
        }
        let root = *head.root.as_bytes();
        if *self.certified.entry(head.size.0).or_insert(root) != root {
            let what = format!("{} leaves are certified with two roots, one at replica {id}", head.size);
            return self.broken(Rule::NeverForks, what);
        }
        Ok(())
    }

    /// Whether two notes are evidence against whoever holds the first: one ledger, one size, two roots, and the second is
    /// certified.
    pub(crate) fn is_evidence(&self, ours: &SignedCheckpoint, theirs: &SignedCheckpoint) -> bool {
        let (first, second) = (ours.checkpoint(), theirs.checkpoint());
        let logs = || self.trust.policy.logs().iter().map(|log| &log.key);
        let signed = ours.note().verify("checkpoint", logs());
        signed.is_ok_and(|lines| !lines.is_empty())
            && (&first.origin, first.size) == (&second.origin, second.size)
            && first.root != second.root
            && self.trust.policy.verify(theirs).is_ok()
    }
}
