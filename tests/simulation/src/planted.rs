//! Bugs planted in the ledger, the rule that each breaks, and how many seeds it takes to see it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::{Rule, Watch, simulate_under};

/// Seeds between the beginnings of two searches, so that no two look at the same.
const SEARCH_SEEDS: u64 = 10_000;

/// A bug in the ledger, by the name that the ledger's sources give it.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// The rule that it is planted for.
    pub rule: Rule,
    /// Whether its rule is shown to find it with all other rules off; one bug of each rule is, at least.
    pub alone: bool,
}

const fn bug(name: &'static str, rule: Rule) -> Bug {
    let alone = false;
    Bug { name, rule, alone }
}

const fn alone(name: &'static str, rule: Rule) -> Bug {
    let alone = true;
    Bug { name, rule, alone }
}

/// All planted bugs.
pub const BUGS: [Bug; 41] = [
    alone("a vote is not synced", Rule::OneVote),
    alone("a refusal counts as a vote", Rule::OneLeader),
    alone("a vote is given to whoever asks", Rule::LeaderHolds),
    alone("a term may have two leaders", Rule::LogMatching),
    alone("an acknowledgement counts for the whole log", Rule::CommittedOnce),
    bug("any commit index is believed", Rule::OnlyDisks),
    bug("any term is believed", Rule::OnlyDisks),
    alone("the raft log is not synced", Rule::Acknowledged),
    bug("a failed sync is passed over", Rule::OnlyDisks),
    bug("a conflicting suffix stays in the raft log", Rule::CommittedOnce),
    alone("a message to a follower has no bound", Rule::MessageBound),
    alone("own proposals are judged first", Rule::OneTree),
    alone("one cosignature less certifies", Rule::Certified),
    bug("cosignatures are not verified", Rule::Certified),
    alone("a checkpoint has the root of the tree before", Rule::NeverForks),
    alone("an older certificate replaces a newer one", Rule::NeverShrinks),
    bug("the signed head is not recorded", Rule::CosignsOnce),
    alone("the signed head is not synced", Rule::CosignsOnce),
    bug("a restart forgets the signed head", Rule::CosignsOnce),
    bug("a segment begins without the signed head", Rule::CosignsOnce),
    alone("another tree is not noticed", Rule::Forked),
    bug("the evidence is forgotten", Rule::Forked),
    alone("a lost cosignature is not sent again", Rule::Progress),
    alone("acknowledged when sequenced", Rule::Receipts),
    alone("a read does not wait for the certificate", Rule::ReadsNew),
    bug("a read does not wait for its place", Rule::ReadsNew),
    bug("a read asks nobody", Rule::ReadsNew),
    alone("a reader is shown what is not certified", Rule::ReadsCertified),
    alone("a retry is a conflict", Rule::ConflictStands),
    alone("a retry is appended again", Rule::OnePlace),
    bug("the flush leaves out places", Rule::OnePlace),
    bug("the parent is not looked at", Rule::OneLeaf),
    alone("a sequence may be taken twice", Rule::OneLeaf),
    alone("a proposal enters in part", Rule::Whole),
    alone("a ledger begins without settings", Rule::Answers),
    alone("a record's checksum is not looked at", Rule::Rot),
    bug("the state's pages are not checked", Rule::Rot),
    alone("tiles are not synced before the state", Rule::OnlyDisks),
    bug("the state is ahead of the raft log", Rule::OnlyDisks),
    bug("narrower tiles stay as a crash left them", Rule::NeverForks),
    bug("a torn checkpoint is believed", Rule::OnlyDisks),
];

/// What searches for one bug came to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Seeds that each search took, ascending; those that found nothing are left out.
    pub seeds: Vec<u64>,
    /// The rules by which they saw it, in order of the searches.
    pub rules: Vec<Rule>,
    /// What the first search saw.
    pub seen: String,
}

/// Plants a bug and runs seeds until a rule is broken, in `searches` searches of at most `seeds_max` seeds.
pub fn search(bug: &Bug, watch: Watch, searches: u64, seeds_max: u64) -> Found {
    dab_ledger::planted::plant(Some(bug.name));
    let mut found = Found {
        seeds: Vec::new(),
        rules: Vec::new(),
        seen: String::new(),
    };
    for search in 0..searches {
        let from = 1 + search * SEARCH_SEEDS;
        let broken = (from..from + seeds_max).find_map(|seed| Some((seed, simulate_under(seed, watch).violation?)));
        if let Some((seed, violation)) = broken {
            found.seeds.push(seed + 1 - from);
            if found.seen.is_empty() {
                found.seen = violation.what;
            }
            found.rules.push(violation.rule);
        }
    }
    dab_ledger::planted::plant(None);
    found.seeds.sort_unstable();
    found
}

/// Searches for many bugs on all cores; gives what came of each, in their order.
pub fn search_all(bugs: &[Bug], watch: impl Fn(&Bug) -> Watch + Sync, searches: u64, seeds_max: u64) -> Vec<Found> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let (told, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (told, next, watch) = (told.clone(), &next, &watch);
            scope.spawn(move || {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < bugs.len()) {
                    let found = search(&bugs[at], watch(&bugs[at]), searches, seeds_max);
                    told.send((at, found)).expect("somebody listens");
                }
            });
        }
    });
    drop(told);
    let mut results: Vec<_> = results.iter().collect();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, found)| found).collect()
}
