//! Bugs planted in the ledger, and how many seeds it takes to find each.

use crate::simulate;

/// Seeds between the beginnings of two searches, so that no two look at the same.
const SEARCH_SEEDS: u64 = 10_000;

/// A bug in the ledger, by the name that the ledger's sources give it.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// Why the runs do not show it, where that is so.
    pub hidden: Option<&'static str>,
}

const fn bug(name: &'static str) -> Bug {
    Bug { name, hidden: None }
}

/// All planted bugs.
pub const BUGS: [Bug; 22] = [
    bug("the signed head is not recorded"),
    bug("the signed head is not synced"),
    bug("a restart forgets the signed head"),
    bug("one cosignature less certifies"),
    bug("cosignatures are not verified"),
    Bug {
        name: "a note of another root is merged",
        hidden: Some("each of its lines is checked against this replica's own root, and none fits"),
    },
    bug("a lost cosignature is not sent again"),
    bug("acknowledged when sequenced"),
    bug("a read does not wait for the certificate"),
    bug("a read asks nobody"),
    bug("a retry is a conflict"),
    bug("a retry is appended again"),
    bug("the parent is not looked at"),
    bug("any commit index is believed"),
    bug("any acknowledgement is believed"),
    bug("the raft log is not synced"),
    Bug {
        name: "a vote is not synced",
        hidden: Some(
            "it takes a power cut right behind a vote and a second candidate of that term: not met in 90 seeds",
        ),
    },
    bug("a conflicting suffix stays in the raft log"),
    bug("tiles are not synced before the state"),
    bug("the state is ahead of the raft log"),
    bug("narrower tiles stay as a crash left them"),
    bug("a torn checkpoint is believed"),
];

/// What searches for one bug came to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Seeds that each search took, ascending; those that found nothing are left out.
    pub seeds: Vec<u64>,
    /// How the first search saw it.
    pub seen: String,
}

/// Plants a bug and runs seeds until one breaks a rule, in `searches` searches of at most `seeds_max` seeds.
pub fn search(name: &'static str, searches: u64, seeds_max: u64) -> Found {
    dab_ledger::planted::plant(Some(name));
    let mut found = Found {
        seeds: Vec::new(),
        seen: String::new(),
    };
    for search in 0..searches {
        let from = 1 + search * SEARCH_SEEDS;
        let broken = (from..from + seeds_max).find_map(|seed| Some((seed, simulate(seed).violation?)));
        if let Some((seed, what)) = broken {
            found.seeds.push(seed + 1 - from);
            if found.seen.is_empty() {
                found.seen = what;
            }
        }
    }
    dab_ledger::planted::plant(None);
    found.seeds.sort_unstable();
    found
}
